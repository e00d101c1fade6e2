"""What an engine says of texts, and how texts share its passes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Signals:
    """What the network says of one text."""

    embedding: Floats
    point: Floats
    """Where the intent head sees it; unit length."""
    intents: Floats
    start: Floats
    """The same by the head as it was before training, on the frozen encoder."""
    tags: Floats | None
    """Tokens x tags."""


class Engine(Protocol):
    """Runs a network."""

    @property
    def callers(self) -> int:
        """So many threads may call at once and each be served at its full pace."""
        ...

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; any thread may call."""
        ...


def by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions in batches of like lengths; a batch's padded size stays within `budget` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
