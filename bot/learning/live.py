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
from bot.learning.opinions import Opinions, asked_again, disputes_of, opinions
from bot.learning.queue import Item, Queue, known_to, shared_queue
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
    _gone: set[int] = field(default_factory=set)
    """Utterances decided since then."""
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def missing(self) -> str:
        """Why nothing can be asked, in a sentence; empty if it can."""
        return ELSEWHERE if self.settings.model_url and self.model() is None else ""

    async def next(self, reviewer: str, later: set[int], wanted: int | None = None) -> Item | None:
        """What to ask now: the item of that number, else the first without those put off (`later`)."""
        async with self._making:
            if self.clock() - self._made > FRESH_SECONDS or not self._open(reviewer, set()):
                await self._make()
        return (self.find(reviewer, wanted) if wanted is not None else None) or next(
            iter(self._open(reviewer, later)), None
        )

    def find(self, reviewer: str, number: int) -> Item | None:
        """The item of that number, if it is still open to the reviewer."""
        return next((item for item in self._open(reviewer, set()) if item.number == number), None)

    def waiting(self, reviewer: str, later: set[int]) -> int:
        return len(self._open(reviewer, later))

    async def opinions(self) -> list[Opinions]:
        """Empty where no second opinions are asked for."""
        share = self.settings.second_opinion
        return opinions(await self.journal.opinions(), share) if share else []

    async def concede(self, number: int, other: str, reviewer: str) -> None:
        """Says of a disputed utterance what somebody else said. Raises BadDecision if it is disputed no longer."""
        found = next((one for one in disputes_of(await self.opinions(), reviewer) if one.utterance.id == number), None)
        word = next((one for one in found.standing if one.reviewer == other), None) if found else None
        if word is None:
            raise BadDecision("This is settled, or somebody changed it meanwhile.")
        await self.journal.decide([Review(number, word.kind, word.label, reviewer)])

    async def decide(
        self, item: Item, kind: Kind, label: str | None, reviewer: str, *, first_only: bool
    ) -> Sequence[Review]:
        """What was decided. Raises BadDecision."""
        members = item.utterances[:1] if first_only else item.meant(label)
        given = reviews([one.id for one in members], kind, label, reviewer)
        await self.journal.decide(given)
        self._gone.update(review.utterance_id for review in given)
        return given

    async def undo(self, reviewer: str) -> int | None:
        """Returns the number of the item that is open again."""
        ids = await self.journal.undo(reviewer)
        self._gone.difference_update(ids)
        return ids[0] if ids else None

    def _open(self, reviewer: str, later: set[int]) -> list[Item]:
        items = self.queue.of(reviewer).items
        return [item for item in items if item.number not in later and item.number not in self._gone]

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
        self._made, self._gone = self.clock(), set()

    def _queue(
        self, utterances: Sequence[Utterance], again: Mapping[frozenset[str], Sequence[Utterance]], model: Model
    ) -> Queue:
        return shared_queue(utterances, again, model, known_to(model, self.settings))
