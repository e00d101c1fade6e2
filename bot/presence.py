"""Which server processes are there, and how much of a thing each has in hand: for limits that hold for all together.

What a process has in hand is its own to say, and nothing any more once it has died: a killed server must not keep its
customers out. Without Redis each process counts for itself.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self
from uuid import uuid4

from bot.sessions import Sessions

BEAT_SECONDS = 1.0
ALIVE_MS = 3000
"""A process that was not heard of for so long is dead."""
KEPT_MS = 24 * 3600 * 1000

# Who is there, by Redis's own clock, after saying that we are.
BEAT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
"""
LEAVE = "return redis.call('ZREM', KEYS[1], ARGV[1])"
# Tells how many we have, and what everybody said.
COUNT = """
if tonumber(ARGV[2]) > 0 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
else redis.call('HDEL', KEYS[1], ARGV[1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return redis.call('HGETALL', KEYS[1])
"""
FORGET = "return redis.call('HDEL', KEYS[1], unpack(ARGV))"


class Presence:
    """`async with Presence(sessions) as presence`: from then on this process is known to be there."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._process = uuid4().hex
        self._alive: set[str] = set()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._beating = asyncio.create_task(self._beat_forever(), name="presence")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
        await self._sessions.script(LEAVE, "servers", "alive", self._process)

    async def count(self, name: str, mine: int) -> int:
        """Tells that we have `mine` of it; returns how many all have."""
        told = await self._sessions.script(COUNT, name, "count", self._process, mine, KEPT_MS)
        held = _by_process(told or [])
        held[self._process] = mine
        if not held.keys() <= self._alive:
            await self._beat()  # somebody is new, or gone
        dead = held.keys() - self._alive - {self._process}
        if dead and self._alive:
            self._sessions.tell(FORGET, name, "count", *dead)
        return sum(number for process, number in held.items() if process not in dead)

    def tell(self, name: str, mine: int) -> None:
        """The same, without waiting for what the others have."""
        self._sessions.tell(COUNT, name, "count", self._process, mine, KEPT_MS)

    async def _beat_forever(self) -> None:
        while True:
            await self._beat()
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> None:
        alive = await self._sessions.script(BEAT, "servers", "alive", self._process, ALIVE_MS)
        self._alive = {process.decode() for process in alive or []}


def _by_process(told: list[bytes]) -> dict[str, int]:
    return {process.decode(): int(number) for process, number in zip(told[::2], told[1::2], strict=True)}
