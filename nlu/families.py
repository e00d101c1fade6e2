"""Intents that count as one: `faq/returns` and `faq/postage` are both `faq`, as in Rasa."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlu.types import family

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Families:
    """Of a model's intents."""

    names: tuple[str, ...]
    of_intents: NDArray[np.int64]
    """The number of each intent's family."""
    parted: frozenset[str]
    """Those that are told apart within."""

    @classmethod
    def of(cls, intents: Sequence[str]) -> Self:
        names = tuple(dict.fromkeys(map(family, intents)))
        numbers = {name: number for number, name in enumerate(names)}
        parted = frozenset(family(intent) for intent in intents if family(intent) != intent)
        return cls(names, np.array([numbers[family(intent)] for intent in intents], np.int64), parted)

    def likely(self, of_intents: Sequence[Floats] | Floats) -> NDArray[np.float64]:
        """From n texts' probabilities of the intents those of the families."""
        return sums(np.asarray(of_intents), self.of_intents, len(self.names))


def sums(values: Floats, groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """From n rows of values those of groups, below `count`, that have each its sum."""
    places = np.arange(len(values))[:, None] * count + groups
    found = np.bincount(places.ravel(), values.ravel(), len(values) * count)
    return np.asarray(found, np.float64).reshape(-1, count)
