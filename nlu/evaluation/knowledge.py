"""Scores of finding the right article."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nlu.evaluation.intervals import Interval, interval
from nlu.evaluation.scores import KnowledgeScores
from nlu.types import Understanding

Answered = Sequence[tuple[tuple[str, str], Understanding]]
"""Questions with the article that answers them, and what was understood."""


def knowledge_scores(answered: Answered) -> KnowledgeScores:
    ranks = ranks_of(answered)
    sure = np.array([bool(found.passages) and found.passages[0].sure for _, found in answered])
    return KnowledgeScores(
        len(answered),
        float((ranks == 1).mean()),
        float((ranks > 0).mean()),
        float(np.mean([1 / rank if rank else 0 for rank in ranks])),
        float(sure.mean()),
        float((sure & (ranks != 1)).mean()),
    )


def knowledge_intervals(answered: Answered) -> dict[str, Interval]:
    ranks = ranks_of(answered)
    return {
        "knowledge_first": interval(lambda rows: (ranks[rows] == 1).mean(), len(ranks)),
        "knowledge_in_three": interval(lambda rows: (ranks[rows] > 0).mean(), len(ranks)),
    }


def ranks_of(answered: Answered) -> NDArray[np.int64]:
    """The place of the right article among those found; 0 if it is not."""
    return np.array([
        next((rank for rank, passage in enumerate(found.passages, 1) if passage.article == article), 0)
        for (_, article), found in answered
    ])  # fmt: skip
