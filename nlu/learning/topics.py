"""What several customers ask about and the model does not know: where new intents may begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nlu.understand import Insight

ABOUT = 0.5
"""Cosine similarity from which two texts are about the same, as the frozen network sees them: the tuned one draws what
it does not know to what it knows."""
SURE = 0.8
"""Probability from which the model knows what is meant, if it is in scope."""
_IN_SCOPE = 0.5
_MOST_ROWS = 2000


def topics(seen: Insight, sizes: Sequence[int], fewest: int) -> list[list[int]]:
    """Rows that the model would not answer and that are about the same, the most telling one first; the largest topic
    first. `sizes`: how many messages each row stands for, `fewest`: how many make a topic."""
    rows = np.flatnonzero((seen.likely.max(1) < SURE) | (seen.scope < _IN_SCOPE))[:_MOST_ROWS]
    alike = seen.embeddings[rows] @ seen.embeddings[rows].T >= ABOUT
    weights, free = np.asarray(sizes, np.float32)[rows], np.ones(len(rows), np.bool_)
    found: list[list[int]] = []
    while free.any():
        counts = np.where(free, alike.astype(np.float32) @ (weights * free), 0)
        centre = int(counts.argmax())
        if counts[centre] < fewest:
            break
        members = np.flatnonzero(alike[centre] & free)
        free[members] = False
        found.append([int(rows[centre]), *(int(rows[one]) for one in members if one != centre)])
    return found
