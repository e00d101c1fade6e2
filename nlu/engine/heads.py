"""The heads of a network without torch: from what the encoder made of a batch to the signals of its texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nlu.engine.signals import Floats, Signals

_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Linear:
    weight: Floats
    """Outputs x inputs."""
    bias: Floats

    def __call__(self, values: Floats) -> Floats:
        scores: Floats = values @ self.weight.T + self.bias
        return scores


@dataclass(frozen=True, slots=True)
class Heads:
    """As `nlu.engine.network.Network` has them."""

    pooling: str
    intents: Linear
    start: Linear
    tags: Linear | None

    @classmethod
    def of(cls, weight: Callable[[str], Floats], pooling: str, intents: int, tags: int) -> Heads:
        """`weight` finds a network's weights by their names; `intents` and `tags`: how many it knows, a lone tag
        counting for nothing. Raises ValueError if it knows others."""

        def linear(name: str, outputs: int) -> Linear:
            found = Linear(weight(f"{name}.weight"), weight(f"{name}.bias"))
            if len(found.weight) != outputs or len(found.bias) != outputs:
                raise ValueError(f"The head of {name} has {len(found.weight)} outputs, not {outputs}.")
            return found

        heads = linear("intents", intents), linear("start", intents)
        return cls(pooling, *heads, linear("tags", tags) if tags > 1 else None)

    def signals(self, hidden: tuple[Floats, Floats, Floats], lengths: Sequence[int]) -> list[Signals]:
        """`hidden`: below the fork, the frozen branch's and the tuned one's, each batch x length x width."""
        low, frozen, tuned = (self._pooled(states, lengths) for states in hidden)
        points = np.concatenate([low, tuned], 1) * np.float32(0.5**0.5)
        scores, start = self.intents(points), self.start(np.concatenate([low, frozen], 1) * np.float32(0.5**0.5))
        tags = None if self.tags is None else self.tags(np.concatenate([hidden[0], hidden[2]], -1))
        return [
            Signals(*of_text, None if tags is None else tags[row, : lengths[row]])
            for row, of_text in enumerate(zip(frozen, points, scores, start, strict=True))
        ]

    def _pooled(self, hidden: Floats, lengths: Sequence[int]) -> Floats:
        """One unit vector per text."""
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            many = np.array(lengths)[:, None]
            shares = np.where(np.arange(hidden.shape[1]) < many, np.float32(1) / many.astype(np.float32), np.float32(0))
            pooled = (shares[:, None, :] @ hidden)[:, 0]
        unit: Floats = pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), _TINY)
        return unit
