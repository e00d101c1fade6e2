"""BM25 over words and over pieces of words, as a share of the best score that a text could have."""

from __future__ import annotations

import logging
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import Stemmer
from numpy.typing import NDArray

if TYPE_CHECKING:
    import bm25s

Floats = NDArray[np.float32]
MOST_CHARACTERS = 2000
"""Of a text that is looked up; about what the encoder reads of it."""
_PIECES = (3, 4)
_WORD = re.compile(r"\w+")
_K1, _B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009)."""


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
        self._weights = {token: lucene(len(texts), count) for token, count in held.items()}
        self._missing = lucene(len(texts), 0)
        self._index = _empty_index()
        self._starts: list[int] = []
        """Of each token's scores in the index, and where the last one's end."""
        if held:
            self._index.index([list(counts.elements()) for counts in self._found], show_progress=False)
            self._starts = self._index.scores["indptr"].tolist()

    def shares(self, texts: Sequence[str]) -> Floats:
        """Texts x indexed texts, 0 to 1. A token that is nowhere in the index weighs most, and is always missing."""
        rows = [self._shares(self._asked(text)) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), len(self._found))

    def share_without(self, text: str, number: int) -> float:
        """What the text would have of an indexed text that it is a part of, were it not there."""
        part = Counter(self._tokens(text))
        rest = self._found[number] - part
        asked = self._asked(text)
        norm = _K1 * (1 - _B + _B * rest.total() / self._length)
        score = sum(self._weights[token] * rest[token] / (rest[token] + norm) for token in asked if rest[token])
        return score / self._best(asked) if asked else 0.0

    def _asked(self, text: str) -> list[str]:
        return list(dict.fromkeys(self._tokens(text[:MOST_CHARACTERS])))

    def _shares(self, asked: Sequence[str]) -> Floats:
        if not asked or not self._weights:
            return np.zeros(len(self._found), np.float32)
        held = self._index.scores  # bm25s adds token by token, which takes four times as long
        rows = self._index.get_tokens_ids(asked)
        spans = [slice(self._starts[row], self._starts[row + 1]) for row in rows]
        if not spans:
            return np.zeros(len(self._found), np.float32)
        texts, scores = (np.concatenate([held[name][span] for span in spans]) for name in ("indices", "data"))
        found = np.bincount(texts, scores, len(self._found))
        return np.asarray(found / self._best(asked), np.float32)

    def _best(self, asked: Sequence[str]) -> float:
        return sum(self._weights.get(token, self._missing) for token in asked)


@lru_cache(maxsize=2)
def indexes(texts: tuple[str, ...]) -> tuple[Lexical, Lexical]:
    """Over words and over pieces of words. Models with the same articles share them: a change of model costs little."""
    return Lexical(texts, Words()), Lexical(texts, pieces)


def lucene(texts: int, count: int) -> float:
    """The inverse document frequency as Lucene has it, which is what a token's score cannot exceed."""
    return math.log(1 + (texts - count + 0.5) / (count + 0.5))


def saturated(often: NDArray[Any], length: NDArray[Any]) -> NDArray[Any]:
    """The share of a token's weight that a text gets which has it so often, and is so many times as long as usual."""
    return np.asarray(often / (often + _K1 * (1 - _B + _B * length)))


def _empty_index() -> bm25s.BM25:
    # It tries JAX where that is installed, and JAX takes three quarters of a GPU's memory, which the models need.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import bm25s

    logging.getLogger("bm25s").setLevel(logging.WARNING)  # it takes DEBUG for itself, whatever the settings say
    return bm25s.BM25(method="lucene", k1=_K1, b=_B)
