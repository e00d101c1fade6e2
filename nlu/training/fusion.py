"""Learns how the knowledge base's signals are joined: from questions whose article is known, and texts without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nlu.retriever import SIGNALS, Fusion, leads
from nlu.training.newton import weighted_logistic

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

FIRST = np.array([10.0, 4.0, 4.0, 5.0, 3.0, 1.5, 0.4])
"""Weights from which learning starts, and which a few questions hardly change: those of the demo's knowledge base."""
FIRST_CERTAINTY = np.array([0.4, 0.5, -5.6])
_TRUST = 10.0
"""Questions that weigh as much as these first values."""
_STEPS = 100


def learnt(signals: Floats, right: Integers, strange: Floats, used: tuple[str, ...] = SIGNALS) -> Fusion:
    """`signals` of questions as if each were new, with their articles; `strange` those of texts without one."""
    mask = np.array([name in used for name in SIGNALS])
    weights = _weights(signals[..., mask].astype(np.float64), right, FIRST[mask])
    spread = np.zeros(len(SIGNALS))
    spread[mask] = weights
    found = Fusion(spread.astype(np.float32), FIRST_CERTAINTY.astype(np.float32))
    certainty = _certainty(found.joined(signals), right, found.joined(strange))
    return Fusion(found.weights, certainty.astype(np.float32))


def untaught() -> Fusion:
    """For a knowledge base without questions."""
    return Fusion(FIRST.astype(np.float32), FIRST_CERTAINTY.astype(np.float32))


def _weights(signals: Doubles, right: Integers, first: Doubles) -> Doubles:
    """Those that make the right articles most probable (a conditional logit), none below zero; by Newton's method."""
    weights = first.copy()
    prior = _TRUST / first**2
    for _ in range(_STEPS):
        slope, curve = _slope_and_curve(signals, right, weights)
        slope -= prior * (weights - first)
        curve += np.diag(prior)
        free = (weights > 0) | (slope > 0)
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        before, weights = weights, np.maximum(weights + step * min(1.0, 5 / max(np.abs(step).max(), 1e-9)), 0)
        if np.abs(weights - before).max() < 1e-6:
            break
    return weights


def _slope_and_curve(signals: Doubles, right: Integers, weights: Doubles) -> tuple[Doubles, Doubles]:
    """Of the log-likelihood, summed over the questions; a few at a time, for the memory's sake."""
    slope, curve = np.zeros_like(weights), np.zeros((len(weights), len(weights)))
    for start in range(0, len(signals), 64):
        rows, wanted = signals[start : start + 64], right[start : start + 64]
        chances = _softmax(rows @ weights)
        mean = np.einsum("ta,tak->tk", chances, rows)
        slope += (rows[np.arange(len(rows)), wanted] - mean).sum(0)
        curve += np.einsum("ta,taj,tak->jk", chances, rows, rows, optimize=True) - mean.T @ mean
    return slope, curve


def _softmax(scores: Doubles) -> Doubles:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return np.asarray(raised / raised.sum(1, keepdims=True), np.float64)


def _certainty(joined: Floats, right: Integers, strange: Floats) -> Doubles:
    """A logistic regression: whether the best article is right. All strangers weigh as much as all questions."""
    design = np.concatenate([_first(joined), _first(strange)]).astype(np.float64)
    known = np.concatenate([joined.argmax(1) == right, np.zeros(len(strange), bool)])
    weight = np.ones(len(known))
    weight[len(joined) :] = len(joined) / max(1, len(strange))
    found = weighted_logistic(design, known, weight, FIRST_CERTAINTY, _TRUST / FIRST_CERTAINTY**2)
    return np.asarray(np.maximum(found, [0, 0, -np.inf]), np.float64)


def _first(joined: Floats) -> Floats:
    """Of each text's best article: its score, its lead, and 1 for the bias."""
    lead = leads(joined).max(1) if len(joined) else np.empty(0, np.float32)
    best = joined.max(1) if len(joined) else np.empty(0, np.float32)
    return np.column_stack([best, lead, np.ones(len(joined), np.float32)])
