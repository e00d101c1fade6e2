"""What an engine says of texts, and how texts share its passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Glance:
    """What the tuned branch alone says of the intent of one text."""

    point: Floats
    """Where the intent head sees it; unit length."""
    intents: Floats


@dataclass(frozen=True, slots=True)
class Signals(Glance):
    """What the network says of one text."""

    embedding: Floats
    start: Floats
    """Of the intents, by the head as it was before training, on the frozen encoder."""
    tags: Floats | None
    """Tokens x tags."""
    within: Callable[[Sequence[slice]], Floats] | None = None
    """Scores, n x intents, of n spans of the text's tokens, as the head sees them within the text. None where the
    engine keeps no tokens."""


class Engine(Protocol):
    """Runs a network."""

    @property
    def callers(self) -> int:
        """So many threads may call at once and each be served at its full pace."""
        ...

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; any thread may call."""
        ...

    def glance(self, rows: Sequence[list[int]]) -> Sequence[Glance]:
        """The same, where no embedding is needed."""
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
