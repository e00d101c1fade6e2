"""Who follows which conversation on this server: wakes them when it has grown."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bot.messages import Entry

Signal = dict[str, Any]
"""A passing fact that no log keeps: typing, an acknowledgement, who owns the conversation."""

_KEPT_SIGNALS = 256
_KEPT_ENTRIES = 32
"""For a follower that does not look; it reads what is more than that in the journal."""


class TooSlow(Exception):
    """The follower does not read; close it and let it come back, the journal has everything."""


@dataclass(slots=True)
class News:
    """What came since the follower looked last."""

    signals: list[Signal] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    """Committed on this server. They may lack what other servers wrote: the numbers tell."""
    grown: bool = False
    """There may be more in the journal than `entries`."""
    answered: int = 0
    """The last message that has had its turn on this server."""


@dataclass(slots=True, eq=False)
class Follower:
    """One pair of eyes on one conversation."""

    news: News = field(default_factory=lambda: News(grown=True))
    seen: int = 0
    """Number of the last entry that it was given."""
    queued: bool = False
    """Its customer waits for a person, and wants to know when the queue moves."""
    _woken: bool = False
    _waiter: asyncio.Future[None] | None = None
    """Only while it waits: most followers are idle, and an Event is the largest part of one."""

    def grew(self, entries: Sequence[Entry] = (), answered: int = 0) -> None:
        news = self.news
        news.grown = news.grown or not (entries or answered)
        news.answered = max(news.answered, answered)
        news.entries += entries
        if len(news.entries) > _KEPT_ENTRIES:
            news.entries, news.grown = [], True
        self._wake()

    def tell(self, signal: Signal) -> None:
        if len(self.news.signals) <= _KEPT_SIGNALS:  # one too many marks the follower as too slow
            self.news.signals.append(signal)
        self._wake()

    def _wake(self) -> None:
        self._woken = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> News:
        """Returns when there is news. Raises TooSlow."""
        if not (self.news.grown or self._woken):
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._woken = False
        news, self.news = self.news, News()
        if len(news.signals) > _KEPT_SIGNALS:
            raise TooSlow
        return news


class Hub:
    def __init__(self) -> None:
        self._followers: dict[str, set[Follower]] = defaultdict(set)

    @contextmanager
    def follow(self, conversation_id: str, follower: Follower | None = None) -> Iterator[Follower]:
        follower = follower or Follower()
        self._followers[conversation_id].add(follower)
        try:
            yield follower
        finally:
            self._followers[conversation_id].discard(follower)
            if not self._followers[conversation_id]:
                del self._followers[conversation_id]

    def grew(self, conversation_id: str, entries: Sequence[Entry] = (), answered: int = 0) -> None:
        """With `entries`, or `answered`, it grew by these; without, by whatever the journal says."""
        for follower in self._followers.get(conversation_id, ()):
            follower.grew(entries, answered)

    def behind(self, conversation_id: str, last_seq: int) -> None:
        """The journal goes up to `last_seq`: whoever has not seen that far was not told."""
        for follower in self._followers.get(conversation_id, ()):
            if follower.seen < last_seq:
                follower.grew()

    def signal(self, conversation_id: str, signal: Signal) -> None:
        for follower in self._followers.get(conversation_id, ()):
            follower.tell(signal)

    def queue_moved(self, signal: Signal) -> None:
        for followers in self._followers.values():
            for follower in followers:
                if follower.queued:
                    follower.tell(signal)

    def wake_all(self) -> None:
        """After a gap in the notifications everybody looks for himself."""
        for conversation_id in list(self._followers):
            self.grew(conversation_id)

    def __len__(self) -> int:
        return sum(len(followers) for followers in self._followers.values())
