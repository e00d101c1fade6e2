"""Examples as hurried customers type them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from nlu.data.examples import Example
from nlu.noise import mistyped

TYPOS = 0.12
"""Share of the letters that are mistyped in an example that is."""
_MOST_COPIES, _CHARACTERS = 3, 1_500_000
"""An example is mistyped in so many ways, unless that made more text than memory should hold, encoded."""


def copies(examples: Sequence[Example]) -> int:
    """Ways in which each of the examples is mistyped; 0 of very many."""
    return min(_MOST_COPIES, _CHARACTERS // max(1, sum(len(example.text) for example in examples)))


def mistyped_copies(examples: Sequence[Example], times: int) -> Iterator[Example]:
    """All of them, and all again with other errors; the same ones every time."""
    random = Random(0)  # noqa: S311  # must be repeatable, keeps no secret
    for _ in range(times):
        yield from (mistyped(example, TYPOS, random) for example in examples)
