"""Rounds weights to whole numbers with an eye on what they are multiplied with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_DAMPED, _TINY = 0.01, 1e-6
"""Of the mean square of a channel, added to each: for directions in which nothing was seen."""


def rounded(weight: Floats, gram: Floats, scales: Floats, most: int) -> NDArray[np.int8]:
    """Whole numbers w, -most to most, for which `x @ (w * scales)` is near to `x @ weight` for the rows x that were
    seen, of which `gram` (inputs x inputs) is `x.T @ x`; `weight` is inputs x outputs, `scales` a number an output.

    Row by row, beginning with the one whose channel is the largest; what is lost by rounding one is made good by those
    after it. It is Babai's nearest plane, and so GPTQ (Frantar et al. 2023) without an inverse.
    """
    whole = np.zeros(weight.shape, np.int8)
    kept = np.flatnonzero(np.abs(weight).max(1))  # a row of zeros stays one
    order = kept[np.argsort(np.diag(gram)[kept], kind="stable")]
    shares, lost = _shares(gram[np.ix_(order, order)]), np.zeros((len(order), weight.shape[1]), np.float32)
    for place in reversed(range(len(order))):
        wanted = weight[order[place]] + shares[place, place + 1 :] @ lost[place + 1 :]
        found = np.clip(np.round(wanted / scales), -most, most)
        whole[order[place]], lost[place] = found, weight[order[place]] - found * scales
    return whole


def _shares(gram: Floats) -> Floats:
    """Of each channel (a row), what it takes over of the ones after it."""
    damped = gram.astype(np.float64)
    damped[np.diag_indices(len(damped))] += _DAMPED * np.diag(gram).mean() + _TINY
    upper = np.linalg.cholesky(damped).T
    return np.asarray(upper / np.diag(upper)[:, None], np.float32)
