"""Indexes the knowledge base, and chooses what the retriever may be sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from nlu.data.knowledge import Article
from nlu.engine.network import Network
from nlu.engine.torch_engine import TorchEngine
from nlu.intents import probabilities, ranking
from nlu.retriever import Retriever, Shelf, keys_of
from nlu.tokens import tokenize
from nlu.training.calibrate import HeldOut

Floats = NDArray[np.float32]
Chances = Sequence[Mapping[str, float]]
"""Per text, the probability of each intent."""

_WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
_ALL_SURE = 0.5
"""The threshold of a knowledge base whose articles have no questions to learn one from."""


@dataclass(frozen=True, slots=True)
class Shelved:
    shelf: Shelf
    vectors: Floats
    intent_weight: float
    sure: float


class QuestionReader:
    """The chances of each intent, for the questions of articles."""

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


def sentence_vectors(folder: Path, articles: Sequence[Article], device: torch.device) -> Floats:
    """A unit vector for every key of the articles, by sentence-transformers."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    model = SentenceTransformer(str(folder), device=str(device))
    texts = [key.text for key in keys_of(articles)]
    vectors = model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
    return np.asarray(vectors, np.float32)


def shelve(articles: Sequence[Article], vectors: Floats, reader: QuestionReader, held: HeldOut) -> Shelved:
    """Every question is asked as if it were no key itself; held-out outliers should find nothing."""
    shelf = Shelf(tuple(articles), tuple(keys_of(articles)))
    questions = [place for place, key in enumerate(shelf.keys) if key.passage < 0]
    if not questions:
        return Shelved(shelf, vectors, 0.0, _ALL_SURE)
    chances = reader.read([shelf.keys[place].text for place in questions])
    right = np.array([shelf.keys[place].article for place in questions])
    similar = vectors[questions] @ vectors.T
    similar[np.arange(len(questions)), questions] = -1.0
    tried = [_tried(Retriever(shelf, vectors, weight), similar, chances) for weight in _WEIGHTS]
    hits = [int((scores.argmax(1) == right).sum()) for scores in tried]
    best = int(np.argmax(hits))
    outside = ~held.known
    of_outliers = [reader.chances(row) for row in held.scores[outside]]
    strange = _tried(Retriever(shelf, vectors, _WEIGHTS[best]), held.embeddings[outside] @ vectors.T, of_outliers)
    return Shelved(shelf, vectors, _WEIGHTS[best], _sure(tried[best], right, strange))


def _tried(retriever: Retriever, similar: Floats, chances: Chances) -> Floats:
    rows = [retriever.scores(row, likely) for row, likely in zip(similar, chances, strict=True)]
    return np.stack(rows) if rows else np.empty((0, 1), np.float32)


def _sure(scores: Floats, right: NDArray[np.int64], strange: Floats) -> float:
    """Where right answers shown, less wrong answers shown, less answers to strangers (as many of them), is most."""
    best, correct = scores.max(1), scores.argmax(1) == right
    worth = len(best) / len(strange) if len(strange) else 0.0
    steps = np.linspace(0.35, 0.95, 61)
    gain = [
        (correct & (best >= step)).sum() - (~correct & (best >= step)).sum() - worth * (strange.max(1) >= step).sum()
        for step in steps
    ]
    return float(steps[int(np.argmax(gain))])
