"""From the network's scores to calibrated intents and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.budget import Curve
from nlu.families import Families
from nlu.neighbours import Neighbours, voted
from nlu.types import Intent, Verdict

Floats = NDArray[np.float32]

MOST_CANDIDATES = 3
DOUBTED = 0.4
"""Probability at most of a meaning that the text itself takes back."""
RANKED = 10
"""Intents in a ranking: what Rasa reports."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    sure: float
    """Probability from which the first intent is acted on."""
    ambiguous: float
    """Probability that the two or three offered meanings must reach together."""
    scope: float
    """Scope score below which nothing is guessed."""
    knowledge: float
    """Probability from which a passage is taken as an answer."""

    @classmethod
    def keeping(cls, budget: float, curve: Curve, scope: float, knowledge: float) -> Thresholds:
        """Those under which at most that share of the in-scope texts should be answered wrongly."""
        choice = curve.within(budget)
        return cls(choice.sure, choice.ambiguous, scope, knowledge)


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Softmax of scores divided by the temperature (Guo et al. 2017)."""
    scaled = scores / temperature
    likely = np.exp(scaled - scaled.max(-1, keepdims=True))
    return likely / likely.sum(-1, keepdims=True)  # type: ignore[no-any-return]  # numpy's sum is Any


@dataclass(frozen=True, slots=True)
class Judge:
    """What the network's scores come to."""

    names: tuple[str, ...]
    near: Neighbours
    start: float
    """Weight of the opinion that the head had before training."""
    temperature: float

    def likely(self, scores: Floats, start: Floats, points: Floats) -> Floats:
        """Calibrated probabilities, n x intents."""
        return probabilities(voted(self.near.joined(scores, points), start, self.start), self.temperature)

    def glanced(self, scores: Floats, points: Floats) -> Floats:
        """The same without the opinion from before."""
        return probabilities(self.near.joined(scores, points), self.temperature)


def ranking(families: Families, likely: Floats) -> tuple[Intent, ...]:
    """Most likely first, of one text's probabilities."""
    (found,) = rankings(families, likely[None])
    return found


def rankings(families: Families, likely: Floats) -> list[tuple[Intent, ...]]:
    """The same of n texts' probabilities."""
    chances = families.likely(likely)
    best = np.argsort(-chances, 1, kind="stable")[:, :RANKED]
    found = zip(best.tolist(), np.minimum(np.take_along_axis(chances, best, 1), 1.0).tolist(), strict=True)
    return [tuple(Intent(families.names[n], chance) for n, chance in zip(*row, strict=True)) for row in found]


def response_keys(names: tuple[str, ...], likely: Floats, intent: str) -> dict[str, Any]:
    """Rasa's `response_selector` entry of a retrieval intent."""
    of_intent = [(p, name) for p, name in zip(likely.tolist(), names, strict=True) if name.startswith(intent + "/")]
    total = sum(p for p, _ in of_intent)
    ranked = [
        {"intent_response_key": name, "confidence": p / total if total else 0.0}
        for p, name in sorted(of_intent, reverse=True)[:RANKED]
    ]
    return {"response_selector": {intent: {"response": dict(ranked[0]), "ranking": ranked}}}


def offered(chances: Floats) -> NDArray[np.bool_]:
    """Which meanings are worth asking about, of n x 3 probabilities, highest first: a fifth as likely as that one."""
    return chances * 5 >= chances[..., :1]


def candidates(ranked: tuple[Intent, ...]) -> tuple[Intent, ...]:
    """The two or three meanings worth asking about."""
    first = ranked[:MOST_CANDIDATES]
    worth = offered(np.array([intent.confidence for intent in first], np.float32))
    return tuple(intent for intent, asked in zip(first, worth, strict=True) if asked)


def doubted(ranked: tuple[Intent, ...]) -> tuple[Intent, ...]:
    """The meanings to offer where the text takes back what its first meaning asks for: that one is less likely than
    not."""
    first, *others = ranked[:MOST_CANDIDATES]
    return (Intent(first.name, min(first.confidence, DOUBTED)), *others)


def verdict(ranked: tuple[Intent, ...], scope: float, thresholds: Thresholds) -> tuple[Verdict, tuple[Intent, ...]]:
    """What to do, and the meanings to offer if that is to ask."""
    if scope < thresholds.scope:
        return Verdict.UNSURE, ()
    if ranked[0].confidence >= thresholds.sure:
        return Verdict.SURE, ()
    meanings = candidates(ranked)
    if len(meanings) > 1 and sum(i.confidence for i in meanings) >= thresholds.ambiguous:
        return Verdict.AMBIGUOUS, meanings
    return Verdict.UNSURE, ()
