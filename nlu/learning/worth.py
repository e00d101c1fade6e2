"""Which texts a person should look at first, and which of them one decision can label together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nlu.understand import Insight

Floats = NDArray[np.float32]

DISAGREEMENT, NOVELTY, OUTSIDE = 0.5, 0.5, 0.25
"""Weights against the uncertainty's, which is 1."""
ALIKE, CLOSE = 0.8, 0.85
"""Cosine similarity from which texts of which the model thinks the same are the same question, and from which they are
whatever it thinks."""
MOST_TOGETHER = 50
"""Texts that one decision labels at most."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What a label of each of n texts may teach; each column is 0 to 1."""

    uncertainty: Floats
    """1 less the lead of the first intent over the second."""
    disagreement: Floats
    """How much likelier than the tuned model's first intent the frozen model finds another one."""
    novelty: Floats
    """How far the closest training example is away."""
    outside: Floats
    """How likely it is no intent's."""

    @classmethod
    def of(cls, seen: Insight) -> Worth:
        first_two = -np.sort(-seen.likely, 1)[:, :2]
        lead = first_two[:, 0] - (first_two[:, 1] if first_two.shape[1] > 1 else 0.0)
        meant = seen.likely.argmax(1)
        apart = seen.frozen.max(1) - seen.frozen[np.arange(len(meant)), meant]
        return cls(*(np.clip(values, 0, 1) for values in (1 - lead, apart, 1 - seen.nearest, 1 - seen.scope)))

    @property
    def total(self) -> Floats:
        more = DISAGREEMENT * self.disagreement + NOVELTY * self.novelty + OUTSIDE * self.outside
        return self.uncertainty + more  # type: ignore[no-any-return]  # numpy's sum is Any


def clusters(
    points: Floats, worth: Floats, guesses: Sequence[int], alike: float = ALIKE, most: int = MOST_TOGETHER
) -> list[list[int]]:
    """Rows that ask the same, the one that is worth most first and then the closest; the best cluster first.

    Only texts of which the model thinks the same are together (`guesses`: each one's likeliest intent).
    """
    free, guessed = np.ones(len(points), np.bool_), np.asarray(guesses)
    found: list[list[int]] = []
    for row in np.argsort(-worth, kind="stable").tolist():
        if not free[row]:
            continue
        candidates = np.flatnonzero(free & (guessed == guessed[row]))
        similar = points[candidates] @ points[row]
        order = candidates[np.argsort(-similar, kind="stable")]
        near = [int(other) for other in order[: int((similar >= alike).sum())] if other != row]
        found.append([row, *near[: most - 1]])
        free[found[-1]] = False
    return sorted(found, key=lambda rows: -float(worth[rows[0]]) * (1 + np.log(len(rows))))
