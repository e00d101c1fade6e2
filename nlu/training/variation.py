"""Each time an example is learnt from it differs, so that it is not learnt by heart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlu.entities import IGNORED
from nlu.training.options import TrainingOptions
from nlu.training.prepare import Prepared


@dataclass(frozen=True, slots=True)
class Drawn:
    """An example as it is learnt from this time."""

    row: int
    """In the prepared data: its own, or that of a copy with typing errors."""
    kept: NDArray[np.intp]
    """Its tokens, by their places."""


@dataclass(frozen=True, slots=True)
class Batch:
    hidden: Tensor
    """Examples x tokens x width: what the trunk made of them."""
    mask: Tensor | None
    """Which tokens there are; None if there are as many of each example."""
    tags: Tensor
    """Examples x tokens: their tags, or IGNORED."""


def varied(prepared: Prepared, row: int, options: TrainingOptions, random: Random) -> Drawn:
    """Every other time with typing errors, and without some of its tokens."""
    chosen = _typed(prepared, row, options.mistyped, random)
    return Drawn(chosen, _thinned(prepared.tags[chosen], options.token_dropout, random))


def _typed(prepared: Prepared, row: int, share: float, random: Random) -> int:
    if row not in prepared.examples or not prepared.mistyped or random.random() >= share:
        return row
    return random.choice(prepared.mistyped[row :: len(prepared.examples)])


def _thinned(tags: NDArray[np.int64], share: float, random: Random) -> NDArray[np.intp]:
    """Without about that share of the tokens; the first one, and those of entities, stay."""
    if not share:
        return np.arange(len(tags))
    kept = np.array([random.random() >= share for _ in range(len(tags))]) | (tags > 0)
    kept[0] = True
    return np.flatnonzero(kept)


def tagged(prepared: Prepared, batch: Sequence[Drawn]) -> int:
    """Tokens whose tags are learnt."""
    return sum(int((prepared.tags[one.row][one.kept] != IGNORED).sum()) for one in batch)


def batched(prepared: Prepared, batch: Sequence[Drawn]) -> Batch:
    """All states of the examples are put in a row and taken from it at once: a GPU is told few things, not some for
    each example."""
    states = [prepared.hidden[one.row] for one in batch]
    nothing = states[0].new_zeros(1, states[0].shape[1])
    in_a_row = torch.cat([*states, nothing])
    kept = np.array([len(one.kept) for one in batch])
    places = np.full((len(batch), kept.max()), len(in_a_row) - 1)
    tags = np.full(places.shape, IGNORED)
    there = np.arange(places.shape[1]) < kept[:, None]
    starts = np.cumsum([0, *map(len, states[:-1])])
    places[there] = np.concatenate([start + one.kept for start, one in zip(starts, batch, strict=True)])
    tags[there] = np.concatenate([prepared.tags[one.row][one.kept] for one in batch])
    where, wanted, seen = (torch.from_numpy(one).to(in_a_row.device) for one in (places, tags, there))
    return Batch(in_a_row[where], None if there.all() else seen[:, None, None, :], wanted)
