"""A trained model: texts in, understandings out."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.cuts import Cut, cuts
from nlu.data.examples import OUTLIER
from nlu.engine.batcher import Batcher
from nlu.engine.signals import Engine, Signals
from nlu.entities import EntityReader
from nlu.families import Families
from nlu.intents import Judge, Thresholds, doubted, probabilities, ranking, rankings, response_keys, verdict
from nlu.languages import Languages
from nlu.large.retriever import Wide
from nlu.manifest import Manifest
from nlu.negation import Negation
from nlu.remembered import CERTAINTY, UNKNOWN, Remembered
from nlu.requests import Readings, may_be_two
from nlu.retriever import Asked, Retriever
from nlu.scope import Scope
from nlu.tokens import TextReader, Tokens
from nlu.types import Intent, Passage, Query, Request, Understanding, Verdict

Floats = NDArray[np.float32]
LARGEST_BATCH = 64
CAPACITY = 4096
"""Texts that may wait; a longer queue would be answered too late anyway."""
MANY = 512
"""Texts whose tokens' states are held at once: of thousands they would take gigabytes."""


@dataclass(frozen=True, slots=True)
class _Read:
    """What the network says of one text."""

    text: str
    tokens: Tokens
    signals: Signals
    likely: Floats
    """Per trained intent."""
    ranked: tuple[Intent, ...]
    scope: float
    decided: Verdict
    offered: tuple[Intent, ...]

    def surely(self, intents: frozenset[str]) -> bool:
        return self.decided is Verdict.SURE and self.ranked[0].name in intents


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two requests of one text."""

    cut: Cut
    factors: tuple[Floats, Floats]
    """What the intents' probabilities of each part are to be multiplied with."""


@dataclass(frozen=True, slots=True)
class Insight:
    """What a model sees in n texts, for whoever wants to know where it is unsure. All are n rows."""

    points: Floats
    """Unit vectors, as the fine-tuned network sees the texts."""
    embeddings: Floats
    """The same of the frozen one."""
    likely: Floats
    """Calibrated probability of every trained intent."""
    frozen: Floats
    """The same as the head said before the network was tuned."""
    scope: Floats
    """How surely they are in scope, 0 to 1."""
    nearest: Floats
    """Cosine similarity of the closest training example."""

    @property
    def together(self) -> Floats:
        """Unit vectors of both: who is close in both asks the same more often than who is close in one."""
        return np.concatenate([self.points, self.embeddings], 1) * np.float32(0.5**0.5)


