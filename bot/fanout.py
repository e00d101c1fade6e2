"""Tells who follows a conversation what became of it, on this server and through Redis on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.hub import Hub, Signal
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.messages import Entry, Owner
from bot.sessions import Sessions

QUEUE_MOVED: Signal = {"type": "queue"}
"""Somebody entered or left the queue: whoever waits in it has another place. For followers, not for customers."""
LEFT: Signal = {"type": "left"}
"""A server goes away and leaves messages without an answer. For servers."""

ERASED: Signal = {"type": "erased"}
"""The conversation is gone: whoever follows it begins anew."""


@dataclass(frozen=True, slots=True)
class Fanout:
    hub: Hub
    sessions: Sessions
    journal: Journal

    def grew(self, conversation_id: str, entries: Sequence[Entry], answered: int = 0) -> None:
        """`entries` were committed; `answered` is the number of the message that has had its turn by that."""
        self.hub.grew(conversation_id, entries, answered)
        self.sessions.publish(conversation_id, entries[-1].seq if entries else answered)

    def wake(self, conversation_id: str) -> None:
        """The server that answers the conversation has something to read."""
        self.sessions.publish(conversation_id, 0)

    def signal(self, conversation_id: str, signal: Signal) -> None:
        self.hub.signal(conversation_id, signal)
        self.sessions.publish(conversation_id, 0, signal)

    async def owner_changed(self, conversation_id: str, owner: Owner) -> None:
        signal: Signal = {"type": "owner", "owner": owner.value}
        if owner is Owner.QUEUE:
            signal["position"] = await self._position(conversation_id)
        self.signal(conversation_id, signal)
        self.hub.queue_moved(QUEUE_MOVED)
        self.sessions.publish("", 0, QUEUE_MOVED)

    async def _position(self, conversation_id: str) -> int:
        """0 if the database is away just now: that somebody waits is news without the place."""
        try:
            return await self.journal.queue_position(conversation_id)
        except Unavailable:
            return 0

    def left(self, conversation_id: str) -> None:
        self.sessions.publish(conversation_id, 0, LEFT)

    async def catch_up(self, seconds: float) -> None:
        """Wakes followers that a server which died between its commit and its news left in the dark."""
        if not self.hub:
            return
        for conversation_id, last_seq in (await self.journal.grown(seconds)).items():
            self.hub.behind(conversation_id, last_seq)

    def heard(self, conversation_id: str, signal: Signal | None) -> None:
        """Another server's news."""
        if signal is None:
            self.hub.grew(conversation_id)
        elif signal == QUEUE_MOVED:
            self.hub.queue_moved(signal)
        elif signal != LEFT:
            self.hub.signal(conversation_id, signal)
