"""Indexes a knowledge base that is too large to compare every question with every article."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nlu.data.article import Article
from nlu.large.catalogue import Catalogue
from nlu.large.keys import Keys
from nlu.large.postings import Postings
from nlu.large.retriever import USED, Wide
from nlu.retriever import SIGNALS, Asked, Fusion, document_texts
from nlu.training.fusion import learnt, untaught

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
LARGE = 20_000
"""Passages above which a knowledge base is one of these."""
_ASKED = 2_000
"""Questions that teach how signals are joined, and that an article is held against to see how common it is."""
_CLOSEST = 10
"""Questions that tell how close an article is to any question."""
_COMPARED = 32
"""Articles that a question is learnt with, its own among them."""


def catalogue(
    articles: Sequence[Article], passages: Floats, questions: Floats, tell: Callable[[int], None]
) -> Catalogue:
    """Of unit vectors. `tell` hears how many articles and vectors were read since it heard the last time."""
    postings = Postings.of(document_texts(articles), tell)
    keys = Keys.of(np.concatenate([passages, questions]), tell)
    return Catalogue(keys, common(articles, passages, questions[chosen(len(questions))]), postings)


def joined(articles: Sequence[Article], known: Catalogue, questions: Asked, rows: Integers, strange: Asked) -> Fusion:
    """How the signals of `questions` tell their articles: each as if it were new, though its key stands in `rows`."""
    if not questions.texts:
        return replace(untaught(), weights=_used(untaught().weights))
    wide = Wide(articles, known, untaught())
    anew = [_as_new(wide, questions, place, row) for place, row in enumerate(rows.tolist())]
    others = [_filled(wide.signals(*_seen(wide, strange, place))) for place in range(len(strange.texts))]
    none = np.empty((0, _COMPARED, len(SIGNALS)), np.float32)
    return learnt(np.stack(anew), np.zeros(len(anew), np.int64), np.stack(others) if others else none, USED)


def chosen(count: int) -> Integers:
    """Of so many questions those that teach."""
    return np.linspace(0, count - 1, min(_ASKED, count)).astype(np.int64)


def _as_new(wide: Wide, questions: Asked, place: int, row: int) -> Floats:
    """Its own article comes first."""
    text, vector, likely = questions.texts[place], questions.embeddings[place], questions.likely[place]
    own = wide.owners(np.array([row]))
    (whole,) = document_texts([wide.articles[int(own[0])]])
    others = np.setdiff1d(wide.candidates(text, vector, row), own)
    numbers = np.concatenate([own, others])
    order = np.argsort(numbers)
    signals = np.empty((len(numbers), len(SIGNALS)), np.float32)
    signals[order] = wide.signals(numbers[order], text, vector, likely, row)
    signals[0, SIGNALS.index("words")] = wide.vectors.postings.share_without(text, whole)
    return _filled(signals)


def _seen(wide: Wide, asked: Asked, place: int) -> tuple[Integers, str, Floats, dict[str, float]]:
    text, vector = asked.texts[place], asked.embeddings[place]
    return wide.candidates(text, vector), text, vector, dict(asked.likely[place])


def _filled(signals: Floats) -> Floats:
    """The first, and of the others those that seem closest; made up to one number with what is as far as can be."""
    meaning = signals[1:, : SIGNALS.index("common")].max(1) + signals[1:, SIGNALS.index("words")]
    kept = np.concatenate([signals[:1], signals[1:][np.argsort(-meaning)[: _COMPARED - 1]]])
    far = np.zeros((_COMPARED - len(kept), len(SIGNALS)), np.float32)
    far[:, : SIGNALS.index("common")] = -1
    return np.concatenate([kept, far])


def _used(weights: Floats) -> Floats:
    return np.where([name in USED for name in SIGNALS], weights, 0).astype(np.float32)


def common(articles: Sequence[Article], passages: Floats, questions: Floats) -> Floats:
    """Per article the mean similarity of the questions closest to it."""
    found, start = np.zeros(len(articles), np.float32), 0
    for number, article in enumerate(articles):
        end = start + len(article.sections)
        closest = (passages[start:end] @ questions.T).max(0)
        found[number] = np.sort(closest)[::-1][:_CLOSEST].mean() if len(closest) else 0.0
        start = end
    return found
