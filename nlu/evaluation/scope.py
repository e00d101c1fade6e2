"""Scores of telling what is in scope from what is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.evaluation.intervals import Interval, interval
from nlu.evaluation.scores import ScopeScores
from nlu.types import Understanding, Verdict

Values = NDArray[np.floating[Any]]


def scope_scores(inside: Sequence[Understanding], outside: Sequence[Understanding]) -> ScopeScores:
    within, beyond = _scores(inside), _scores(outside)
    return ScopeScores(
        texts=len(outside),
        auroc=_auroc(within, beyond),
        recall_at_95=_recall_at_95(within, beyond),
        kept=sum(found.verdict is not Verdict.UNSURE for found in inside) / len(inside),
        caught=sum(found.verdict is not Verdict.SURE for found in outside) / len(outside),
    )


def scope_intervals(inside: Sequence[Understanding], outside: Sequence[Understanding]) -> dict[str, Interval]:
    within, beyond = _scores(inside), _scores(outside)
    counts = len(within), len(beyond)
    return {
        "scope_auroc": interval(lambda rows, others: _auroc(within[rows], beyond[others]), *counts),
        "scope_recall_at_95": interval(lambda rows, others: _recall_at_95(within[rows], beyond[others]), *counts),
    }


def _scores(found: Sequence[Understanding]) -> Values:
    return np.array([understanding.scope for understanding in found])


def _auroc(high: Values, low: Values) -> float:
    """The chance that one of `high` is above one of `low`; ties count half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.sum() / (2 * len(high) * len(low)))


def _recall_at_95(within: Values, beyond: Values) -> float:
    return float((beyond < np.quantile(within, 0.05)).mean())
