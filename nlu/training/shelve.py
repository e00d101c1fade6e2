"""Indexes the knowledge base, and chooses what the retriever may be sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nlu.data.article import Article
from nlu.data.examples import Example
from nlu.engine.torch_engine import TorchEngine
from nlu.intents import Judge, ranking
from nlu.retriever import WITHOUT_TOPIC, Fusion, Near, Retriever, Vectors, passage_texts, question_texts, topic_of
from nlu.tokens import TextReader
from nlu.training.fit import logistic
from nlu.training.fusion import learnt, untaught

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Chances = Sequence[Mapping[str, float]]
"""Per text, the probability of each intent."""

_SURE = 0.5
"""More likely right than wrong."""
_TURNS = 3
_PROBABLE = 0.6
"""From which probability on a line gets an article."""
_RIDGE = 0.03
_CLOSEST = 10
"""Questions that tell how close an article is to any question."""


@dataclass(frozen=True, slots=True)
class Shelved:
    articles: tuple[Article, ...]
    vectors: Vectors
    fusion: Fusion
    sure: float


class QuestionReader:
    """The chances of each intent, for texts that only help to choose."""

    def __init__(self, engine: TorchEngine, reader: TextReader, judge: Judge) -> None:
        self._engine, self._reader, self._judge = engine, reader, judge

    def read(self, texts: Sequence[str]) -> Chances:
        signals = self._engine.run([tokens.ids for tokens in self._reader.read(texts)])
        told = (np.stack([getattr(one, name) for one in signals]) for name in ("intents", "start", "point"))
        return [self.chances(row) for row in self._judge.likely(*told)]

    def chances(self, likely: Floats) -> dict[str, float]:
        return {intent.name: intent.confidence for intent in ranking(self._judge.names, likely)}


@dataclass(frozen=True, slots=True)
class Strangers:
    """Out-of-scope texts, which should find nothing."""

    texts: Sequence[str]
    embeddings: Floats
    chances: Chances


@dataclass(frozen=True, slots=True)
class Lines:
    """Training examples of intents that articles name: customers' words, with the articles that would do."""

    texts: Sequence[str]
    intents: Sequence[str]
    embeddings: Floats


def lines_of(articles: Sequence[Article], examples: Sequence[Example], embeddings: Floats) -> Lines:
    """Those of the examples, with their unit vectors, that some article is about."""
    named = {intent for article in articles for intent in article.intents}
    rows = [row for row, example in enumerate(examples) if example.family in named]
    return Lines([examples[row].text for row in rows], [examples[row].family for row in rows], embeddings[rows])


def shelve(
    articles: Sequence[Article],
    base: tuple[Path, torch.device],
    reader: QuestionReader,
    strangers: Strangers,
    lines: Lines,
) -> Shelved:
    """Embeds the articles with a base model's folder, and asks every question as if it were no key itself."""
    vectors = _vectors(*base, articles)
    texts = question_texts(articles)
    if not texts:
        return Shelved(tuple(articles), vectors, untaught(), _SURE)
    retriever, asked = taught(articles, vectors, reader.read(texts), lines)
    strange = retriever.signals(retriever.near(strangers.texts, strangers.embeddings), strangers.chances)
    return Shelved(tuple(articles), retriever.vectors, learnt(asked, articles_of(articles), strange), _SURE)


def taught(articles: Sequence[Article], vectors: Vectors, likely: Chances, lines: Lines) -> tuple[Retriever, Floats]:
    """With lines as keys and a classifier of articles; and the signals of every question, each as if it were new.

    A line goes to the best of the articles that its intent allows, if that one is probable enough. The questions are
    left out in turns, a third at a time: of the keys, of the labelling of lines, and of the classifier.
    """
    retriever = Retriever(articles, vectors, untaught())
    own = articles_of(articles)
    near = _near_anew(retriever, own)
    asked = retriever.signals(near, likely)
    labeller = _Labeller(retriever, learnt(asked, own, asked[:0], WITHOUT_TOPIC), lines)
    for turn in range(min(_TURNS, len(own))):
        out = np.arange(len(own)) % _TURNS == turn
        asked[out] = _asked_anew(labeller.taught(out), near, likely, out)[out]
    return labeller.taught(np.zeros(len(own), bool)), asked


