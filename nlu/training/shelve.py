"""Indexes the knowledge base, and chooses what the retriever may be sure of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nlu.architecture import MAX_TOKENS
from nlu.base_model import places
from nlu.data.article import Article
from nlu.data.examples import Example
from nlu.engine.signals import Engine
from nlu.families import Families
from nlu.intents import Judge, ranking
from nlu.large.catalogue import Catalogue
from nlu.retriever import (
    WITHOUT_TOPIC,
    Asked,
    Fusion,
    Near,
    Retriever,
    Vectors,
    passage_texts,
    question_texts,
    topic_of,
)
from nlu.tokens import TextReader
from nlu.training.fit import logistic
from nlu.training.fusion import learnt, untaught
from nlu.training.shelve_large import LARGE, catalogue, chosen, common, joined

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

_SURE = 0.5
"""More likely right than wrong."""
_TURNS = 3
_PROBABLE = 0.6
"""From which probability on a line gets an article."""
_RIDGE = 0.03
_AT_ONCE = 2_000
"""Texts that are sorted by length and read; then progress is told."""
_READING = 0.9
"""Of the work at a large knowledge base the share that reading its texts is."""


@dataclass(frozen=True, slots=True)
class Shelved:
    articles: tuple[Article, ...]
    vectors: Vectors | Catalogue
    fusion: Fusion
    sure: float = _SURE


class QuestionReader:
    """Reads texts that only help to choose as serving would."""

    def __init__(self, engine: Engine, reader: TextReader, judge: Judge) -> None:
        self._engine, self._reader, self._judge = engine, reader, judge
        self._families = Families.of(judge.names)

    def read(self, texts: Sequence[str]) -> Asked:
        """Raises ValueError for no texts."""
        signals = self._engine.run([tokens.ids for tokens in self._reader.read(texts)])
        names = ("embedding", "point", "intents", "start")
        embeddings, points, scores, start = (np.stack([getattr(one, name) for one in signals]) for name in names)
        likely = self._judge.likely(scores, start, points)
        return Asked(texts, embeddings, points, [self.chances(row) for row in likely])

    def chances(self, likely: Floats) -> dict[str, float]:
        return {intent.name: intent.confidence for intent in ranking(self._families, likely)}


@dataclass(frozen=True, slots=True)
class Lines:
    """Training examples of intents that articles name: customers' words, with the articles that would do."""

    asked: Asked
    intents: Sequence[str]


def keys_of(articles: Sequence[Article]) -> int:
    """How many texts the index holds."""
    return len(passage_texts(articles)) + len(question_texts(articles))


def lines_of(articles: Sequence[Article], examples: Sequence[Example]) -> list[int]:
    """Where the examples stand that some article is about."""
    named = {intent for article in articles for intent in article.intents}
    return [row for row, example in enumerate(examples) if example.family in named]


def shelve(
    articles: Sequence[Article],
    base: tuple[Path, torch.device],
    reader: QuestionReader,
    lines: Lines,
    joining: Asked | Fusion,
    *,
    tell: Callable[[float], None],
) -> Shelved:
    """Embeds the articles with a base model's folder, and asks every question as if it were no key itself.

    How its signals are joined is given, or learnt with `joining` as out-of-scope texts, which should find nothing.
    `tell` hears of work, `keys_of` the articles in all.
    """
    if is_large(articles):
        return _shelved_large(articles, base, reader, joining, tell)
    shelved = _shelved(articles, base, reader, lines, joining)
    tell(keys_of(articles))
    return shelved


def is_large(articles: Sequence[Article]) -> bool:
    return sum(len(article.sections) for article in articles) > LARGE


def _shelved_large(
    articles: Sequence[Article],
    base: tuple[Path, torch.device],
    reader: QuestionReader,
    joining: Asked | Fusion,
    tell: Callable[[float], None],
) -> Shelved:
    texts = question_texts(articles)
    count, rows = len(passage_texts(articles)), chosen(len(texts))
    # Nearly all of the time goes into reading the texts.
    passages, questions = _embedded(*base, articles, lambda read: tell(_READING * read))
    steps = len(articles) + keys_of(articles)
    known = catalogue(
        articles, passages, questions, lambda done: tell((1 - _READING) * keys_of(articles) * done / steps)
    )
    if isinstance(joining, Asked):
        some = [texts[row] for row in rows.tolist()]
        asked = replace(reader.read(some), embeddings=questions[rows]) if some else replace(joining, texts=[])
        joining = joined(articles, known, asked, rows + count, joining)
    return Shelved(tuple(articles), known, joining)


def _shelved(
    articles: Sequence[Article],
    base: tuple[Path, torch.device],
    reader: QuestionReader,
    lines: Lines,
    joining: Asked | Fusion,
) -> Shelved:
    vectors, texts = _vectors(*base, articles), question_texts(articles)
    passages = reader.read(passage_texts(articles)).points
    vectors = replace(vectors, topics=np.zeros((len(articles), passages.shape[1] + 1), np.float32))
    if not texts:
        return Shelved(tuple(articles), vectors, untaught())
    questions = replace(reader.read(texts), embeddings=vectors.questions)
    retriever, signals = taught(articles, vectors, passages, questions, lines)
    if isinstance(joining, Asked):
        strange = retriever.signals(retriever.near(joining), joining.likely)
        joining = learnt(signals, articles_of(articles), strange)
    return Shelved(tuple(articles), retriever.vectors, joining)


