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
from nlu.retriever import Retriever, Vectors, passage_texts, question_texts
from nlu.tokens import tokenize

Floats = NDArray[np.float32]
Chances = Sequence[Mapping[str, float]]
"""Per text, the probability of each intent."""

_INTENT_WEIGHTS = (0.0, 0.05, 0.1, 0.15)
_STEPS = np.linspace(0.35, 0.95, 61)
_UNTRIED = 0.5
"""The threshold of a knowledge base whose articles have no questions to learn one from."""


@dataclass(frozen=True, slots=True)
class Shelved:
    articles: tuple[Article, ...]
    vectors: Vectors
    intent_weight: float
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

    embeddings: Floats
    chances: Chances


def shelve(
    articles: Sequence[Article], folder: Path, device: torch.device, reader: QuestionReader, strangers: Strangers
) -> Shelved:
    """Embeds the articles with the base model in `folder`, and asks every question as if it were no key itself."""
    vectors = _vectors(folder, device, articles)
    texts = question_texts(articles)
    if not texts:
        return Shelved(tuple(articles), vectors, 0.0, _UNTRIED)
    right = np.array([number for number, article in enumerate(articles) for _ in article.questions])
    to_questions = vectors.questions @ vectors.questions.T
    np.fill_diagonal(to_questions, -1.0)
    retriever = Retriever(articles, vectors, 0.0)
    meaning = retriever.meaning(vectors.questions @ vectors.passages.T, to_questions)
    about = retriever.about(reader.read(texts))
    tried = [meaning + weight * about for weight in _INTENT_WEIGHTS]
    best = int(np.argmax([(scores.argmax(1) == right).sum() for scores in tried]))
    weight = _INTENT_WEIGHTS[best]
    strange = _of_strangers(retriever, vectors, strangers, weight)
    return Shelved(tuple(articles), vectors, weight, _sure(tried[best], right, strange))


def _of_strangers(retriever: Retriever, vectors: Vectors, strangers: Strangers, weight: float) -> Floats:
    """Their highest scores."""
    if not len(strangers.embeddings):
        return np.empty(0, np.float32)
    texts = strangers.embeddings
    scores = retriever.meaning(texts @ vectors.passages.T, texts @ vectors.questions.T)
    highest: Floats = (scores + weight * retriever.about(strangers.chances)).max(1)
    return highest


def _vectors(folder: Path, device: torch.device, articles: Sequence[Article]) -> Vectors:
    """By sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    model = SentenceTransformer(str(folder), device=str(device))
    passages = passage_texts(articles)
    texts = [*passages, *question_texts(articles)]
    found = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return Vectors(*np.split(np.asarray(found, np.float32), [len(passages)]))


def _sure(scores: Floats, right: NDArray[np.int64], strange: Floats) -> float:
    """Where right answers shown, less wrong answers shown, less answers to strangers (as many of them), is most."""
    best, correct = scores.max(1), scores.argmax(1) == right
    worth = len(best) / len(strange) if len(strange) else 0.0
    gain = [
        (correct & (best >= step)).sum() - (~correct & (best >= step)).sum() - worth * (strange >= step).sum()
        for step in _STEPS
    ]
    return float(_STEPS[int(np.argmax(gain))])
