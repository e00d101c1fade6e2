"""The network: an encoder, and heads for intents and for the tokens of entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nlu.architecture import Architecture
from nlu.encoder import Encoder


class Outputs(NamedTuple):
    """Of a batch. `tokens` is batch x length x tags, or None where the model knows no entities."""

    embeddings: Tensor
    """Unit vectors of the frozen branch: for the knowledge base and the distance to training."""
    points: Tensor
    """Unit vectors that the intent head sees: near one another if they mean the same to it."""
    intents: Tensor
    start: Tensor
    """What the intent head said before training, of the frozen encoder."""
    tokens: Tensor | None


class Network(nn.Module):
    """One forward pass answers everything: intents and entities by the tuned branch, embeddings by the frozen one."""

    def __init__(self, encoder: Encoder, intents: int, tags: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.intents = nn.Linear(2 * encoder.shape.width, intents)
        self.start = nn.Linear(2 * encoder.shape.width, intents)
        self.tags = nn.Linear(2 * encoder.shape.width, tags) if tags > 1 else None

    @classmethod
    def empty(cls, shape: Architecture, intents: int, tags: int) -> Network:
        """Without a byte of memory behind it: weights are assigned, not copied, when they are loaded."""
        with torch.device("meta"):
            return cls(Encoder(shape), intents, tags)

    def learnt(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights that training changes, by name."""
        yield from self.encoder.tuned_layers.named_parameters("tuned")
        yield from self.intents.named_parameters("intents")
        if self.tags is not None:
            yield from self.tags.named_parameters("tags")

    def forward(self, ids: Tensor, mask: Tensor | None) -> Outputs:
        hidden = self.encoder.trunk(ids, mask)
        frozen = self.encoder.pool(self.encoder.frozen(hidden, mask), mask)
        before = two_heights(self.encoder.pool(hidden, mask), frozen).to(self.start.weight.dtype)
        points, intents, tags = self.heads(hidden, mask)
        return Outputs(frozen, points, intents, self.start(before), tags)

    def heads(self, hidden: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Points, intent scores and tag scores of what the trunk made."""
        low = self.encoder.pool(hidden, mask)
        tuned = self.encoder.tuned(hidden, mask)
        both = two_heights(low, self.encoder.pool(tuned, mask)).to(self.intents.weight.dtype)
        tags = None if self.tags is None else self.tags(torch.cat([hidden, tuned], -1))
        return both, self.intents(both), tags


def two_heights(low: Tensor, high: Tensor) -> Tensor:
    """What the intent head sees: words still stand out at the fork's height, the meaning at the top."""
    return torch.cat([low, high], -1) / 2**0.5
