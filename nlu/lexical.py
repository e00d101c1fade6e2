"""BM25 over words and over pieces of words, as a share of the best score that a text could have."""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import Stemmer
from numpy.typing import NDArray

Floats = NDArray[np.float32]
MOST_CHARACTERS = 2000
"""Of a text that is looked up; about what the encoder reads of it."""
_PIECES = (3, 4)
_WORD = re.compile(r"\w+")
_K1, _B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009)."""
_AT_ONCE = 2_000_000
"""Scores among which those of several texts are looked up at once; among more, those of one."""
_TINY = 1e-12


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


class Words:
    """Stems in their order: Snowball's for English; words of other languages mostly stay as they are."""

    def __init__(self) -> None:
        self._stemmer = Stemmer.Stemmer("english")

    def __call__(self, text: str) -> list[str]:
        return list(self._stemmer.stemWords(words_of(text)))


def pieces(text: str) -> list[str]:
    """Three and four letters in a row, with the words' ends: a typo leaves most of them as they were."""
    return [
        word[start : start + length]
        for word in (f" {found} " for found in words_of(text))
        for length in _PIECES
        for start in range(max(1, len(word) - length + 1))
    ]


class Lexical:
    """An index over some texts."""

    def __init__(self, texts: Sequence[str], tokens: Callable[[str], list[str]]) -> None:
        self._tokens = tokens
        self._numbers: dict[str, int] = {}
        held, often, different = array("i"), array("i"), array("i")
        for counts in map(Counter, map(tokens, texts)):  # not kept: they would be most of the index
            held.extend(self._numbers.setdefault(token, len(self._numbers) + 1) for token in counts)
            often.extend(counts.values())
            different.append(len(counts))
        order = np.argsort(np.array(held), kind="stable")
        self._counts = np.bincount(np.array(held), minlength=len(self._numbers) + 1)
        """Of each token, how many texts have it; 0 is any token that none has."""
        self._starts = np.cumsum(self._counts) - self._counts
        self._weights = np.array([lucene(len(texts), count) for count in self._counts.tolist()])
        self._texts = np.repeat(np.arange(len(texts), dtype=np.int32), np.array(different))[order]
        """Token by token those that have it; below how often, and what it is worth there."""
        self._often = np.array(often)[order]
        self._sizes = np.bincount(self._texts, self._often, len(texts))
        self._usual = max(self._sizes.sum() / max(1, len(texts)), _TINY)
        sizes = self._sizes[self._texts] / self._usual
        self._scores = np.repeat(self._weights, self._counts) * saturated(self._often, sizes)

    def shares(self, texts: Sequence[str]) -> Floats:
        """Texts x indexed texts, 0 to 1. A token that is nowhere in the index weighs most, and is always missing."""
        at_once = max(1, _AT_ONCE // max(1, len(self._scores)))
        slices = [texts[start : start + at_once] for start in range(0, len(texts), at_once)]
        return np.concatenate([np.empty((0, len(self._sizes)), np.float32), *map(self._shares, slices)])

    def share_without(self, text: str, number: int) -> float:
        """What the text would have of an indexed text that it is a part of, were it not there."""
        tokens, part = self._asked(text), Counter(self._tokens(text))
        held = {token: self._held(token, number) for token in {*tokens, *part}}
        often = np.array([max(0, held[token] - part[token]) for token in tokens])
        size = self._sizes[number] - sum(min(held[token], count) for token, count in part.items())
        weights = self._weights[self._known(tokens)]
        found = weights * saturated(often, size / self._usual)
        return float(found.sum() / weights.sum()) if tokens else 0.0

    def _held(self, token: str, text: int) -> int:
        """How often an indexed text has it."""
        known = self._numbers.get(token, 0)
        start, end = self._starts[known], self._starts[known] + self._counts[known]
        place = start + int(np.searchsorted(self._texts[start:end], text))
        return int(self._often[place]) if place < end and self._texts[place] == text else 0

    def _asked(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._tokens(text[:MOST_CHARACTERS])))

    def _known(self, tokens: Sequence[str]) -> list[int]:
        return [self._numbers.get(token, 0) for token in tokens]

    def _shares(self, texts: Sequence[str]) -> Floats:
        asked = [self._known(self._asked(text)) for text in texts]
        tokens = np.array([number for numbers in asked for number in numbers], np.int64)
        rows, size = np.repeat(np.arange(len(asked)), list(map(len, asked))), len(self._sizes)
        counts = self._counts[tokens]
        # The places of all their scores: each token's one after the other, from where they begin.
        places = np.repeat(self._starts[tokens] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        cells = np.repeat(rows * size, counts) + self._texts[places]
        found = np.bincount(cells, self._scores[places], len(texts) * size).reshape(len(texts), size)
        best = np.bincount(rows, self._weights[tokens], len(texts))
        return (found / np.maximum(best, _TINY)[:, None]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Indexes:
    words: Lexical
    pieces: Lexical


_indexes = WeakValueDictionary[bytes, Indexes]()
"""By the digest of their texts."""
_making = Lock()


def indexes(texts: Sequence[str]) -> Indexes:
    """Models with the same articles share them, so that a change of model costs little; they go with the last one."""
    name = _digest(texts)
    with _making:
        found = _indexes.get(name)
        if found is None:
            found = _indexes[name] = Indexes(Lexical(texts, Words()), Lexical(texts, pieces))
    return found


def _digest(texts: Sequence[str]) -> bytes:
    parts = (sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return sha256(b"".join(parts)).digest()


def lucene(texts: int, count: int) -> float:
    """The inverse document frequency as Lucene has it, which is what a token's score cannot exceed."""
    return math.log(1 + (texts - count + 0.5) / (count + 0.5))


def saturated(often: NDArray[Any], length: NDArray[Any] | float) -> NDArray[Any]:
    """The share of a token's weight that a text gets which has it so often, and is so many times as long as usual."""
    return np.asarray(often / (often + _K1 * (1 - _B + _B * length)))
