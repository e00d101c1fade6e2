"""Indexes the knowledge base, and chooses what the retriever may be sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlu.data.article import Article
from nlu.engine.network import Network
from nlu.engine.torch_engine import TorchEngine
from nlu.intents import probabilities, ranking
from nlu.retriever import Fusion, Near, Retriever, Vectors, passage_texts, question_texts
from nlu.tokens import tokenize
from nlu.training.fusion import learnt, untaught

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Chances = Sequence[Mapping[str, float]]
"""Per text, the probability of each intent."""

_SURE = 0.5
"""More likely right than wrong."""
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

    def __init__(
        self, network: Network, tokenizer: Tokenizer, device: torch.device, names: tuple[str, ...], temperature: float
    ) -> None:
        self._engine = TorchEngine(network, device)
        self._tokenizer = tokenizer
        self._names = names
        self._temperature = temperature

    def read(self, texts: Sequence[str]) -> Chances:
        signals = self._engine.run([tokens.ids for tokens in tokenize(self._tokenizer, texts)])
        return [self.chances(one.intents) for one in signals]

    def chances(self, scores: Floats) -> dict[str, float]:
        ranked = ranking(self._names, probabilities(scores, self._temperature))
        return {intent.name: intent.confidence for intent in ranked}


@dataclass(frozen=True, slots=True)
class Strangers:
    """Out-of-scope texts, which should find nothing."""

    texts: Sequence[str]
    embeddings: Floats
    chances: Chances


def shelve(
    articles: Sequence[Article], folder: Path, device: torch.device, reader: QuestionReader, strangers: Strangers
) -> Shelved:
    """Embeds the articles with the base model in `folder`, and asks every question as if it were no key itself."""
    vectors = _vectors(folder, device, articles)
    texts = question_texts(articles)
    fusion = untaught()
    if texts:
        retriever = Retriever(articles, vectors, fusion)
        strange = retriever.signals(retriever.near(strangers.texts, strangers.embeddings), strangers.chances)
        fusion = learnt(asked_anew(retriever, reader.read(texts)), articles_of(articles), strange)
    return Shelved(tuple(articles), vectors, fusion, _SURE)


def asked_anew(retriever: Retriever, likely: Chances) -> Floats:
    """The signals of every question of the articles, each as if it were not among them."""
    texts = question_texts(retriever.articles)
    near = retriever.near(texts, retriever.vectors.questions)
    rows, own = np.arange(len(texts)), articles_of(retriever.articles)
    questions, words, pieces = near.questions.copy(), near.words.copy(), near.pieces.copy()
    questions[rows, rows] = -1.0
    words[rows, own] = [retriever.words.share_without(*pair) for pair in zip(texts, own.tolist(), strict=True)]
    pieces[rows, own] = [retriever.pieces.share_without(*pair) for pair in zip(texts, own.tolist(), strict=True)]
    return retriever.signals(Near(near.passages, questions, words, pieces), likely)


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
    return Vectors(of_passages, of_questions, _common(articles, of_passages, of_questions))


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
