"""Who follows which conversation: wakes them when it has grown."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Signal = dict[str, Any]
"""A passing fact that no log keeps: typing, an acknowledgement, who owns the conversation."""

_SIGNALS_KEPT = 256


class TooSlow(Exception):
    """The follower does not read; close it and let it come back, the journal has everything."""


@dataclass(slots=True, eq=False)
class Follower:
    """One pair of eyes on one conversation."""

    grown: bool = True
    """There may be something new in the journal; at the beginning there may."""
    signals: list[Signal] = field(default_factory=list)
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        self.grown = True
        self.woken.set()

    def tell(self, signal: Signal) -> None:
        if len(self.signals) <= _SIGNALS_KEPT:  # one too many marks the follower as too slow
            self.signals.append(signal)
        self.woken.set()

    async def wait(self) -> tuple[list[Signal], bool]:
        """Returns when signals came or the conversation has grown: the signals, and whether it has. Raises TooSlow."""
        if not self.grown:
            await self.woken.wait()
        self.woken.clear()
        signals, grown = self.signals, self.grown
        self.signals, self.grown = [], False
        if len(signals) > _SIGNALS_KEPT:
            raise TooSlow
        return signals, grown


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

    def grew(self, conversation_id: str) -> None:
        for follower in self._followers.get(conversation_id, ()):
            follower.wake()

    def signal(self, conversation_id: str, signal: Signal) -> None:
        for follower in self._followers.get(conversation_id, ()):
            follower.tell(signal)

    def wake_all(self) -> None:
        """After a gap in the notifications everybody looks for himself."""
        for conversation_id in list(self._followers):
            self.grew(conversation_id)

    def __len__(self) -> int:
        return sum(len(followers) for followers in self._followers.values())
