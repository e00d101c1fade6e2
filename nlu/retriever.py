"""Finds the passages that may answer a text: by meaning and by words, joined article by article."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlu.data.article import Article
from nlu.families import sums
from nlu.lexical import indexes
from nlu.scope import logistic_curve
from nlu.similarity import UnitVectors
from nlu.types import Passage

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
MOST = 3
"""Articles in an answer."""
SIGNALS = ("passage", "question", "common", "words", "pieces", "intent", "topic")
"""Of a text and an article: the closest passage, the closest question or line, how close the article is to any question
(less is more), the shares of the text's words and of their pieces that it has, the probability of its intents, and the
logarithm of the article's own probability by a linear classifier of articles."""
LEXICAL = ("words", "pieces")
WITHOUT_TOPIC = tuple(name for name in SIGNALS if name != "topic")


def passage_texts(articles: Sequence[Article]) -> list[str]:
    """What is embedded of each passage: it must be understood without its neighbours."""
    return [
        "\n".join(part for part in (article.title, section.heading, section.text) if part)
        for article in articles
        for section in article.sections
    ]


def question_texts(articles: Sequence[Article]) -> list[str]:
    return [question for article in articles for question in article.questions]


def document_texts(articles: Sequence[Article]) -> list[str]:
    """What is searched for words: all of an article."""
    return [
        "\n".join([article.title, *(f"{s.heading}\n{s.text}" for s in article.sections), *article.questions])
        for article in articles
    ]


