"""Whether a text is in scope at all: three signals folded into one score between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.similarity import UnitVectors

Floats = NDArray[np.float32]


def energy(scores: Floats) -> Floats:
    """Log-sum-exp of the intent scores: high where some intent fits (Liu et al. 2020, with the sign turned)."""
    highest = scores.max(-1)
    return highest + np.log(np.exp(scores - highest[..., None]).sum(-1))  # type: ignore[no-any-return]  # numpy's max is Any


def nearest(embeddings: Floats, known: UnitVectors) -> Floats:
    """Cosine similarity of each unit vector to the closest one of `known`."""
    found = np.empty(len(embeddings), np.float32)
    for start in range(0, len(embeddings), 256):
        found[start : start + 256] = known.cosines(embeddings[start : start + 256]).max(1)
    return found


def logistic_curve(values: NDArray[np.floating[Any]]) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)


@dataclass(frozen=True, slots=True)
class Scope:
    """A logistic regression over energy, nearness to the training examples, and an outlier direction."""

    examples: UnitVectors
    """Of the in-scope training examples."""
    direction: Floats
    """Embedding to a raw in-scope score; all zeros without outlier examples."""
    centre: Floats
    spread: Floats
    weights: Floats
    bias: float

    def score(self, embeddings: Floats, intents: Floats) -> Floats:
        """Of a batch: n x width unit vectors and n x intents raw scores to n values between 0 and 1."""
        return self.folded(self.signals(embeddings, intents))

    def folded(self, signals: Floats) -> Floats:
        """n x 3 signals to n values between 0 and 1."""
        return logistic_curve((signals - self.centre) / self.spread @ self.weights + np.float32(self.bias))

    def signals(self, embeddings: Floats, intents: Floats) -> Floats:
        columns = (energy(intents), nearest(embeddings, self.examples), embeddings @ self.direction)
        return np.stack(columns, 1).astype(np.float32)

    def numbers(self) -> dict[str, Any]:
        """Everything but the two arrays of embeddings' width."""
        return {
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "weights": self.weights.tolist(),
            "bias": self.bias,
        }

    @classmethod
    def from_numbers(cls, numbers: Mapping[str, Any], examples: UnitVectors, direction: Floats) -> Scope:
        centre, spread, weights = (np.array(numbers[key], np.float32) for key in ("centre", "spread", "weights"))
        return cls(examples, direction, centre, spread, weights, float(numbers["bias"]))
