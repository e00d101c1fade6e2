"""How the scope's signals are weighed: by what outliers say, as far as there are enough of them."""

from __future__ import annotations

import numpy as np
import pytest

from nlu.data.examples import OUTLIER
from nlu.scope import Scope
from nlu.similarity import UnitVectors
from nlu.training.calibrate import HeldOut, fitted_scope


def _fitted(outliers: int) -> Scope:
    """Of texts that only the third signal, the outlier direction, tells apart."""
    random = np.random.default_rng(0)
    intents = np.array([0] * 400 + [OUTLIER] * outliers)
    signals = random.normal(size=(len(intents), 3)).astype(np.float32)
    signals[:, 2] += 2 * (intents != OUTLIER)
    blank = np.zeros((len(intents), 1), np.float32)
    held = HeldOut(np.arange(len(intents)), intents, blank, blank, blank, blank, signals)
    return fitted_scope(held, UnitVectors.of(blank[:1]), blank[0])


@pytest.mark.parametrize("outliers", [0, 2])
def test_hardly_any_outliers_change_hardly_anything(outliers: int) -> None:
    assert _fitted(outliers).weights == pytest.approx([2, 1, 0], abs=0.3)


def test_many_outliers_say_which_signal_tells_them() -> None:
    energy, nearness, direction = _fitted(300).weights
    assert direction > 2 * max(energy, nearness)


def test_the_score_is_higher_for_what_looks_like_an_example() -> None:
    low, high = _fitted(300).folded(np.array([[0, 0, -2], [0, 0, 2]], np.float32))
    assert 0 <= low < 0.5 < high <= 1
