"""The review queue of a running service: made from time to time, beside the turns, and shared by all reviewers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.config import Settings
from bot.journal.journal import Journal
from bot.journal.values import Kind, Utterance
from bot.learning.deciding import reviews
from bot.learning.queue import Item, Queue, known_to, queue_of
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper

if TYPE_CHECKING:
    from nlu.understand import Model

FRESH_SECONDS = 300.0
NEWEST = 1000
"""Open utterances that are looked at: fewer than in the terminal, because turns wait for the same processor."""


@dataclass(slots=True)
class LiveQueue:
    journal: Journal
    settings: Settings
    model: Callable[[], Model | None]
    clock: Callable[[], float] = time.monotonic
    queue: Queue = field(default_factory=Queue)
    intents: Sequence[str] = ()
    articles: Sequence[str] = ()
    _made: float = float("-inf")
    _gone: set[int] = field(default_factory=set)
    """Utterances decided since then."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def next(self, later: set[int], wanted: int | None = None) -> Item | None:
        """What to ask now: the item of that number, else the first without those put off (`later`)."""
        async with self._making:
            if self.clock() - self._made > FRESH_SECONDS or not self._open(set()):
                await self._make()
        return (self.find(wanted) if wanted is not None else None) or next(iter(self._open(later)), None)

    def find(self, number: int) -> Item | None:
        """The item of that number, if it is still open."""
        return next((item for item in self._open(set()) if item.number == number), None)

    def waiting(self, later: set[int]) -> int:
        return len(self._open(later))

    async def decide(self, item: Item, kind: Kind, label: str | None, reviewer: str, *, first_only: bool) -> None:
        """Raises BadDecision."""
        members = item.utterances[:1] if first_only else item.meant(label)
        given = reviews([one.id for one in members], kind, label, reviewer)
        await self.journal.decide(given)
        self._gone.update(review.utterance_id for review in given)

    async def undo(self, reviewer: str) -> int | None:
        """Returns the number of the item that is open again."""
        ids = await self.journal.undo(reviewer)
        self._gone.difference_update(ids)
        return ids[0] if ids else None

    def _open(self, later: set[int]) -> list[Item]:
        return [item for item in self.queue.items if item.number not in later and item.number not in self._gone]

    async def _make(self) -> None:
        model = self.model()
        if model is None:
            return
        await Collection(self.journal, Keeper.of(self.settings)).collect()
        utterances = await self.journal.unreviewed(NEWEST)
        self.queue = await asyncio.to_thread(self._queue, utterances, model)
        named = {one.review.label for one in await self.journal.reviewed() if one.review.kind is Kind.INTENT}
        self.intents = sorted({*model.manifest.intents, *(name for name in named if name)})
        self.articles = sorted({article.id for article in model.retriever.articles}) if model.retriever else ()
        self._made, self._gone = self.clock(), set()

    def _queue(self, utterances: Sequence[Utterance], model: Model) -> Queue:
        return queue_of(utterances, model, known_to(model, self.settings))