@dataclass(frozen=True, slots=True)
class Vectors:
    """Unit vectors of passage_texts and question_texts, in their order."""

    passages: Floats
    questions: Floats
    common: Floats
    """Per article, its mean similarity to the questions that are closest to it."""
    lines: Floats
    """Unit vectors of customers' lines."""
    line_articles: Integers
    """Of each line, the number of the article that answers it."""
    topics: Floats
    """Articles x (width of a point + 1): the weights of the classifier of articles, and their bias."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Some texts as the network sees them."""

    texts: Sequence[str]
    embeddings: Floats
    """Unit vectors of the frozen branch: what is near in general."""
    points: Floats
    """Unit vectors that the intent head sees: what is near in this shop."""
    likely: Sequence[Mapping[str, float]]
    """Of each text the intents with their probabilities."""


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the signals are joined, and what the joined score says."""

    weights: Floats
    """Per signal."""
    certainty: Floats
    """Of a logistic regression: for the joined score, for its lead over the next article's, and the bias."""

    def joined(self, signals: Floats) -> Floats:
        """Texts x articles x signals to texts x articles."""
        return np.asarray(signals @ self.weights, np.float32)

    def likely(self, joined: Floats) -> Floats:
        """Texts x articles: the probability that this article answers the text."""
        of_score, of_lead, bias = self.certainty
        raw = of_score * joined + of_lead * leads(joined) + bias
        return logistic_curve(raw)

    def to_json(self) -> dict[str, Any]:
        weights = dict(zip(SIGNALS, self.weights.tolist(), strict=True))
        return {"weights": weights, "certainty": self.certainty.tolist()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        weights = [values["weights"][name] for name in SIGNALS]
        return cls(np.array(weights, np.float32), np.array(values["certainty"], np.float32))


def leads(joined: Floats) -> Floats:
    """Of each article over the best of the others; a lone article has none to lead."""
    if joined.shape[1] < 2:
        return np.zeros_like(joined)
    best = np.sort(joined, 1)[:, ::-1]
    others = np.where(joined == best[:, :1], best[:, 1:2], best[:, :1])
    return joined - others


@dataclass(frozen=True, slots=True)
class Near:
    """How near some texts are to everything in the index: texts x passages, questions, lines, articles three times."""

    passages: Floats
    questions: Floats
    lines: Floats
    words: Floats
    pieces: Floats
    topics: Floats


class Retriever:
    def __init__(self, articles: Sequence[Article], vectors: Vectors, fusion: Fusion) -> None:
        self.articles = articles
        self.fusion = fusion
        self._know(vectors)
        self.lexical = indexes(document_texts(articles))
        self._first_passage = starts([len(article.sections) for article in articles])
        self._asked = np.array([bool(article.questions) for article in articles])
        self._first_question = starts([len(article.questions) for article in articles])[self._asked]
        about = [(intent, number) for number, article in enumerate(articles) for intent in article.intents]
        self._intents = {intent: number for number, intent in enumerate(dict.fromkeys(intent for intent, _ in about))}
        self._about_intent = np.array([self._intents[intent] for intent, _ in about], np.int64)
        self._about_article = np.array([number for _, number in about], np.int64)

    def find(self, asked: Asked, sure: float) -> list[tuple[Passage, ...]]:
        """For each text up to three articles' best passages, best first."""
        near = self.near(asked)
        joined = self.fusion.joined(self.signals(near, asked.likely))
        chances = self.fusion.likely(joined)
        return [self._best(*row, sure) for row in zip(near.passages, joined, chances, strict=True)]

    def knowing(self, vectors: Vectors) -> Retriever:
        """The same articles with other vectors."""
        other = copy(self)
        other._know(vectors)
        return other

    def _know(self, vectors: Vectors) -> None:
        order = np.argsort(vectors.line_articles, kind="stable")
        lines, articles = vectors.lines[order], vectors.line_articles[order]
        self.vectors = vectors = replace(vectors, lines=lines, line_articles=articles)
        keys = (vectors.passages, vectors.questions, vectors.lines)
        self._keys = UnitVectors.of(np.concatenate(keys))
        self._parts = np.cumsum([len(part) for part in keys])[:-1]
        self._lined, self._first_line = np.unique(articles, return_index=True)

    def near(self, asked: Asked) -> Near:
        passages, questions, lines = np.split(self._keys.cosines(asked.embeddings), self._parts, 1)
        return Near(
            passages,
            questions,
            lines,
            self.lexical.words.shares(asked.texts),
            self.lexical.pieces.shares(asked.texts),
            topic_of(asked.points, self.vectors.topics),
        )

    def signals(self, near: Near, likely: Sequence[Mapping[str, float]]) -> Floats:
        """Texts x articles x SIGNALS."""
        passage = np.maximum.reduceat(near.passages, self._first_passage, 1)
        question = passage.copy()  # an article without questions is judged by its passages alone
        if self._asked.any():
            question[:, self._asked] = np.maximum.reduceat(near.questions, self._first_question, 1)
        if len(self._lined):
            lines = np.maximum.reduceat(near.lines, self._first_line, 1)
            question[:, self._lined] = np.maximum(question[:, self._lined], lines)
        common = np.broadcast_to(-self.vectors.common, passage.shape)
        return np.stack([passage, question, common, near.words, near.pieces, self._of_intents(likely), near.topics], 2)

    def _of_intents(self, likely: Sequence[Mapping[str, float]]) -> Floats:
        """Texts x articles: the probability that a text has one of an article's intents."""
        chances = np.zeros((len(likely), len(self._intents)))
        for row, of_text in enumerate(likely):
            for intent in self._intents.keys() & of_text.keys():
                chances[row, self._intents[intent]] = of_text[intent]
        return sums(chances[:, self._about_intent], self._about_article, len(self.articles)).astype(np.float32)

    def _best(self, to_passages: Floats, joined: Floats, chances: Floats, sure: float) -> tuple[Passage, ...]:
        best = np.argsort(-joined, kind="stable")[:MOST]
        return tuple(self._passage(int(number), to_passages, float(chances[number]), sure) for number in best)

    def _passage(self, number: int, to_passages: Floats, chance: float, sure: float) -> Passage:
        article = self.articles[number]
        first = self._first_passage[number]
        best = int(to_passages[first : first + len(article.sections)].argmax())
        return passage_of(article, best, chance, sure)


def passage_of(article: Article, number: int, chance: float, sure: float) -> Passage:
    """Of an article's sections the one of that number."""
    section = article.sections[number]
    return Passage(
        article=article.id,
        title=article.title,
        section=section.heading,
        text=section.text,
        url=article.url,
        score=chance,
        sure=chance >= sure,
    )


def topic_of(points: Floats, topics: Floats) -> Floats:
    """Texts x articles: the logarithm of each article's probability."""
    scores = points @ topics[:, :-1].T + topics[:, -1]
    scores -= scores.max(1, keepdims=True)
    return np.asarray(scores - np.log(np.exp(scores).sum(1, keepdims=True)), np.float32)


def starts(counts: Sequence[int]) -> NDArray[np.int64]:
    return np.cumsum([0, *counts[:-1]]).astype(np.int64)
