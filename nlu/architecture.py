"""What a forward pass needs to know of an encoder, whatever computes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

ACTIVATIONS = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
MAX_TOKENS = 256


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the forward pass needs to know of a Hugging Face `config.json`."""

    family: str
    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int
    positions: int
    types: int
    epsilon: float
    activation: str
    first_position: int
    """0 in BERT; RoBERTa counts from behind its padding index."""
    pooling: str
    """How a text's vector is made of its tokens': `mean` or `cls`."""
    tuned: int = 0
    """How many of the last layers exist a second time, fine-tuned."""

    @property
    def max_tokens(self) -> int:
        return min(MAX_TOKENS, self.positions - self.first_position)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Architecture:
        return cls(**values)
