"""The review queue of a running service: made from time to time, beside the turns, and shared by all reviewers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.config import Settings
from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Reviewed, Utterance
from bot.learning.deciding import BadDecision, reviews
from bot.learning.looking import Looks
from bot.learning.opinions import Opinions, asked_again, disputes_of, opinions
from bot.learning.queue import Group, Queue, known_to, shared_queue, words_on
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper

if TYPE_CHECKING:
    from nlu.understand import Model

FRESH_SECONDS = 300.0
NEWEST = 1000
"""Open utterances that are looked at: fewer than in the terminal, because turns wait for the same processor."""
ELSEWHERE = (
    "The questions are made with the model, and that is a service of its own here. "
    "Review on its machine: frontdesk review."
)


def named_of(given: Sequence[Reviewed], kind: Kind) -> set[str]:
    """Intents or articles that reviewers named, whether the model knows them or not."""
    return {one.review.label for one in given if one.review.kind is kind and one.review.label}


def articles_of(model: Model) -> set[str]:
    return {article.id for article in model.retriever.articles} if model.retriever else set()


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
    _looks: Looks = field(default_factory=Looks)
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def missing(self) -> str:
        """Why nothing can be asked, in a sentence; empty if it can."""
        return ELSEWHERE if self.settings.model_url and self.model() is None else ""

    async def open_to(self, reviewer: str) -> Queue:
        """What to ask now."""
        async with self._making:
            left = await self._left(reviewer)
            if self.clock() - self._made > FRESH_SECONDS or not left.items:
                await self._make()
                left = await self._left(reviewer)
        return left

    async def _left(self, reviewer: str) -> Queue:
        return self.queue.still(reviewer, await self._words_on([item.number for item in self.queue.items]))

    async def _words_on(self, ids: Sequence[int]) -> Mapping[int, Opinions]:
        return await words_on(self.journal, ids, self.settings.second_opinion)

    async def opinions(self) -> list[Opinions]:
        """Empty where no second opinions are asked for."""
        share = self.settings.second_opinion
        return opinions(await self.journal.opinions(), share) if share else []

    async def concede(self, number: int | None, other: str, reviewer: str) -> None:
        """Says of a disputed utterance what somebody else said. Raises BadDecision if it is disputed no longer."""
        found = next((one for one in disputes_of(await self.opinions(), reviewer) if one.utterance.id == number), None)
        word = next((one for one in found.standing if one.reviewer == other), None) if found else None
        if found is None or word is None:
            raise BadDecision("This is settled, or somebody changed it meanwhile.")
        await self.journal.decide([Review(found.utterance.id, word.kind, word.label, reviewer)])

    async def decide(
        self, group: Group, kind: Kind, label: str | None, reviewer: str, *, first_only: bool
    ) -> Sequence[Review]:
        """What was decided: nothing on what somebody else has settled meanwhile. Raises BadDecision."""
        model = self.model()
        meant = group.ids[:1] if first_only else group.meant(label, model.manifest.intents if model else ())
        given = reviews(meant, kind, label, reviewer)
        async with self._deciding:
            words = await self._words_on(meant)
            left = [one for one in given if (said := words.get(one.utterance_id)) and said.asks(reviewer)]
            await self.journal.decide(left)
        return left

    async def undo(self, reviewer: str) -> int | None:
        """Returns the number of an utterance that is open again."""
        ids = await self.journal.undo(reviewer)
        if not any(item.number in ids for item in self.queue.items):
            self._made = float("-inf")
        return ids[0] if ids else None

    async def _make(self) -> None:
        model = self.model()
        if model is None:
            return
        await Collection(self.journal, Keeper.of(self.settings)).collect()
        utterances = await self.journal.unreviewed(NEWEST)
        again = asked_again(await self.opinions())
        self.queue = await asyncio.to_thread(self._queue, utterances, again, model)
        given = await self.journal.reviewed()
        self.intents = sorted({*model.manifest.intents, *named_of(given, Kind.INTENT)})
        self.articles = sorted({*articles_of(model), *named_of(given, Kind.ARTICLE)})
        self._made = self.clock()

    def _queue(
        self, utterances: Sequence[Utterance], again: Mapping[frozenset[str], Sequence[Utterance]], model: Model
    ) -> Queue:
        queue = shared_queue(utterances, again, model, known_to(model, self.settings), self._looks)
        self._looks.forget_all_but({one.text for item in queue.items for one in item.utterances})
        return queue
