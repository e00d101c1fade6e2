"""Logistic regression of a few numbers, by Newton's method."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

STEPS = 50
CLOSE = 1e-6


def weighted_logistic(
    design: Doubles, right: NDArray[np.bool_], counts: NDArray[Any], expected: Doubles, trust: Doubles
) -> Doubles:
    """Weights of the columns of `design`, rows x columns. Each row counts as often as `counts` says; the weights are
    `expected` as far as `trust`, the inverse of their variance, says so."""

    def loss(weights: Doubles) -> float:
        scores = design @ weights
        misses = counts * (np.logaddexp(0, scores) - right * scores)
        return float(misses.sum() + (trust * np.square(weights - expected)).sum() / 2)

    found = expected.copy()
    for _ in range(STEPS):
        likely = 1 / (1 + np.exp(-np.clip(design @ found, -60, 60)))
        slope = design.T @ (counts * (right - likely)) - trust * (found - expected)
        curve = (design * (counts * likely * (1 - likely))[:, None]).T @ design + np.diag(trust)
        step = np.linalg.solve(curve, slope)
        while np.abs(step).max() > CLOSE and loss(found + step) > loss(found):
            step /= 2  # far from the end the curve says too little
        found += step
        if np.abs(step).max() <= CLOSE:
            break
    return found
