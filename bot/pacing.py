"""How fast an account may be used: token buckets, and pauses that its provider asked for."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from bot.channels.capabilities import Capabilities

Allow = Callable[[str, float, float], Awaitable[float]]
"""Takes a token of the bucket of that name, rate and size, and returns 0.0, or the seconds until there is one."""


@dataclass(frozen=True, slots=True)
class Pacing:
    allow: Allow
    clock: Callable[[], float] = time.monotonic
    _until: dict[str, float] = field(default_factory=dict)
    _asked: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of each channel the conversations that its provider asked to wait, and until when they do."""

    async def wait(self, channel: str, capabilities: Capabilities, conversation_id: str) -> float:
        """0.0 if the conversation may be written to now; else the seconds to wait."""
        if (held := self._until.get(channel, 0.0) - self.clock()) > 0:
            return held
        if pace := capabilities.conversation:
            wait = await self.allow(f"out:{channel}:{_digest(conversation_id)}", pace.rate, pace.burst)
            if wait > 0:
                return wait
        if pace := capabilities.account:
            wait = await self.allow(f"out:{channel}", pace.rate, pace.burst)
            self.hold(channel, wait)  # nobody else has to ask meanwhile
            return wait
        return 0.0

    def hold(self, channel: str, seconds: float) -> None:
        """Nothing is sent over the channel for so long."""
        self._until[channel] = max(self._until.get(channel, 0.0), self.clock() + seconds)

    def asked(self, channel: str, conversation_id: str, seconds: float) -> None:
        """The provider asked one conversation to wait and did not say whose limit it is. If another one waits by then,
        it is the account's."""
        now, waiting = self.clock(), self._asked.setdefault(channel, {})
        for name in [name for name, until in waiting.items() if until <= now]:
            del waiting[name]
        waiting[_digest(conversation_id)] = now + seconds
        if len(waiting) > 1:
            self.hold(channel, seconds)

    def open(self, channels: Iterable[str]) -> tuple[str, ...]:
        """Those that are not held."""
        now = self.clock()
        return tuple(channel for channel in channels if self._until.get(channel, 0.0) <= now)


def _digest(conversation_id: str) -> str:
    """Whoever has to be forgotten is not in the name of a bucket."""
    return sha256(conversation_id.encode()).hexdigest()[:16]
