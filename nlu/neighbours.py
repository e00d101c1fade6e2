"""What the training examples closest to a text are about, joined to what the intent head says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.similarity import UnitVectors

Floats = NDArray[np.float32]

SHARPNESS = 20.0
"""What a cosine similarity is multiplied by before the softmax; 10 to 40 differ little."""
MOST = 8192
"""Examples that are kept, and up to one more an intent: more would take longer than they help."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The head generalises, the closest example remembers: together they are right more often than either."""

    points: UnitVectors
    """Of training examples, grouped by intent."""
    counts: NDArray[np.int64]
    """How many each intent has."""
    weight: float
    """Of the neighbours' log-probabilities against the head's; 0 leaves the head alone."""

    def joined(self, scores: Floats, points: Floats) -> Floats:
        """Scores of n texts x intents with the neighbours' opinion; `points` are the texts' unit vectors."""
        return joined(scores, self.closest(points), self.weight) if self.weight else scores

    def closest(self, points: Floats) -> Floats:
        """n x intents: the similarity to the closest example of each; -1 without an example."""
        found = np.full((len(points), len(self.counts)), -1, np.float32)
        there = np.flatnonzero(self.counts)
        starts = np.cumsum(self.counts) - self.counts
        found[:, there] = np.maximum.reduceat(self.points.cosines(points), starts[there], 1)
        return found


def joined(scores: Floats, closest: Floats, weight: float) -> Floats:
    found: Floats = _log_softmax(scores) + np.float32(weight) * _log_softmax(np.float32(SHARPNESS) * closest)
    return found


def voted(scores: Floats, others: Floats, weight: float) -> Floats:
    """Scores with the opinion of another head, whose log-probabilities have that weight."""
    return scores + np.float32(weight) * _log_softmax(others) if weight else scores


def grouped(points: Floats, intents: NDArray[np.int64], count: int, weight: float) -> Neighbours:
    """Of examples with their intents' numbers below `count`; of too many, the same share of each intent."""
    share = min(1.0, MOST / max(1, len(points)))
    order = np.argsort(intents, kind="stable")
    rank = np.arange(len(order)) - np.searchsorted(intents[order], intents[order])
    kept = order[np.ceil((rank + 1) * share) > np.ceil(rank * share)]
    return Neighbours(UnitVectors.of(points[kept]), np.bincount(intents[kept], minlength=count), weight)


def _log_softmax(scores: Floats) -> Floats:
    shifted = scores - scores.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))  # type: ignore[no-any-return]  # numpy's max is Any