def _near_anew(retriever: Retriever, own: Integers) -> Near:
    """Of every question of the articles, as if it were not among them."""
    texts, rows = question_texts(retriever.articles), np.arange(len(own))
    near = retriever.near(texts, retriever.vectors.questions)
    np.fill_diagonal(near.questions, -1.0)
    pairs = list(zip(texts, own.tolist(), strict=True))
    near.words[rows, own] = [retriever.words.share_without(*pair) for pair in pairs]
    near.pieces[rows, own] = [retriever.pieces.share_without(*pair) for pair in pairs]
    return near


def _asked_anew(retriever: Retriever, near: Near, likely: Chances, out: NDArray[np.bool_]) -> Floats:
    """The signals of every question, as if those that are `out` were not among the keys."""
    vectors = retriever.vectors
    return retriever.signals(
        replace(
            near,
            questions=np.where(out, np.float32(-1), near.questions),
            lines=vectors.questions @ vectors.lines.T,
            topics=topic_of(vectors.questions, vectors.topics),
        ),
        likely,
    )


class _Labeller:
    def __init__(self, retriever: Retriever, fusion: Fusion, lines: Lines) -> None:
        self._retriever, self._fusion, self._lines = retriever, fusion, lines
        self._near = retriever.near(lines.texts, lines.embeddings)
        self._allowed = np.array(
            [[intent in article.intents for article in retriever.articles] for intent in lines.intents], bool
        ).reshape(len(lines.texts), len(retriever.articles))

    def taught(self, out: NDArray[np.bool_]) -> Retriever:
        """A retriever that knows nothing of the questions that are `out`, but for the articles' words."""
        keys, labels = self._labelled(out)
        articles, vectors = self._retriever.articles, self._retriever.vectors
        inputs = np.concatenate([vectors.passages, vectors.questions[~out], keys])
        passages = np.repeat(np.arange(len(articles)), [len(article.sections) for article in articles])
        classes = np.concatenate([passages, articles_of(articles)[~out], labels])
        weight, bias = logistic(torch.from_numpy(inputs), torch.from_numpy(classes), len(articles), _RIDGE)
        topics = np.column_stack([weight.numpy(), bias.numpy()]).astype(np.float32)
        return self._retriever.knowing(replace(vectors, lines=keys, line_articles=labels, topics=topics))

    def _labelled(self, out: NDArray[np.bool_]) -> tuple[Floats, Integers]:
        """The lines whose article is probable, and the articles."""
        if not self._lines.texts:
            return self._lines.embeddings, np.empty(0, np.int64)
        questions = np.where(out, np.float32(-1), self._near.questions)
        signals = self._retriever.signals(replace(self._near, questions=questions), [{}] * len(self._lines.texts))
        joined = np.where(self._allowed, self._fusion.joined(signals), -np.inf)
        raised = np.exp(joined - joined.max(1, keepdims=True))
        probable = raised.max(1) / raised.sum(1) >= _PROBABLE
        return self._lines.embeddings[probable], joined.argmax(1)[probable]


def articles_of(articles: Sequence[Article]) -> Integers:
    """Of every question its article's number."""
    return np.array([number for number, article in enumerate(articles) for _ in article.questions], np.int64)


def _vectors(folder: Path, device: torch.device, articles: Sequence[Article]) -> Vectors:
    """By sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    model = SentenceTransformer(str(folder), device=str(device))
    passages = passage_texts(articles)
    texts = [*passages, *question_texts(articles)]
    found = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    of_passages, of_questions = np.split(np.asarray(found, np.float32), [len(passages)])
    common, topics = _common(articles, of_passages, of_questions), np.zeros((len(articles), found.shape[1] + 1))
    return Vectors(
        of_passages, of_questions, common, of_questions[:0], np.empty(0, np.int64), topics.astype(np.float32)
    )


def _common(articles: Sequence[Article], passages: Floats, questions: Floats) -> Floats:
    """Per article the mean similarity of the questions closest to it, whosever they are."""
    found = np.zeros(len(articles), np.float32)
    start = 0
    for number, article in enumerate(articles):
        end = start + len(article.sections)
        closest = np.sort((passages[start:end] @ questions.T).max(0))[::-1][:_CLOSEST]
        found[number] = closest.mean() if len(closest) else 0.0
        start = end
    return found
