"""Each time an example is learnt from it differs, so that it is not learnt by heart."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor

from nlu.training.options import TrainingOptions
from nlu.training.prepare import Prepared

Seen = tuple[Tensor, Tensor]
"""The trunk's hidden states of an example, tokens x width, and its tokens' tags."""


def varied(prepared: Prepared, row: int, options: TrainingOptions, random: Random) -> Seen:
    """Every other time with typing errors, and without some of its tokens."""
    return _thinned(prepared, _typed(prepared, row, options.mistyped, random), options.token_dropout, random)


def _typed(prepared: Prepared, row: int, share: float, random: Random) -> int:
    if row not in prepared.examples or not prepared.mistyped or random.random() >= share:
        return row
    return random.choice(prepared.mistyped[row :: len(prepared.examples)])


def _thinned(prepared: Prepared, row: int, share: float, random: Random) -> Seen:
    """Without about that share of the tokens; the first one, and those of entities, stay."""
    hidden, tags = prepared.hidden[row], prepared.tags[row]
    if not share:
        return hidden, tags
    kept = torch.tensor([random.random() >= share for _ in range(len(hidden))], device=hidden.device) | (tags > 0)
    kept[0] = True
    return hidden[kept], tags[kept]
