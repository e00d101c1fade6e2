"""Cuts examples into parts, each intent spread evenly over all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def stratified(intents: NDArray[Any], parts: int, seed: int) -> NDArray[np.int64]:
    """A part for every example."""
    random = np.random.default_rng(seed)
    part_of = np.zeros(len(intents), np.int64)
    for intent in np.unique(intents):
        rows = random.permutation(np.flatnonzero(intents == intent))
        part_of[rows] = (np.arange(len(rows)) + random.integers(parts)) % parts
    part_of -= part_of.min()  # of very few examples none may have fallen into the first
    return part_of
