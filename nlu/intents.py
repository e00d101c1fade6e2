"""From the network's scores to calibrated intents and a verdict."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.neighbours import Neighbours
from nlu.types import Intent, Verdict

MOST_CANDIDATES = 3
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
    """Similarity from which a passage is taken as an answer."""

    def to_json(self) -> dict[str, float]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Thresholds:
        return cls(**{name: float(value) for name, value in values.items()})


def probabilities(scores: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Softmax of scores divided by the temperature (Guo et al. 2017)."""
    scaled = scores / temperature
    likely = np.exp(scaled - scaled.max(-1, keepdims=True))
    return likely / likely.sum(-1, keepdims=True)  # type: ignore[no-any-return]  # numpy's sum is Any


@dataclass(frozen=True, slots=True)
class Judge:
    """What the network's scores come to."""

    names: tuple[str, ...]
    near: Neighbours
    temperature: float

    def likely(self, scores: NDArray[np.float32], points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calibrated probabilities, n x intents."""
        return probabilities(self.near.joined(scores, points), self.temperature)


def ranking(names: tuple[str, ...], likely: NDArray[np.float32]) -> tuple[Intent, ...]:
    """Most likely first. A retrieval intent `faq/returns` counts for `faq`, as in Rasa."""
    summed: dict[str, float] = defaultdict(float)
    for name, probability in zip(names, likely.tolist(), strict=True):
        summed[name.partition("/")[0]] += probability
    best = sorted(summed.items(), key=lambda pair: -pair[1])[:RANKED]
    return tuple(Intent(name, min(1.0, probability)) for name, probability in best)


def response_keys(names: tuple[str, ...], likely: NDArray[np.float32], intent: str) -> dict[str, Any]:
    """Rasa's `response_selector` entry of a retrieval intent; empty for any other."""
    of_intent = [(p, name) for p, name in zip(likely.tolist(), names, strict=True) if name.startswith(intent + "/")]
    if not of_intent:
        return {}
    total = sum(p for p, _ in of_intent)
    ranked = [
        {"intent_response_key": name, "confidence": p / total if total else 0.0}
        for p, name in sorted(of_intent, reverse=True)[:RANKED]
    ]
    return {"response_selector": {intent: {"response": dict(ranked[0]), "ranking": ranked}}}


def candidates(ranked: tuple[Intent, ...]) -> tuple[Intent, ...]:
    """The two or three meanings worth asking about: each at least a fifth as likely as the first."""
    return tuple(i for i in ranked[:MOST_CANDIDATES] if i.confidence * 5 >= ranked[0].confidence)


def verdict(ranked: tuple[Intent, ...], scope: float, thresholds: Thresholds) -> tuple[Verdict, tuple[Intent, ...]]:
    """What to do, and the meanings to offer if that is to ask."""
    if scope < thresholds.scope:
        return Verdict.UNSURE, ()
    if ranked[0].confidence >= thresholds.sure:
        return Verdict.SURE, ()
    offered = candidates(ranked)
    if len(offered) > 1 and sum(i.confidence for i in offered) >= thresholds.ambiguous:
        return Verdict.AMBIGUOUS, offered
    return Verdict.UNSURE, ()
