"""How near texts are to everything that a model keeps: every text is compared with all of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numkong
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_MOST = 127
"""The largest number in 8 bits."""
_FEW = 2
"""Texts that are compared vector by vector, in the order of the memory: for more, blocks of both sides are faster."""


@dataclass(frozen=True, slots=True)
class UnitVectors:
    """Compared as integers of 8 bits, each vector with its own scale: a fourth of the bytes to read for a lone text,
    sums without rounding, the same on every processor, and cosines that are wrong by less than 0.01."""

    exact: NDArray[np.floating]
    """As they were given, n x width."""
    numbers: NDArray[np.int8]
    packed: numkong.PackedMatrix | None
    """The same in blocks; None if there are none."""
    scales: Floats

    @classmethod
    def of(cls, vectors: NDArray[np.floating]) -> Self:
        if not vectors.size:
            return cls(vectors, np.empty(vectors.shape, np.int8), None, np.empty(len(vectors), np.float32))
        numbers, scales = _in_8_bits(vectors.astype(np.float32, copy=False))
        return cls(vectors, numbers, numkong.dots_pack(numbers, "int8"), scales)

    def __len__(self) -> int:
        return len(self.exact)

    @property
    def floats(self) -> Floats:
        return self.exact.astype(np.float32, copy=False)

    def cosines(self, points: Floats) -> Floats:
        """Texts x vectors, of the texts' unit vectors."""
        if self.packed is None or not len(points):
            return np.zeros((len(points), len(self)), np.float32)
        numbers, scales = _in_8_bits(points)
        few = len(numbers) <= _FEW
        products = numkong.cdist(numbers, self.numbers, "dot") if few else numkong.dots_packed(numbers, self.packed)
        found = np.asarray(products).astype(np.float32)
        found *= scales[:, None]
        found *= self.scales
        return found


def _in_8_bits(vectors: Floats) -> tuple[NDArray[np.int8], Floats]:
    """And by what each row has to be multiplied; a row of zeros stays one."""
    scales = np.maximum(np.abs(vectors).max(1), 1e-12) / _MOST
    return np.ascontiguousarray(np.rint(vectors / scales[:, None]), np.int8), scales
