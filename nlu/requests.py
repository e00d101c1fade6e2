"""Several requests in one message: which of the places where a text may be cut in two stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlu.cuts import STOPS, Cut
from nlu.families import Families

Floats = NDArray[np.floating[Any]]

NO_REQUESTS = frozenset(
    {"greet", "goodbye", "thank", "affirm", "deny", "inform", "stop", "restart", "repeat", "back", "bot_challenge"}
    | {"how_are_you", "compliment", "chitchat", "mood_great", "mood_unhappy"}
)
"""Intents, by the names that Rasa projects give them, that go along with a request or are about the conversation."""
WEIGHTS, BIAS = np.array([1.88, 0.35, 0.76, -0.28, -0.12, 0.78, -0.1, -0.12, -0.39, 0.12]), 0.77
"""Of the signals, in their order: learnt from training examples, alone and in pairs; see docs/training.md."""
PROMISES = np.array(
    [1.02, 0.19, 0.67, -0.35, -0.31, 1.14, -0.92, -0.6, -0.55, -0.11, -0.07, 0.18, 0.44, 1.44, 0.62, -0.07]
)
PROMISED = 2.43
"""The same of what is foreseen of the parts; of two hundred pairs that would be found, one is missed."""
FLOOR = 1e-6
SAY, LEAST_SAY = 0.15, 1e-4
"""How much the whole has to say in what its parts mean: the exponent of its probabilities, and the least of them."""

_BESIDES = re.compile(
    r"\b(?:also|plus|oh|btw|besides|moreover|additionally|furthermore|secondly|by the way|as well|another|one more)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\?|\b(?:please|pls|plz|want|need|(?:would|'d) like|wish|can|could|may|tell|send|give|show|let me|how|what|when"
    r"|where|which|who|do you|does|is there|are there)\b",
    re.IGNORECASE,
)
_STATING = re.compile(
    r"(?:(?:hi|hello|hey)\b)?[ ,!.]*(?:i|we|my|it|it's|its|the|this|that|he|she|they|you|your|there|our|one|two|a)\b",
    re.IGNORECASE,
)


@lru_cache(maxsize=8)
def possible(families: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of them a customer may have besides another one."""
    return np.array([name not in NO_REQUESTS for name in families])


def may_be_two(one: str, other: str) -> bool:
    """Whether these families are those of two requests."""
    return one != other and not NO_REQUESTS & {one, other}


@dataclass(frozen=True, slots=True)
class Readings:
    """What a model makes of a text, and of the parts of its cuts."""

    text: str
    cuts: Sequence[Cut]
    families: Families
    whole: Floats
    """Probability of each family."""
    first: Floats
    """Cuts x families."""
    second: Floats

    @classmethod
    def of(cls, text: str, tried: Sequence[Cut], families: Families, likely: Sequence[Floats]) -> Self:
        """`likely`: per intent, of the whole text, then of the two parts of each cut in turn."""
        of_families = families.likely(likely)
        return cls(text, tried, families, of_families[0], of_families[1::2], of_families[2::2])

    def promising(self) -> NDArray[np.bool_]:
        """Which of the cuts are worth reading their parts alone, if these readings are of the parts' words within the
        whole text."""
        return np.asarray(self.foreseen() @ PROMISES + PROMISED > 0)

    def foreseen(self) -> NDArray[np.float64]:
        """Cuts x 16: the signals; the whole's two likeliest families; how sure of itself each part is, the lesser and
        the greater; how alike both are; whether there is no other cut."""
        sure = np.sort([self.first.max(1), self.second.max(1)], 0)
        alike = np.sqrt(self.first * self.second).sum(1)
        of_whole = np.sort(self.whole)[-2:]
        columns = _log(np.column_stack([np.tile(of_whole, (len(self.cuts), 1)), *sure, alike]))
        alone = np.full(len(self.cuts), len(self.cuts) == 1)
        return np.column_stack([self.signals(self.meant()), columns, alone])

    @property
    def say(self) -> Floats:
        """Of the whole text, in what a part of it means."""
        return np.maximum(self.whole, LEAST_SAY) ** SAY

    def meant(self) -> Meant:
        """Of each cut the likeliest families of its parts, given that they are not the same."""
        first, second, rows = self.first * self.say, self.second * self.say, np.arange(len(self.cuts))
        one, other = np.argsort(-first, 1)[:, :2].T, np.argsort(-second, 1)[:, :2].T
        alike = one[0] == other[0]
        yields = first[rows, one[1]] * second[rows, other[0]] > first[rows, one[0]] * second[rows, other[1]]
        return Meant(np.where(alike & yields, one[1], one[0]), np.where(alike & ~yields, other[1], other[0]), alike)

    def signals(self, meant: Meant) -> NDArray[np.float64]:
        """Cuts x 10: how sure the less sure part is; in the whole the less likely of both intents, and both; how much a
        part is of the other's intent, the lesser and the greater; a word like "also" between them, a mere comma, or
        nothing; how many of the parts only state something; whether both alone would be of the same intent."""
        one, other, rows = meant.first, meant.second, np.arange(len(self.cuts))
        parts = [cut.texts(self.text) for cut in self.cuts]
        between = [cut.between(self.text) for cut in self.cuts]
        own, crossed = ((self.first[rows, mine], self.second[rows, its]) for mine, its in ((one, other), (other, one)))
        return np.column_stack(
            [
                _log(np.minimum(*own)),
                _log(np.minimum(self.whole[one], self.whole[other])),
                _log(self.whole[one] + self.whole[other]),
                _log(np.minimum(*crossed)),
                _log(np.maximum(*crossed)),
                [bool(_BESIDES.search(joint)) for joint in between],
                [joint.strip() == "," for joint in between],
                [joint == " " and not first.endswith(STOPS) for joint, (first, _) in zip(between, parts, strict=True)],
                [sum(map(_only_states, pair)) for pair in parts],
                meant.alike,
            ]
        )

    def best(self) -> tuple[int, Floats, Floats] | None:
        """Which of the cuts stands, if one does; and what the intents' probabilities of its parts are to be multiplied
        with, since the whole has a say and neither means what the other does."""
        if len(self.families.names) < 2:
            return None
        meant, asked = self.meant(), possible(self.families.names)
        both = asked[meant.first] & asked[meant.second]
        scores = np.where(both, self.signals(meant) @ WEIGHTS + BIAS, -np.inf)
        found = int(scores.argmax())
        if scores[found] <= 0:
            return None
        return found, self._without(meant.second[found]), self._without(meant.first[found])

    def _without(self, family: int) -> Floats:
        say = self.say
        say[family] = 0
        return say[self.families.of_intents]


@dataclass(frozen=True, slots=True)
class Meant:
    """Families of the first and the second parts of cuts."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    alike: NDArray[np.bool_]
    """Whether each for itself would be of the same."""


def _only_states(part: str) -> bool:
    return bool(_STATING.match(part)) and not _ASKING.search(part)


def _log(probability: Floats) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probability, FLOOR)))
