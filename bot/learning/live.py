"""The review queue of a running service: made from time to time, beside the turns, and shared by all reviewers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

from bot.config import Settings
from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Reviewed, Utterance
from bot.learning.deciding import BadDecision, reviews
from bot.learning.looking import Looks, Tell
from bot.learning.opinions import Opinions, asked_again, disputes_of, opinions
from bot.learning.queue import EXAMPLES, SAID, Group, Queue, known_to, shared_queue, words_on
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper

if TYPE_CHECKING:
    from nlu.understand import Model

FRESH_SECONDS = 300.0
BEGUN = "The questions are being made."
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
    reading: str = BEGUN
    """How far the making of the questions is, in a sentence."""
    _made: float = float("-inf")
    _looks: Looks = field(default_factory=Looks)
    _making: asyncio.Task[None] | None = None
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._making is not None:
            self._making.cancel()
            await asyncio.wait([self._making])

    @property
    def missing(self) -> str:
        """Why nothing can be asked, in a sentence; empty if it can."""
        return ELSEWHERE if self.settings.model_url and self.model() is None else ""

    async def open_to(self, reviewer: str, patience: float | None = None) -> Queue | None:
        """What to ask now; None if the questions are still being made after so many seconds: that goes on."""
        left = await self._left(reviewer)
        if left.items and self.clock() - self._made <= FRESH_SECONDS:
            return left
        if self._making is None or self._making.done():
            self.reading = BEGUN
            self._making = asyncio.create_task(self._make(), name="review queue")
        making = self._making
        await asyncio.wait([making], timeout=patience)
        if not making.done():
            return None
        making.result()
        return await self._left(reviewer)

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
        known = known_to(model, self.settings, self._telling(EXAMPLES))
        queue = shared_queue(utterances, again, model, known, partial(self._looks, tell=self._telling(SAID)))
        self._looks.forget_all_but({one.text for item in queue.items for one in item.utterances})
        return queue

    def _telling(self, what: str) -> Tell:
        def tell(done: int, of: int) -> None:
            self.reading = f"The model reads {what}: {done:,} of {of:,}."

        return tell
