"""Ranks documents by the words they share with a text (BM25, Robertson and Zaragoza 2009)."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FREQUENT = 1.2
_LENGTH = 0.75
_HALF = 8.0
"""The BM25 score that counts as half of full agreement."""
_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower case, without the plural's s."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in _WORD.findall(text.lower())]


class Lexicon:
    """An inverted index: for each word the documents that hold it, and what it says for each of them."""

    def __init__(self, documents: Sequence[str]) -> None:
        counts = [Counter(words(document)) for document in documents]
        lengths = np.array([counter.total() for counter in counts], np.float32)
        relative = lengths / max(float(lengths.mean()), 1.0) if len(lengths) else lengths
        holders: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for document, counter in enumerate(counts):
            for word, count in counter.items():
                holders[word].append((document, count))
        self._size = len(documents)
        self._postings = {word: self._posting(found, relative) for word, found in holders.items()}

    def _posting(self, found: list[tuple[int, int]], relative: Floats) -> tuple[NDArray[np.int64], Floats]:
        documents = np.array([document for document, _ in found])
        counts = np.array([count for _, count in found], np.float32)
        rarity = math.log(1 + (self._size - len(found) + 0.5) / (len(found) + 0.5))
        damping = _FREQUENT * (1 - _LENGTH + _LENGTH * relative[documents])
        return documents, (rarity * counts * (_FREQUENT + 1) / (counts + damping)).astype(np.float32)

    def agreement(self, text: str) -> Floats:
        """Per document a value from 0 to below 1: more shared and rarer words count more."""
        scores = np.zeros(self._size, np.float32)
        for word in set(words(text)):
            if word in self._postings:
                documents, weights = self._postings[word]
                scores[documents] += weights
        return scores / (scores + np.float32(_HALF))
