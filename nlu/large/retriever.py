"""Finds passages among very many: vectors and rare words name some articles, and only these are compared in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from nlu.data.article import Article
from nlu.large.catalogue import Catalogue
from nlu.retriever import MOST, SIGNALS, Asked, Fusion, passage_of, starts
from nlu.types import Passage

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
USED = ("passage", "question", "common", "words", "intent")
"""Signals that cost a message no more than the articles that it is compared with."""
NEAR = 128
"""Vectors that name articles."""
_BY_WORDS = 32
_LOWEST = np.float32(-1)
"""The cosine of what is not there."""


class Wide:
    """As nlu.retriever.Retriever; of the signals it has `USED`."""

    def __init__(self, articles: Sequence[Article], vectors: Catalogue, fusion: Fusion) -> None:
        self.articles, self.vectors, self.fusion = articles, vectors, fusion
        sections, questions = ([len(getattr(a, name)) for a in articles] for name in ("sections", "questions"))
        self._passages = starts([*sections, 0])
        self._questions = starts([*questions, 0]) + self._passages[-1]
        numbers = np.arange(len(articles))
        self._owners = np.concatenate([np.repeat(numbers, sections), np.repeat(numbers, questions)])

    def owners(self, rows: Integers) -> Integers:
        """The articles of some vectors."""
        return self._owners[rows]

    def find(self, asked: Asked, sure: float) -> list[tuple[Passage, ...]]:
        """For each text up to three articles' best passages, best first."""
        return [self._find(*one, sure) for one in zip(asked.texts, asked.embeddings, asked.likely, strict=True)]

    def _find(self, text: str, vector: Floats, likely: Mapping[str, float], sure: float) -> tuple[Passage, ...]:
        numbers = self.candidates(text, vector)
        joined = self.fusion.joined(self.signals(numbers, text, vector, likely)[None])
        chances, best = self.fusion.likely(joined)[0], np.argsort(-joined[0], kind="stable")[:MOST]
        return tuple(self._passage(int(numbers[place]), vector, float(chances[place]), sure) for place in best)

    def candidates(self, text: str, vector: Floats, without: int | None = None) -> Integers:
        """The articles that are worth a closer look, ascending; the vector in a row may not count."""
        rows = self.vectors.keys.near(vector, NEAR)
        by_words = self.vectors.postings.best(text, _BY_WORDS)
        return np.unique(np.concatenate([self.owners(rows[rows != without]), by_words]))

    def signals(
        self,
        numbers: Integers,
        text: str,
        vector: Floats,
        likely: Mapping[str, float],
        without: int | None = None,
    ) -> Floats:
        """Articles x SIGNALS."""
        found = np.zeros((len(numbers), len(SIGNALS)), np.float32)
        passage = self._closest(self._passages, numbers, vector, None)
        question = self._closest(self._questions, numbers, vector, without)
        unasked = self._questions[numbers + 1] == self._questions[numbers]
        signals: dict[str, Floats] = {
            "passage": passage,
            "question": np.where(unasked, passage, question),
            "common": -self.vectors.common[numbers],
            "words": self.vectors.postings.shares(text, numbers),
            "intent": self._about(numbers, likely),
        }
        for name, values in signals.items():
            found[:, SIGNALS.index(name)] = values
        return found

    def _about(self, numbers: Integers, likely: Mapping[str, float]) -> Floats:
        """The probability that a text has one of an article's intents."""
        named = [self.articles[number].intents for number in numbers.tolist()]
        return np.array([sum(likely.get(name, 0.0) for name in names) for names in named], np.float32)

    def _closest(self, firsts: Integers, numbers: Integers, vector: Floats, without: int | None) -> Floats:
        """Of each article the highest cosine of its rows between two `firsts`."""
        counts = firsts[numbers + 1] - firsts[numbers]
        ends, best = np.cumsum(counts), np.full(len(numbers), _LOWEST)
        if not counts.any():
            return best
        rows = np.arange(ends[-1]) + np.repeat(firsts[numbers] - ends + counts, counts)
        cosines = np.where(rows == without, _LOWEST, self.vectors.keys.cosines(vector, rows))
        best[counts > 0] = np.maximum.reduceat(cosines, (ends - counts)[counts > 0])
        return best

    def _passage(self, number: int, vector: Floats, chance: float, sure: float) -> Passage:
        rows = np.arange(self._passages[number], self._passages[number + 1])
        return passage_of(self.articles[number], int(self.vectors.keys.cosines(vector, rows).argmax()), chance, sure)
