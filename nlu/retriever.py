"""Finds the passages that may answer a text: exact search over passages and over the questions they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.data.article import Article
from nlu.types import Passage

Floats = NDArray[np.float32]
MOST = 3
"""Articles in an answer."""
QUESTION_SHARE = 1.5
"""What an article's closest question counts for, against 1 for its closest passage."""


def passage_texts(articles: Sequence[Article]) -> list[str]:
    """What is embedded of each passage: it must be understood without its neighbours."""
    return [
        "\n".join(part for part in (article.title, section.heading, section.text) if part)
        for article in articles
        for section in article.sections
    ]


def question_texts(articles: Sequence[Article]) -> list[str]:
    return [question for article in articles for question in article.questions]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors of passage_texts and question_texts, in their order."""

    passages: Floats
    questions: Floats


class Retriever:
    """An article's score joins its closest passage, its closest question, and whether it is about the text's intent."""

    def __init__(self, articles: Sequence[Article], vectors: Vectors, intent_weight: float) -> None:
        self._articles = articles
        self._vectors = vectors
        self._intent_weight = intent_weight
        self._first_passage = _starts([len(article.sections) for article in articles])
        self._asked = np.array([bool(article.questions) for article in articles])
        self._first_question = _starts([len(article.questions) for article in articles])[self._asked]

    def find(self, embeddings: Floats, likely: Sequence[Mapping[str, float]], sure: float) -> list[tuple[Passage, ...]]:
        """For each unit vector up to three articles' best passages, best first.

        `likely` holds each text's intents with their probabilities.
        """
        to_passages = embeddings @ self._vectors.passages.T
        meaning = self.meaning(to_passages, embeddings @ self._vectors.questions.T)
        scores = meaning + self._intent_weight * self.about(likely)
        return [self._best(row, found, sure) for row, found in zip(to_passages, scores, strict=True)]

    def meaning(self, to_passages: Floats, to_questions: Floats) -> Floats:
        """Texts x articles, from the texts' similarities to all passages and questions."""
        passage = np.maximum.reduceat(to_passages, self._first_passage, 1)
        question = passage.copy()  # an article without questions is judged by its passages alone
        if self._asked.any():
            question[:, self._asked] = np.maximum.reduceat(to_questions, self._first_question, 1)
        joined: Floats = (passage + np.float32(QUESTION_SHARE) * question) / np.float32(1 + QUESTION_SHARE)
        return joined

    def about(self, likely: Sequence[Mapping[str, float]]) -> Floats:
        """Texts x articles: the probability that a text has one of an article's intents."""
        return np.array([[self._about(article, row) for article in self._articles] for row in likely], np.float32)

    @staticmethod
    def _about(article: Article, likely: Mapping[str, float]) -> float:
        return sum(likely.get(intent, 0.0) for intent in article.intents)

    def _best(self, to_passages: Floats, scores: Floats, sure: float) -> tuple[Passage, ...]:
        best = np.argsort(-scores, kind="stable")[:MOST]
        return tuple(self._passage(int(number), to_passages, float(scores[number]), sure) for number in best)

    def _passage(self, number: int, to_passages: Floats, score: float, sure: float) -> Passage:
        article = self._articles[number]
        first = self._first_passage[number]
        section = article.sections[int(to_passages[first : first + len(article.sections)].argmax())]
        return Passage(
            article=article.id,
            title=article.title,
            section=section.heading,
            text=section.text,
            url=article.url,
            score=min(1.0, score),
            sure=score >= sure,
        )


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts[:-1]]).astype(np.int64)
