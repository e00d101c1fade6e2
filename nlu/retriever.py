"""Finds the passages that may answer a text: exact search over several keys for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.data.knowledge import Article
from nlu.types import Passage

Floats = NDArray[np.float32]
MOST = 3
"""Articles in an answer."""


@dataclass(frozen=True, slots=True)
class Key:
    """A text by which an article is found: one of its passages, or a question that it answers."""

    article: int
    passage: int
    """Position in the article; -1 for a question."""
    text: str


def keys_of(articles: Sequence[Article]) -> list[Key]:
    found = []
    for number, article in enumerate(articles):
        for place, section in enumerate(article.sections):
            text = "\n".join(part for part in (article.title, section.heading, section.text) if part)
            found.append(Key(number, place, text))
        found += [Key(number, -1, question) for question in article.questions]
    return found


@dataclass(frozen=True, slots=True)
class Shelf:
    """The articles as they are stored in a model directory."""

    articles: tuple[Article, ...]
    keys: tuple[Key, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "articles": [article.to_json() for article in self.articles],
            "keys": [[key.article, key.passage] for key in self.keys],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Shelf:
        articles = tuple(Article.from_json(article) for article in values["articles"])
        return cls(articles, tuple(Key(article, passage, "") for article, passage in values["keys"]))


class Retriever:
    """An article's score is its best key's cosine, and a little more where the intent is one of its own."""

    def __init__(self, shelf: Shelf, vectors: Floats, intent_weight: float) -> None:
        self._articles = shelf.articles
        self._vectors = vectors
        self._intent_weight = intent_weight
        self._starts = np.flatnonzero(np.diff([-1, *(key.article for key in shelf.keys)]))
        self._passages = np.array([key.passage for key in shelf.keys])

    def scores(self, similar: Floats, likely: Mapping[str, float]) -> Floats:
        """Texts' similarities to all keys, to one score per article."""
        best: Floats = np.maximum.reduceat(similar, self._starts)
        return best + np.float32(self._intent_weight) * self.agreement(likely)

    def agreement(self, likely: Mapping[str, float]) -> Floats:
        """Per article, the probability that the text has one of the article's intents."""
        return np.array([sum(likely.get(i, 0.0) for i in article.intents) for article in self._articles], np.float32)

    def find(self, embeddings: Floats, likely: Sequence[Mapping[str, float]], sure: float) -> list[tuple[Passage, ...]]:
        """For each unit vector up to three articles' best passages, best first."""
        similar = embeddings @ self._vectors.T
        return [self._best(row, chances, sure) for row, chances in zip(similar, likely, strict=True)]

    def _best(self, similar: Floats, likely: Mapping[str, float], sure: float) -> tuple[Passage, ...]:
        scores = self.scores(similar, likely)
        best = np.argsort(-scores, kind="stable")[:MOST]
        return tuple(self._passage(int(article), similar, float(scores[article]), sure) for article in best)

    def _passage(self, number: int, similar: Floats, score: float, sure: float) -> Passage:
        article = self._articles[number]
        start = self._starts[number]
        sections = similar[start : start + len(article.sections)]
        section = article.sections[int(sections.argmax())]
        return Passage(
            article=article.id,
            title=article.title,
            section=section.heading,
            text=section.text,
            url=article.url,
            score=min(1.0, score),
            sure=score >= sure,
        )