def taught(
    articles: Sequence[Article], vectors: Vectors, passages: Floats, questions: Asked, lines: Lines
) -> tuple[Retriever, Floats]:
    """With lines as keys and a classifier of articles; and the signals of every question, each as if it were new.

    `passages` are the points of the articles' passages. A line goes to the best of the articles that its intent allows,
    if that one is probable enough. The questions are left out in turns, a third at a time: of the keys, of the
    labelling of lines, and of the classifier.
    """
    retriever = Retriever(articles, vectors, untaught())
    own = articles_of(articles)
    near = _near_anew(retriever, own, questions)
    signals = retriever.signals(near, questions.likely)
    fusion = learnt(signals, own, signals[:0], WITHOUT_TOPIC)
    labeller = _Labeller(retriever, fusion, lines, (passages, questions.points))
    for turn in range(min(_TURNS, len(own))):
        out = np.arange(len(own)) % _TURNS == turn
        signals[out] = _asked_anew(labeller.taught(out), near, questions, out)[out]
    return labeller.taught(np.zeros(len(own), bool)), signals


def _near_anew(retriever: Retriever, own: Integers, questions: Asked) -> Near:
    """Of every question of the articles, as if it were not among them."""
    rows, near = np.arange(len(own)), retriever.near(questions)
    np.fill_diagonal(near.questions, -1.0)
    pairs = list(zip(questions.texts, own.tolist(), strict=True))
    near.words[rows, own] = [retriever.lexical.words.share_without(*pair) for pair in pairs]
    near.pieces[rows, own] = [retriever.lexical.pieces.share_without(*pair) for pair in pairs]
    return near


def _asked_anew(retriever: Retriever, near: Near, questions: Asked, out: NDArray[np.bool_]) -> Floats:
    """The signals of every question, as if those that are `out` were not among the keys."""
    return retriever.signals(
        replace(
            near,
            questions=np.where(out, np.float32(-1), near.questions),
            lines=questions.embeddings @ retriever.vectors.lines.T,
            topics=topic_of(questions.points, retriever.vectors.topics),
        ),
        questions.likely,
    )


class _Labeller:
    def __init__(self, retriever: Retriever, fusion: Fusion, lines: Lines, points: tuple[Floats, Floats]) -> None:
        """`points`: of the passages and of the questions."""
        self._retriever, self._fusion, self._lines, self._points = retriever, fusion, lines, points
        self._near = retriever.near(lines.asked)
        self._allowed = np.array(
            [[intent in article.intents for article in retriever.articles] for intent in lines.intents], bool
        ).reshape(len(lines.intents), len(retriever.articles))

    def taught(self, out: NDArray[np.bool_]) -> Retriever:
        """A retriever that knows nothing of the questions that are `out`, but for the articles' words."""
        rows, labels = self._labelled(out)
        articles, (of_passages, of_questions) = self._retriever.articles, self._points
        inputs = np.concatenate([of_passages, of_questions[~out], self._lines.asked.points[rows]])
        passages = np.repeat(np.arange(len(articles)), [len(article.sections) for article in articles])
        classes = np.concatenate([passages, articles_of(articles)[~out], labels])
        weight, bias = logistic(torch.from_numpy(inputs), torch.from_numpy(classes), len(articles), _RIDGE)
        topics = np.column_stack([weight.numpy(), bias.numpy()]).astype(np.float32)
        keys = self._lines.asked.embeddings[rows]
        return self._retriever.knowing(
            replace(self._retriever.vectors, lines=keys, line_articles=labels, topics=topics)
        )

    def _labelled(self, out: NDArray[np.bool_]) -> tuple[Integers, Integers]:
        """The lines whose article is probable, and the articles."""
        if not self._lines.intents:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        questions = np.where(out, np.float32(-1), self._near.questions)
        nothing: list[dict[str, float]] = [{}] * len(self._lines.intents)
        signals = self._retriever.signals(replace(self._near, questions=questions), nothing)
        joined = np.where(self._allowed, self._fusion.joined(signals), -np.inf)
        raised = np.exp(joined - joined.max(1, keepdims=True))
        probable = np.flatnonzero(raised.max(1) / raised.sum(1) >= _PROBABLE)
        return probable, joined.argmax(1)[probable]


def articles_of(articles: Sequence[Article]) -> Integers:
    """Of every question its article's number."""
    return np.array([number for number, article in enumerate(articles) for _ in article.questions], np.int64)


def _vectors(folder: Path, device: torch.device, articles: Sequence[Article]) -> Vectors:
    of_passages, of_questions = _embedded(folder, device, articles, lambda _: None)
    near_any, no_lines = common(articles, of_passages, of_questions), of_questions[:0]
    return Vectors(of_passages, of_questions, near_any, no_lines, np.empty(0, np.int64), of_passages[:0])


def _embedded(
    folder: Path, device: torch.device, articles: Sequence[Article], tell: Callable[[int], None]
) -> tuple[Floats, Floats]:
    """Passages and questions, by sentence-transformers, which reads too far in a RoBERTa whose tokenizer's settings
    name no length. `tell` hears how many were read since it heard the last time."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    model = SentenceTransformer(str(folder), device=str(device))
    model.max_seq_length = min(model.max_seq_length or MAX_TOKENS, places(folder))
    passages = passage_texts(articles)
    texts = [*passages, *question_texts(articles)]
    found: list[Floats] = []
    for start in range(0, len(texts), _AT_ONCE):
        some = texts[start : start + _AT_ONCE]
        found += [*model.encode(some, batch_size=32, normalize_embeddings=True, show_progress_bar=False)]
        tell(len(some))
    of_passages, of_questions = np.split(np.asarray(found, np.float32), [len(passages)])
    return of_passages, of_questions
