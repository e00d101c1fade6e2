"""Intents' names as examples: whoever has five examples of `card_arrival` has six."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import OUTLIER
from nlu.engine.network import two_heights
from nlu.training.fit import logistic
from nlu.training.prepare import Prepared

ENOUGH = 40
"""Examples an intent from which its name tells nothing new."""
MOST = 2_000_000
"""Examples times intents from which on nobody waits to find out: the names are used."""


def names_help(prepared: Prepared, part_of: NDArray[np.int64]) -> bool:
    """Whether a classifier on the frozen encoder is right as often or more with the names, on the parts held out."""
    few = len(prepared.examples) <= ENOUGH * len(prepared.names)
    if not few or len(prepared.examples) * len(prepared.names) > MOST:
        return few
    without, together = (
        sum(_right(prepared, part_of, part, names) for part in np.unique(part_of)) for names in (False, True)
    )
    return together >= without


def _right(prepared: Prepared, part_of: NDArray[np.int64], part: int, names: bool) -> int:
    known = prepared.intents.cpu().numpy()[: len(part_of)] != OUTLIER
    trained = [*np.flatnonzero(known & (part_of != part)), *(prepared.named if names else ())]
    tried = np.flatnonzero(known & (part_of == part))
    points = two_heights(prepared.low, prepared.embeddings)
    weight, bias = logistic(points[trained], prepared.intents[trained], len(prepared.names))
    return int(((points[tried] @ weight.T + bias).argmax(1) == prepared.intents[tried]).sum())
