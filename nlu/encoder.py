"""A BERT encoder with one trunk and two branches: the layers as published, and the last few again, fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from nlu.architecture import ACTIVATIONS, Architecture


class Layer(nn.Module):
    """A transformer block as in BERT (Devlin et al. 2019): the norm comes after each residual sum."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.heads = shape.heads
        self.approximate = ACTIVATIONS[shape.activation]
        self.dropout = 0.0
        self.attend = nn.Linear(shape.width, 3 * shape.width)
        self.merge = nn.Linear(shape.width, shape.width)
        self.merge_norm = nn.LayerNorm(shape.width, shape.epsilon)
        self.widen = nn.Linear(shape.width, shape.inner)
        self.narrow = nn.Linear(shape.inner, shape.width)
        self.narrow_norm = nn.LayerNorm(shape.width, shape.epsilon)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, width = hidden.shape
        dropout = self.dropout if self.training else 0.0
        parts = self.attend(hidden).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, mask, dropout)
        merged = self.merge(seen.transpose(1, 2).reshape(batch, length, width))
        hidden = self.merge_norm(hidden + functional.dropout(merged, dropout))
        inner = functional.gelu(self.widen(hidden), approximate=self.approximate)
        return self.narrow_norm(hidden + functional.dropout(self.narrow(inner), dropout))  # type: ignore[no-any-return]  # nn.Module calls are Any


class Encoder(nn.Module):
    """`trunk` once, then `frozen` for the sentence embedding and `tuned` for what training learns."""

    def __init__(self, shape: Architecture) -> None:
        super().__init__()
        self.shape = shape
        self.words = nn.Embedding(shape.vocabulary, shape.width)
        self.places = nn.Embedding(shape.positions, shape.width)
        self.types = nn.Embedding(shape.types, shape.width)
        self.norm = nn.LayerNorm(shape.width, shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.tuned_layers = nn.ModuleList(Layer(shape) for _ in range(shape.tuned))

    def trunk(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """Hidden states below the fork: `ids` is batch x length, the result batch x length x width."""
        first = self.shape.first_position
        places = torch.arange(first, first + ids.shape[1], device=ids.device)
        hidden = self.norm(self.words(ids) + self.places(places) + self.types.weight[0])
        for layer in self.layers[: self.shape.layers - self.shape.tuned]:
            hidden = layer(hidden, mask)
        return hidden  # type: ignore[no-any-return]  # nn.Module calls are Any

    def frozen(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.layers[self.shape.layers - self.shape.tuned :]:
            hidden = layer(hidden, mask)
        return hidden

    def tuned(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        for layer in self.tuned_layers:
            hidden = layer(hidden, mask)
        return hidden

    def pool(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """One unit-length vector per text, as sentence-transformers makes it."""
        if self.shape.pooling == "cls":
            pooled = hidden[:, 0]
        elif mask is None:
            pooled = hidden.mean(1)
        else:
            weights = mask[:, 0, 0, :, None].to(hidden.dtype)
            pooled = (hidden * weights).sum(1) / weights.sum(1)
        return functional.normalize(pooled.float(), dim=-1)

    def fork(self, layers: int, dropout: float) -> None:
        """Doubles the last `layers` layers, from where the trunk now ends; an optimizer may change the copies."""
        self.shape = replace(self.shape, tuned=layers)
        self.tuned_layers = nn.ModuleList(Layer(self.shape) for _ in range(layers))
        for copy, source in zip(self.tuned_layers, self.layers[self.shape.layers - layers :], strict=True):
            copy.load_state_dict(source.state_dict())
            assert isinstance(copy, Layer)
            copy.dropout = dropout


def padded(rows: Sequence[list[int]], device: torch.device | str = "cpu") -> tuple[Tensor, Tensor | None]:
    """Token ids as one batch, and the attention mask (batch x 1 x 1 x length, True is seen) if lengths differ."""
    longest = max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows])
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    if int(lengths.min()) == longest:
        return ids.to(device), None
    mask = torch.arange(longest)[None, :] < lengths[:, None]
    return ids.to(device), mask[:, None, None, :].to(device)
