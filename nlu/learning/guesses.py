"""What a model is so sure of that it may learn from it itself, though nobody said what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlu.budget import Curve

if TYPE_CHECKING:
    from nlu.understand import Insight

WEIGHT = 0.5
"""How much a guess counts beside a person's word."""
ERRING = 0.02
"""Share of the guesses that may be wrong, as far as held-out texts tell."""


def confident(seen: Insight, curve: Curve) -> list[tuple[int, int]]:
    """Rows, and the numbers of the intents that the tuned and the frozen model agree on, if the former is sure enough.

    How sure, the texts say that were held out in the model's training.
    """
    guessed = seen.likely.argmax(1)
    chosen = (seen.frozen.argmax(1) == guessed) & (seen.likely.max(1) >= sure_enough(curve))
    return [(int(row), int(guessed[row])) for row in np.flatnonzero(chosen)]


def sure_enough(curve: Curve) -> float:
    """The least probability from which so few of the held-out texts were taken wrongly; that of nothing at all if there
    is none."""
    return next((one.sure for one in curve.choices if one.wrong <= ERRING * one.answered), curve.choices[-1].sure)