@dataclass(frozen=True, slots=True)
class Model:
    manifest: Manifest
    reader: TextReader
    engine: Engine
    thresholds: Thresholds
    judge: Judge
    remembered: Remembered
    scope: Scope
    entities: EntityReader
    retriever: Retriever | Wide | None
    families: Families
    negation: Negation
    languages: Languages

    @property
    def id(self) -> str:
        return self.manifest.id

    def understand_now(self, texts: Sequence[str]) -> list[Understanding]:
        """One understanding per text, in order; never raises on a text's content."""
        return self.answers([Query(text) for text in texts])

    def answers(self, queries: Sequence[Query]) -> list[Understanding]:
        """The same, with passages where they may be needed."""
        return [one for start in range(0, len(queries), MANY) for one in self._answers(queries[start : start + MANY])]

    def _answers(self, queries: Sequence[Query]) -> list[Understanding]:
        read = self._read([query.text for query in queries])
        searched = [one for one, query in zip(read, queries, strict=True) if not one.surely(query.without_articles)]
        return self._with_requests(read, self._understood(read, searched))

    def understand_whole(self, texts: Sequence[str]) -> list[Understanding]:
        """The same, but nobody looks whether a text makes several requests."""
        read = self._read(texts)
        return self._understood(read, read)

    def insight(self, texts: Sequence[str]) -> Insight:
        """What the network sees in the texts, each as one request."""
        signals = self.seen([tokens.ids for tokens in self.reader.read(texts)])
        scores, start, points, embeddings = (
            np.stack([getattr(one, name) for one in signals]) for name in ("intents", "start", "point", "embedding")
        )
        likely, in_scope = self.judge.likely(scores, start, points), self.scope.score(embeddings, scores)
        self._remember(texts, likely, in_scope)
        frozen = probabilities(start, self.judge.temperature)
        return Insight(points, embeddings, likely, frozen, in_scope, self.judge.near.closest(points).max(1))

    def seen(self, rows: Sequence[list[int]]) -> list[Signals]:
        """What the network says of any number of rows of token ids, each as a whole: of parts it cannot be asked."""
        slices = (rows[start : start + MANY] for start in range(0, len(rows), MANY))
        return [replace(one, within=None) for some in slices for one in self.engine.run(some)]

    def likely(self, signals: Sequence[Signals]) -> Floats:
        """Calibrated probabilities, n x trained intents, by the network alone: examples are not remembered."""
        scores, start, points = (
            np.stack([getattr(one, name) for one in signals]) for name in ("intents", "start", "point")
        )
        return self.judge.likely(scores, start, points)

    def _read(self, texts: Sequence[str]) -> list[_Read]:
        if not texts:
            return []
        split = self.reader.read(texts)
        signals = self.engine.run([tokens.ids for tokens in split])
        likely = self.likely(signals)
        scores, embeddings = (np.stack([getattr(one, name) for one in signals]) for name in ("intents", "embedding"))
        in_scope = self.scope.score(embeddings, scores)
        self._remember(texts, likely, in_scope)
        seen = zip(texts, split, signals, strict=True)
        means = zip(likely, rankings(self.families, likely), in_scope.tolist(), strict=True)
        return [
            self._judged(*of_text, likely=row, ranked=ranked, scope=scope)
            for of_text, (row, ranked, scope) in zip(seen, means, strict=True)
        ]

    def _remember(self, texts: Sequence[str], likely: Floats, in_scope: Floats | None = None) -> None:
        """Changes what is thought of texts that are examples word for word."""
        for row, number in enumerate(map(self.remembered.find, texts)):
            if in_scope is not None and number != UNKNOWN:
                in_scope[row] = float(number != OUTLIER)
            if number >= 0:
                likely[row] *= 1 - CERTAINTY
                likely[row, number] += CERTAINTY

    def _judged(
        self, text: str, tokens: Tokens, signals: Signals, *, likely: Floats, ranked: tuple[Intent, ...], scope: float
    ) -> _Read:
        scope = scope if tokens.words else 0.0
        decided, offered = verdict(ranked, scope, self.thresholds)
        if decided is Verdict.SURE and self.negation.takes_back(text, ranked[0].name):
            decided, offered = Verdict.AMBIGUOUS, doubted(ranked)
        return _Read(text, tokens, signals, likely, ranked, scope, decided, offered)

    def _understood(self, read: Sequence[_Read], searched: Sequence[_Read]) -> list[Understanding]:
        """`searched`: those of them for which passages are looked for."""
        found = dict(zip(map(id, searched), self._passages(searched), strict=True))
        return [self._understanding(one, found.get(id(one))) for one in read]

    def _passages(self, read: Sequence[_Read]) -> list[tuple[Passage, ...]]:
        if self.retriever is None or not read:
            return [()] * len(read)
        embeddings, points = (np.stack([getattr(one.signals, name) for one in read]) for name in ("embedding", "point"))
        chances = [{intent.name: intent.confidence for intent in one.ranked} for one in read]
        asked = Asked([one.tokens.text for one in read], embeddings, points, chances)
        return self.retriever.find(asked, self.thresholds.knowledge)

    def _understanding(self, read: _Read, passages: tuple[Passage, ...] | None) -> Understanding:
        return Understanding(
            text=read.text,
            intent=read.ranked[0],
            ranking=read.ranked,
            verdict=read.decided,
            candidates=read.offered,
            entities=self.entities.read(read.text, read.tokens.words, read.signals.tags, read.tokens.read),
            passages=passages if passages and read.tokens.words else (),
            searched=passages is not None,
            scope=read.scope,
            language=self.languages.other(read.text) if read.decided is Verdict.UNSURE else "",
            corrected=read.tokens.shown(read.text),
            model=self.id,
            metadata=self._metadata(read),
        )

    def _metadata(self, read: _Read) -> dict[str, Any]:
        name = read.ranked[0].name
        return response_keys(self.manifest.intents, read.likely, name) if name in self.families.parted else {}

    def _with_requests(self, read: Sequence[_Read], found: Sequence[Understanding]) -> list[Understanding]:
        """Those that make several requests, with them; their parts share passes, too."""
        tried = [self._cuts(*of_text) for of_text in zip(read, found, strict=True)]
        parts = [
            part for one, of_text in zip(read, tried, strict=True) for cut in of_text for part in cut.texts(one.text)
        ]
        halves = iter(self._glanced(parts))
        chosen = [
            self._chosen(one, of_text, [next(halves) for _ in range(2 * len(of_text))]) if of_text else None
            for one, of_text in zip(read, tried, strict=True)
        ]
        several = [(number, pair) for number, pair in enumerate(chosen) if pair is not None]
        whole = list(found)
        again = iter(self._read([text for number, pair in several for text in pair.cut.texts(read[number].text)]))
        for number, pair in several:
            whole[number] = self._split(found[number], pair, (next(again), next(again)))
        return whole

    def _cuts(self, read: _Read, found: Understanding) -> Sequence[Cut]:
        """Those whose parts may be requests of their own, as far as the whole text tells."""
        if len(self.families.names) < 2:
            return ()
        tried = cuts(read.text, found.entities, read.decided is not Verdict.SURE)
        spans = {cut: [read.tokens.within(part.start, part.end) for part in (cut.first, cut.second)] for cut in tried}
        seen = [cut for cut in tried if all(span.start < span.stop for span in spans[cut])]
        if not seen or read.signals.within is None:
            return tried
        likely = probabilities(read.signals.within([span for cut in seen for span in spans[cut]]), 1.0)
        worth = Readings.of(read.text, seen, self.families, [read.likely, *likely]).promising()
        dull = {cut for cut, promising in zip(seen, worth.tolist(), strict=True) if not promising}
        return [cut for cut in tried if cut not in dull]

    def _glanced(self, texts: Sequence[str]) -> Floats:
        """Probabilities, n x trained intents, by the tuned branch alone."""
        if not texts:
            return np.empty((0, len(self.judge.names)), np.float32)
        split = self.reader.read(texts)
        seen = self.engine.glance([tokens.ids for tokens in split])
        scores, points = (np.stack([getattr(one, name) for one in seen]) for name in ("intents", "point"))
        likely = self.judge.glanced(scores, points)
        self._remember(texts, likely)
        return likely

    def _chosen(self, read: _Read, tried: Sequence[Cut], halves: Sequence[Floats]) -> _Pair | None:
        """`halves`: what the two parts of each cut may mean, in turn."""
        best = Readings.of(read.text, tried, self.families, [read.likely, *halves]).best()
        return None if best is None else _Pair(tried[best[0]], best[1:])

    def _split(self, found: Understanding, pair: _Pair, halves: tuple[_Read, _Read]) -> Understanding:
        """Whole it stays where its parts, read in full, are no two requests after all."""
        weighed = [self._weighed(*half) for half in zip(halves, pair.factors, strict=True)]
        if not may_be_two(*(half.ranked[0].name for half in weighed)):
            return found
        meant = zip(pair.cut.starts, self._understood(weighed, weighed), strict=True)
        return replace(found, requests=tuple(Request.within(found, *half) for half in meant))

    def _weighed(self, read: _Read, factors: Floats) -> _Read:
        likely = read.likely * factors.astype(np.float32)
        likely /= likely.sum()
        ranked = ranking(self.families, likely)
        return self._judged(read.text, read.tokens, read.signals, likely=likely, ranked=ranked, scope=read.scope)


class Service:
    """The model behind a batcher: nlu.types.Understander."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.batcher = Batcher(self._answers, LARGEST_BATCH, CAPACITY, model.engine.callers)

    @property
    def model(self) -> str:
        return self._model.id

    @property
    def now(self) -> Model:
        """The one that the next batch is understood with."""
        return self._model

    def use(self, model: Model) -> None:
        """From the next batch on; what is being understood just now ends with the model it began with."""
        self._model = model

    def _answers(self, queries: Sequence[Query]) -> list[Understanding]:
        return self._model.answers(queries)

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        """Raises only Overloaded."""
        return await self.answer([Query(text, without_articles) for text in texts])

    async def answer(self, queries: Sequence[Query], until: float = math.inf) -> list[Understanding]:
        """Raises only Overloaded, and Late for what cannot be understood by `until` on the event loop's clock."""
        return await self.batcher.submit(queries, until)


@asynccontextmanager
async def serve(model: Model) -> AsyncIterator[Service]:
    """Messages of all conversations share the model's batches while the context is open."""
    service = Service(model)
    del model  # the first one goes, too, when another takes its place
    async with service.batcher:
        yield service
