"""The same texts before and after: which became good, which bad, and whether that was chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Steps:
    was: NDArray[np.bool_]
    now: NDArray[np.bool_]

    @classmethod
    def of(cls, was: Sequence[bool], now: Sequence[bool]) -> Self:
        return cls(np.array(was, bool), np.array(now, bool))

    @property
    def texts(self) -> int:
        return len(self.was)

    @property
    def gained(self) -> list[int]:
        """Where it became good."""
        return np.flatnonzero(self.now & ~self.was).tolist()

    @property
    def lost(self) -> list[int]:
        return np.flatnonzero(self.was & ~self.now).tolist()

    @property
    def loss(self) -> int:
        return len(self.lost) - len(self.gained)

    def p(self) -> float:
        """How often equally good models would differ by so much or more (McNemar's exact test, two-sided)."""
        return min(1.0, 2 * _tail(min(len(self.gained), len(self.lost)), len(self.gained) + len(self.lost)))

    def luck(self) -> float:
        """How often equally good models would lose so many more than they gain (one-sided)."""
        return _tail(len(self.gained), len(self.gained) + len(self.lost))

    def worse(self, chance: float, share: float) -> bool:
        """Whether more was lost than chance explains, or that share of the texts and at least three."""
        if self.loss <= 0:
            return False
        return self.luck() < chance or self.loss >= max(3, share * self.texts)


def _tail(count: int, of: int) -> float:
    """The chance of so many heads or fewer."""
    return float(sum(comb(of, heads) for heads in range(count + 1)) / 2**of)
