"""Why a model understood a text as it did: which words decided, and which training examples are nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.nearest import Near, Nearest
from nlu.remembered import UNKNOWN
from nlu.tokens import Tokens
from nlu.types import Understanding, family
from nlu.understand import Model

MOST_PARTS = 64
"""Of a longer text several neighbouring words are left out at once."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Word:
    """`text[start:end]` of the original text."""

    text: str
    start: int
    end: int
    weight: float
    """By how much the chosen intent's probability falls without it; below zero where it speaks against the intent."""


@dataclass(frozen=True, slots=True)
class Explanation:
    intent: str
    """The chosen one."""
    words: tuple[Word, ...]
    """In the text's order."""
    nearest: tuple[Near, ...]
    """Training examples, the nearest first."""
    example: bool
    """Whether the text is a training example, word for word: then that decided."""

    def to_json(self) -> dict[str, Any]:
        return {
            "intent": self.intent,
            "words": [asdict(word) for word in self.words],
            "nearest": [near.to_json() for near in self.nearest],
            "example": self.example,
        }


def explain(model: Model, found: Sequence[Understanding], nearest: Nearest | None = None) -> list[Explanation]:
    """Of texts as a whole: the network is asked again without each word in turn (occlusion)."""
    if not found:
        return []
    read = model.reader.read([one.text for one in found])
    parts = [_parts(tokens) for tokens in read]
    without = [row for tokens, of_text in zip(read, parts, strict=True) for row in _without(tokens, of_text)]
    signals = model.seen([*(tokens.ids for tokens in read), *without])
    likely = model.likely(signals)
    points = np.stack([one.point for one in signals[: len(found)]])
    near = nearest.find(points) if nearest else [()] * len(found)
    chances = iter(likely[len(found) :])
    return [
        Explanation(
            one.intent.name,
            tuple(_weighed(model, one, whole, [(span, next(chances)) for *_, span in of_text])),
            close,
            model.remembered.find(one.text) != UNKNOWN,
        )
        for one, whole, of_text, close in zip(found, likely, parts, near, strict=False)
    ]


_Part = tuple[int, int, tuple[int, int]]
"""The first token, the one behind the last, and the place in the original text."""


def _parts(tokens: Tokens) -> list[_Part]:
    """Words, or runs of them."""
    starts = [word.token for word in tokens.words]
    ends = [*starts[1:], len(tokens.ids) - 1]
    step = -(-len(starts) // MOST_PARTS) or 1
    return [
        (starts[at], ends[last], (tokens.words[at].start, tokens.words[last].end))
        for at in range(0, len(starts), step)
        for last in (min(at + step, len(starts)) - 1,)
    ]


def _without(tokens: Tokens, parts: Sequence[_Part]) -> Iterator[list[int]]:
    return (tokens.ids[:start] + tokens.ids[end:] for start, end, _ in parts)


def _weighed(
    model: Model, found: Understanding, whole: Floats, without: Sequence[tuple[tuple[int, int], Floats]]
) -> Iterator[Word]:
    own = np.array([family(name) == found.intent.name for name in model.manifest.intents])
    for (start, end), likely in without:
        yield Word(found.text[start:end], start, end, float(whole[own].sum() - likely[own].sum()))
