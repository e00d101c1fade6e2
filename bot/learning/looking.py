"""What a model sees in many texts, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nlu.understand import Insight, Model  # torch takes seconds to import

_AT_ONCE = 64

Look = Callable[[Sequence[str], "Model"], "Insight"]
Tell = Callable[[int, int], None]
"""Told how many of how many texts are read."""


def untold(_done: int, _of: int) -> None:
    """For callers that show nothing."""


def looked(texts: Sequence[str], model: Model, tell: Tell = untold) -> Insight:
    """Of one text at least."""
    parts = []
    for start in range(0, len(texts), _AT_ONCE):
        tell(start, len(texts))
        parts.append(model.insight(texts[start : start + _AT_ONCE]))
    return _joined(parts)


@dataclass(slots=True)
class Looks:
    """The same, but what a model has seen in a text is remembered."""

    _model: Model | None = None
    _seen: dict[str, Insight] = field(default_factory=dict)
    """By text, a row each."""

    def __call__(self, texts: Sequence[str], model: Model, tell: Tell = untold) -> Insight:
        if model is not self._model:
            self._model, self._seen = model, {}
        if new := [text for text in dict.fromkeys(texts) if text not in self._seen]:
            self._seen.update(zip(new, _rows(looked(new, model, tell)), strict=True))
        return _joined([self._seen[text] for text in texts])

    def forget_all_but(self, texts: Collection[str]) -> None:
        self._seen = {text: row for text, row in self._seen.items() if text in texts}


def _rows(seen: Insight) -> Iterator[Insight]:
    columns = [getattr(seen, name) for name in type(seen).__slots__]
    return (type(seen)(*(column[row : row + 1] for column in columns)) for row in range(len(columns[0])))


def _joined(parts: Sequence[Insight]) -> Insight:
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in type(parts[0]).__slots__}
    return type(parts[0])(**columns)
