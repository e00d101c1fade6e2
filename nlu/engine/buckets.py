"""Batches of few shapes: a GPU repeats what it did for a shape for much less than what telling it again costs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LENGTHS = (8, 16, 24, 32, 48, 64, 96, 128)
"""Tokens. Multiples of eight: half precision is fastest with those. Longer texts are rare."""
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Texts."""
PASS_TOKENS = 1024
"""Padding that is taken for as dear as another pass: a small one does not fill a GPU."""


@dataclass(frozen=True, slots=True)
class Bucket:
    length: int
    size: int

    @property
    def tokens(self) -> int:
        return self.length * self.size


@dataclass(frozen=True, slots=True)
class Share:
    """Texts that go together, by their places; without a bucket where none is long enough."""

    bucket: Bucket | None
    places: list[int]


def buckets(longest: int) -> list[Bucket]:
    """For texts of up to so many tokens; the largest first."""
    lengths = [length for length in LENGTHS if length <= longest]
    return sorted((Bucket(length, size) for length in lengths for size in SIZES), key=lambda one: -one.tokens)


def shares(lengths: Sequence[int], longest: int) -> Iterator[Share]:
    """Every place once; `longest`: what the longest bucket takes."""
    places = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
    fitting = [place for place in places if lengths[place] <= longest]
    if len(fitting) < len(places):
        yield Share(None, places[: len(places) - len(fitting)])
    while fitting:
        length = _least(LENGTHS, lengths[fitting[0]])
        count = _together([lengths[place] for place in fitting[: SIZES[-1]]], length)
        yield Share(Bucket(length, _least(SIZES, count)), fitting[:count])
        fitting = fitting[count:]


def _together(lengths: Sequence[int], length: int) -> int:
    """How many of these, the longest first, share a pass: all of like length, and shorter ones while that costs less
    than a pass of their own."""
    count = sum(_least(LENGTHS, one) == length for one in lengths)
    while count < len(lengths) and _least(SIZES, count + 1) * length <= PASS_TOKENS:
        count += 1
    size = _least(SIZES, count)
    if (size - count) * length > PASS_TOKENS:
        return size // 2
    return count


def _least(steps: Sequence[int], wanted: int) -> int:
    return steps[bisect_left(steps, wanted)]
