"""Each time an example is learnt from, other words of it are missing, so that it is not learnt by heart."""

from __future__ import annotations

from random import Random

import torch
from torch import Tensor

from nlu.training.prepare import Prepared

Thinned = tuple[Tensor, Tensor]
"""The trunk's hidden states of an example, tokens x width, and its tokens' tags."""


def thinned(prepared: Prepared, row: int, share: float, random: Random) -> Thinned:
    """Without about that share of the tokens; the first one, and those of entities, stay."""
    hidden, tags = prepared.hidden[row], prepared.tags[row]
    if not share:
        return hidden, tags
    kept = torch.tensor([random.random() >= share for _ in range(len(hidden))], device=hidden.device) | (tags > 0)
    kept[0] = True
    return hidden[kept], tags[kept]
