"""Finds the passages that may answer a text: exact search over passages and over the questions they answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.data.knowledge import Article
from nlu.lexical import Lexicon
from nlu.types import Passage

Floats = NDArray[np.float32]
_LONGEST = 2000
"""Characters of a text whose words are looked up."""
MOST = 3
"""Articles in an answer."""
QUESTION_SHARE = 0.5
"""What an article's closest question counts for, against 1 each for its closest passage and sentence."""
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SHORTEST = 15
"""Characters of a sentence that can be a key."""


def passage_texts(articles: Sequence[Article]) -> list[str]:
    """What is embedded of each passage: it must be understood without its neighbours."""
    return [
        "\n".join(part for part in (article.title, section.heading, section.text) if part)
        for article in articles
        for section in article.sections
    ]


def sentence_texts(articles: Sequence[Article]) -> list[tuple[int, str]]:
    """The number of the article and the sentence under its heading; at least one for each passage."""
    return [
        (number, f"{section.heading or article.title}: {sentence}")
        for number, article in enumerate(articles)
        for section in article.sections
        for sentence in _sentences(section.text)
    ]


def _sentences(text: str) -> list[str]:
    found = [sentence.strip(" -*|") for sentence in _SENTENCE.split(text)]
    return [sentence for sentence in found if len(sentence) > _SHORTEST] or [text]


def question_texts(articles: Sequence[Article]) -> list[str]:
    return [question for article in articles for question in article.questions]


@dataclass(frozen=True, slots=True)
class Weights:
    """What counts beside the similarity of meaning."""

    intent: float
    """For an article about the text's intent."""
    words: float
    """For an article that shares the text's words."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors of passage_texts, sentence_texts and question_texts, in their order."""

    passages: Floats
    sentences: Floats
    questions: Floats


class Retriever:
    """An article's score joins its closest passage, sentence and question, shared words, and the intent it is about."""

    def __init__(self, articles: Sequence[Article], vectors: Vectors, weights: Weights) -> None:
        self._articles = articles
        self._vectors = vectors
        self._weights = weights
        self._lexicon = Lexicon([_whole(article) for article in articles])
        self._first_passage = _starts([len(article.sections) for article in articles])
        per_article = Counter(number for number, _ in sentence_texts(articles))
        self._first_sentence = _starts([per_article[number] for number in range(len(articles))])
        self._asked = np.array([bool(article.questions) for article in articles])
        self._first_question = _starts([len(article.questions) for article in articles])[self._asked]

    def find(
        self, texts: Sequence[str], embeddings: Floats, likely: Sequence[Mapping[str, float]], sure: float
    ) -> list[tuple[Passage, ...]]:
        """For each text and its unit vector up to three articles' best passages, best first.

        `likely` holds each text's intents with their probabilities.
        """
        to_passages = embeddings @ self._vectors.passages.T
        scores = self.meaning(embeddings, embeddings @ self._vectors.questions.T)
        scores = scores + self._weights.intent * self.about(likely) + self._weights.words * self.shared(texts)
        return [self._best(row, found, sure) for row, found in zip(to_passages, scores, strict=True)]

    def meaning(self, embeddings: Floats, to_questions: Floats) -> Floats:
        """Texts x articles, from the texts' vectors and their similarities to all questions."""
        passage = np.maximum.reduceat(embeddings @ self._vectors.passages.T, self._first_passage, 1)
        sentence = np.maximum.reduceat(embeddings @ self._vectors.sentences.T, self._first_sentence, 1)
        question = passage.copy()  # an article without questions is judged by its passages alone
        if self._asked.any():
            question[:, self._asked] = np.maximum.reduceat(to_questions, self._first_question, 1)
        joined: Floats = (passage + sentence + np.float32(QUESTION_SHARE) * question) / np.float32(2 + QUESTION_SHARE)
        return joined

    def about(self, likely: Sequence[Mapping[str, float]]) -> Floats:
        """Texts x articles: the probability that a text has one of an article's intents."""
        return np.array([[self._about(article, row) for article in self._articles] for row in likely], np.float32)

    def shared(self, texts: Sequence[str]) -> Floats:
        """Texts x articles: how far they share words, 0 to 1."""
        return np.stack([self._lexicon.agreement(text[:_LONGEST]) for text in texts])

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


def _whole(article: Article) -> str:
    sections = " ".join(f"{section.heading} {section.text}" for section in article.sections)
    return f"{article.title} {article.title} {sections}"


def _starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts[:-1]]).astype(np.int64)
