"""Indexes the knowledge base, and chooses what the retriever may be sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nlu.data.knowledge import Article
from nlu.retriever import Retriever, Shelf, keys_of

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


def shelf_of(articles: Sequence[Article]) -> Shelf:
    return Shelf(tuple(articles), tuple(keys_of(articles)))


def shelve(shelf: Shelf, vectors: Floats, chances: Chances, outliers: tuple[Floats, Chances]) -> Shelved:
    """`chances` are those of the questions among the keys; `outliers` are vectors and chances of out-of-scope texts."""
    questions = [place for place, key in enumerate(shelf.keys) if key.passage < 0]
    if not questions:
        return Shelved(shelf, vectors, 0.0, _ALL_SURE)
    right = np.array([shelf.keys[place].article for place in questions])
    similar = vectors[questions] @ vectors.T
    similar[np.arange(len(questions)), questions] = -1.0  # each question is asked as if it were not a key itself
    tried = [_tried(Retriever(shelf, vectors, weight), similar, chances) for weight in _WEIGHTS]
    hits = [int((scores.argmax(1) == right).sum()) for scores in tried]
    best = int(np.argmax(hits))
    strange = _tried(Retriever(shelf, vectors, _WEIGHTS[best]), outliers[0] @ vectors.T, outliers[1])
    return Shelved(shelf, vectors, _WEIGHTS[best], _sure(tried[best], right, strange))


def _tried(retriever: Retriever, similar: Floats, chances: Chances) -> Floats:
    rows = [retriever.scores(row, likely) for row, likely in zip(similar, chances, strict=True)]
    return np.stack(rows) if rows else np.empty((0, 1), np.float32)


def _sure(scores: Floats, right: NDArray[np.int64], strange: Floats) -> float:
    """Where right answers shown, less wrong answers shown, less answers to strangers (as many of them), is most."""
    best, correct = scores.max(1), scores.argmax(1) == right
    worth = len(best) / len(strange) if len(strange) else 0.0
    steps = np.linspace(0.2, 0.95, 76)
    gain = [
        (correct & (best >= step)).sum() - (~correct & (best >= step)).sum() - worth * (strange.max(1) >= step).sum()
        for step in steps
    ]
    return float(steps[int(np.argmax(gain))])
