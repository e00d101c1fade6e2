"""Examples as hurried customers type them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from nlu.data.examples import Example
from nlu.noise import disturbed

TYPOS = 0.12
"""Share of the letters that are mistyped in an example that is."""
_MOST_COPIES, _CHARACTERS = 3, 1_500_000
"""An example is mistyped in so many ways, unless that made more text than memory should hold, encoded."""


def copies(examples: Sequence[Example]) -> int:
    """Ways in which each of the examples is mistyped; 0 of very many."""
    return min(_MOST_COPIES, _CHARACTERS // max(1, sum(len(example.text) for example in examples)))


def mistyped(examples: Sequence[Example], times: int) -> Iterator[Example]:
    """All of them, and all again with other errors; the same ones every time."""
    random = Random(0)  # noqa: S311  # must be repeatable, keeps no secret
    for _ in range(times):
        yield from (_mistyped(example, random) for example in examples)


def _mistyped(example: Example, random: Random) -> Example:
    """Its annotations mark the same words."""
    text, annotations, last = "", [], 0
    for mark in sorted(example.annotations, key=lambda annotation: annotation.start):
        text += disturbed(example.text[last : mark.start], TYPOS, random)
        start = len(text)
        text += disturbed(example.text[mark.start : mark.end], TYPOS, random)
        if len(text) > start:
            annotations.append(replace(mark, start=start, end=len(text)))
        last = mark.end
    text += disturbed(example.text[last:], TYPOS, random)
    return replace(example, text=text, annotations=tuple(annotations))
