"""The heads of a network without torch: from what the encoder made of a batch to the signals of its texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from nlu.engine.signals import Floats, Glance, Signals

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
        shares = _shares(hidden[0].shape[1], lengths)
        low, frozen, tuned = (self._pooled(states, shares) for states in hidden)
        points, start = _two_heights(low, tuned), self.start(_two_heights(low, frozen))
        scores, states = self.intents(points), np.concatenate([hidden[0], hidden[2]], -1)
        tags = [None] * len(lengths) if self.tags is None else self._of_tokens(self.tags(states), lengths)
        within = [partial(self._within, of_text) if self.pooling == "mean" else None for of_text in states]
        return [Signals(*of_text) for of_text in zip(points, scores, frozen, start, tags, within, strict=True)]

    def glances(self, hidden: tuple[Floats, Floats], lengths: Sequence[int]) -> list[Glance]:
        """`hidden`: below the fork, and the tuned branch's."""
        shares = _shares(hidden[0].shape[1], lengths)
        low, tuned = (self._pooled(states, shares) for states in hidden)
        points = _two_heights(low, tuned)
        return [Glance(*of_text) for of_text in zip(points, self.intents(points), strict=True)]

    def _of_tokens(self, values: Floats, lengths: Sequence[int]) -> list[Floats | None]:
        return [of_text[:length] for of_text, length in zip(values, lengths, strict=True)]

    def _within(self, states: Floats, spans: Sequence[slice]) -> Floats:
        low, tuned = np.split(np.stack([states[span].mean(0) for span in spans]), 2, axis=1)
        return self.intents(_two_heights(_unit(low), _unit(tuned)))

    def _pooled(self, hidden: Floats, shares: Floats) -> Floats:
        """One unit vector per text."""
        return _unit(hidden[:, 0] if self.pooling == "cls" else (shares @ hidden)[:, 0])


def _shares(longest: int, lengths: Sequence[int]) -> Floats:
    """Of each text's tokens in their mean: batch x 1 x length."""
    many = np.array(lengths, np.float32)[:, None]
    shares: Floats = ((np.arange(longest) < many) / many).astype(np.float32)
    return shares[:, None]


def _unit(vectors: Floats) -> Floats:
    unit: Floats = vectors / np.maximum(np.sqrt(np.square(vectors).sum(1, keepdims=True)), _TINY)
    return unit


def _two_heights(low: Floats, high: Floats) -> Floats:
    """As `nlu.engine.network.two_heights` joins them."""
    return np.concatenate([low, high], 1) * np.float32(0.5**0.5)
