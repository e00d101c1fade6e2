"""The vectors of a large knowledge base: all of them are read in eight bits, or an index leads to the near ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

import numkong
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from usearch.index import Index

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
EXACT = 100_000
"""Vectors up to which all are read: a graph is slower to build and finds a little less."""
_CONNECTIONS = 16
_LOOKED_AT_ADDING = 96
_LEAST_LOOKED_AT, _LOOKED_AT_OF_A_MILLION = 256, 768
"""When searching: of more vectors more, or the nearest are missed."""
_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Keys:
    points: NDArray[np.float16]
    """Unit vectors."""
    coarse: NDArray[np.int8]
    """The same in eight bits; none where there is an index."""
    index: Index | None

    @classmethod
    def of(cls, vectors: Floats, tell: Callable[[int], None]) -> Keys:
        """`tell` hears how many vectors were added since it heard the last time."""
        points, largest = vectors.astype(np.float16), _largest(vectors)
        if len(vectors) <= EXACT:
            tell(len(vectors))
            return cls(points, in_eight_bits(vectors, largest), None)
        return cls(points, np.empty((0, vectors.shape[1]), np.int8), _indexed(vectors, largest, tell))

    def check(self) -> None:
        """Raises ValueError if what finds vectors is not made of these."""
        if self.index is None:
            fits = self.coarse.shape == self.points.shape
        else:
            fits = (len(self.index), self.index.ndim) == self.points.shape
        if not fits:
            raise ValueError("the index of the knowledge base does not fit its vectors, or is missing")

    def near(self, vector: Floats, most: int) -> Integers:
        """The rows of the vectors nearest to one, in no order; with an index perhaps not all of these."""
        asked = in_eight_bits(vector[None], _largest(vector))
        if self.index is not None:
            return np.asarray(self.index.search(asked[0], most, threads=1).keys, np.int64)
        cosines: NDArray[np.float64] = np.asarray(numkong.cdist(asked, self.coarse, "dot"))[0]
        if most >= len(cosines):
            return np.arange(len(cosines))
        return np.argpartition(cosines, -most)[-most:]

    def cosines(self, vector: Floats, rows: Integers) -> Floats:
        asked = vector[None].astype(np.float16)
        found: Floats = np.asarray(numkong.cdist(asked, self.points[rows], "dot"), np.float32)[0]
        return found


def in_eight_bits(vectors: Floats, largest: float) -> NDArray[np.int8]:
    """All on one scale, so that products order them."""
    return np.asarray(np.rint(vectors * np.float32(127 / (largest or 1.0))), np.int8)


def opened(path: str) -> Index:
    """Read where it lies on the disk. Raises RuntimeError if it is none."""
    index: Index | None = _usearch().Index.restore(path, view=True)
    if index is None:
        raise RuntimeError(f"{path} is no index")
    return _searched_enough(index)


def _searched_enough(index: Index) -> Index:
    looked_at = max(_LEAST_LOOKED_AT, len(index) * _LOOKED_AT_OF_A_MILLION // 1_000_000)
    index.expansion_search = looked_at  # type: ignore[misc] # its setter stands too far from its getter
    return index


def _largest(vectors: Floats) -> float:
    return float(max(vectors.max(), -vectors.min()))


def _indexed(vectors: Floats, largest: float, tell: Callable[[int], None]) -> Index:
    index: Index = _usearch().Index(
        ndim=vectors.shape[1],
        metric="ip",
        dtype="i8",
        connectivity=_CONNECTIONS,
        expansion_add=_LOOKED_AT_ADDING,
    )
    for start in range(0, len(vectors), _AT_ONCE):
        some = in_eight_bits(vectors[start : start + _AT_ONCE], largest)
        index.add(np.arange(start, start + len(some)), some)
        tell(len(some))
    return _searched_enough(index)


def _usearch() -> ModuleType:
    # In this order: it brings a C++ library of its own, and crashes whoever comes to an earlier one after it.
    import onnxruntime  # noqa: F401
    import usearch.index

    module: ModuleType = usearch.index
    return module
