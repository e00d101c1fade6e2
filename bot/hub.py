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
    """One pair of eyes on one conversation. `grown` says that there may be something new in the journal."""

    grown: asyncio.Event = field(default_factory=asyncio.Event)
    signals: list[Signal] = field(default_factory=list)

    def tell(self, signal: Signal) -> None:
        if len(self.signals) <= _SIGNALS_KEPT:  # one too many marks the follower as too slow
            self.signals.append(signal)
        self.grown.set()

    async def wait(self) -> list[Signal]:
        """Returns when the conversation has grown or signals came, with the signals. Raises TooSlow."""
        await self.grown.wait()
        self.grown.clear()
        signals, self.signals = self.signals, []
        if len(signals) > _SIGNALS_KEPT:
            raise TooSlow
        return signals


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
            follower.grown.set()

    def signal(self, conversation_id: str, signal: Signal) -> None:
        for follower in self._followers.get(conversation_id, ()):
            follower.tell(signal)

    def wake_all(self) -> None:
        """After a gap in the notifications everybody looks for himself."""
        for conversation_id in list(self._followers):
            self.grew(conversation_id)

    def __len__(self) -> int:
        return sum(len(followers) for followers in self._followers.values())
