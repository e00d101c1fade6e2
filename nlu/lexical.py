"""BM25 over words and over pieces of words, as a share of the best score that a text could have."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import Stemmer
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
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
        self._found = [Counter(tokens(text)) for text in texts]
        self._length = sum(counts.total() for counts in self._found) / max(1, len(texts))
        held = Counter(token for counts in self._found for token in counts)
        self._numbers = {token: number for number, token in enumerate(held, 1)}
        self._counts = np.array([0, *held.values()])
        """Of each token, how many texts have it; 0 is any token that none has."""
        self._starts = np.cumsum(self._counts) - self._counts
        self._weights = np.array([lucene(len(texts), count) for count in self._counts.tolist()])
        self._texts: Integers = np.empty(0, np.int64)
        self._scores: NDArray[np.float64] = np.empty(0)
        if held:
            self._texts, self._scores = self._scored()

    def _scored(self) -> tuple[Integers, NDArray[np.float64]]:
        """Token by token the texts that have it, and what it is worth there."""
        tokens = np.array([self._numbers[token] for counts in self._found for token in counts])
        often = np.array([count for counts in self._found for count in counts.values()])
        texts = np.repeat(np.arange(len(self._found)), [len(counts) for counts in self._found])
        lengths = np.array([counts.total() for counts in self._found]) / self._length
        order = np.argsort(tokens, kind="stable")
        return texts[order], (self._weights[tokens] * saturated(often, lengths[texts]))[order]

    def shares(self, texts: Sequence[str]) -> Floats:
        """Texts x indexed texts, 0 to 1. A token that is nowhere in the index weighs most, and is always missing."""
        at_once = max(1, _AT_ONCE // max(1, len(self._scores)))
        slices = [texts[start : start + at_once] for start in range(0, len(texts), at_once)]
        return np.concatenate([np.empty((0, len(self._found)), np.float32), *map(self._shares, slices)])

    def share_without(self, text: str, number: int) -> float:
        """What the text would have of an indexed text that it is a part of, were it not there."""
        tokens = self._asked(text)
        rest = self._found[number] - Counter(self._tokens(text))
        often, weights = np.array([rest[token] for token in tokens]), self._weights[self._known(tokens)]
        found = weights * saturated(often, rest.total() / self._length)
        return float(found.sum() / weights.sum()) if tokens else 0.0

    def _asked(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._tokens(text[:MOST_CHARACTERS])))

    def _known(self, tokens: Sequence[str]) -> list[int]:
        return [self._numbers.get(token, 0) for token in tokens]

    def _shares(self, texts: Sequence[str]) -> Floats:
        asked = [self._known(self._asked(text)) for text in texts]
        tokens = np.array([number for numbers in asked for number in numbers], np.int64)
        rows, size = np.repeat(np.arange(len(asked)), list(map(len, asked))), len(self._found)
        counts = self._counts[tokens]
        # The places of all their scores: each token's one after the other, from where they begin.
        places = np.repeat(self._starts[tokens] - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        cells = np.repeat(rows * size, counts) + self._texts[places]
        found = np.bincount(cells, self._scores[places], len(texts) * size).reshape(len(texts), size)
        best = np.bincount(rows, self._weights[tokens], len(texts))
        return (found / np.maximum(best, _TINY)[:, None]).astype(np.float32)


@lru_cache(maxsize=2)
def indexes(texts: tuple[str, ...]) -> tuple[Lexical, Lexical]:
    """Over words and over pieces of words. Models with the same articles share them: a change of model costs little."""
    return Lexical(texts, Words()), Lexical(texts, pieces)


def lucene(texts: int, count: int) -> float:
    """The inverse document frequency as Lucene has it, which is what a token's score cannot exceed."""
    return math.log(1 + (texts - count + 0.5) / (count + 0.5))


def saturated(often: NDArray[Any], length: NDArray[Any] | float) -> NDArray[Any]:
    """The share of a token's weight that a text gets which has it so often, and is so many times as long as usual."""
    return np.asarray(often / (often + _K1 * (1 - _B + _B * length)))
