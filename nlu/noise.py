"""Typing errors, as many as one asks for: the same text, share and seed give the same errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from string import ascii_lowercase

from nlu.data.examples import Example

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Of every key those left, right, above and below it."""
    at = {key: (x, y) for y, row in enumerate(_ROWS) for x, key in enumerate(row)}
    return {
        key: "".join(other for other, (a, b) in at.items() if other != key and abs(a - x) <= 1 and abs(b - y) <= 1)
        for key, (x, y) in at.items()
    }


_NEAR = _neighbours()


def disturbed(text: str, share: float, random: Random) -> str:
    """Each letter falls with that probability to a slip: a wrong one, one too many, one missing, two exchanged."""
    left = list(text)
    typed: list[str] = []
    while left:
        letter = left.pop(0)
        if not letter.isalpha() or random.random() >= share:
            typed.append(letter)
            continue
        slip = random.randrange(4)
        if slip == 0:
            typed.append(_wrong(letter, random))
        elif slip == 1:
            typed += [letter, _wrong(letter, random)]
        elif slip == 2 and left and left[0].isalpha():
            typed += [left.pop(0), letter]
    return "".join(typed)


def _wrong(letter: str, random: Random) -> str:
    near = random.choice(_NEAR.get(letter.lower(), ascii_lowercase))
    return near.upper() if letter.isupper() else near


def mistyped(example: Example, share: float, random: Random) -> Example:
    """Its annotations mark the same words."""
    text, annotations, last = "", [], 0
    for mark in sorted(example.annotations, key=lambda annotation: annotation.start):
        text += disturbed(example.text[last : mark.start], share, random)
        start = len(text)
        text += disturbed(example.text[mark.start : mark.end], share, random)
        if len(text) > start:
            annotations.append(replace(mark, start=start, end=len(text)))
        last = mark.end
    text += disturbed(example.text[last:], share, random)
    return replace(example, text=text, annotations=tuple(annotations))


def all_mistyped(examples: Sequence[Example], share: float, seed: int = 0) -> list[Example]:
    random = Random(seed)  # noqa: S311  # must be repeatable, keeps no secret
    return [mistyped(example, share, random) for example in examples]
