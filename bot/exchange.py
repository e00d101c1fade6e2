"""Redis at arm's length: one round trip for all that is asked at the same moment, and nobody waits twice for a server
that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from logging import getLogger
from typing import Any

import redis.exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bot.gathering import Gathering
from nlu.source import Mendable

CONNECT_SECONDS = 0.25
CALL_SECONDS = 0.3
"""For a whole round trip: the library's own timeouts begin anew with every try and every handshake."""
LATE_ROUNDS = 4
"""Rounds of the event loop after that: if the loop itself was late, the answer may be there and not yet read."""
PING_SECONDS = 2.0
PROBE_SECONDS = 0.25
REWRITE_SECONDS = 30.0
REWRITE_PAUSE = 0.05

AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError)
FAILED = (redis.exceptions.RedisError, OSError, TimeoutError)

ABSENT: Any = object()
"""The answer of a Redis that is away or refuses."""

logger = getLogger(__name__)


class SessionsError(Mendable):
    """Redis cannot be used; the sentence says what to do."""


@cache
def _hash(lua: str) -> str:
    """EVALSHA's name for a script, no secret."""
    return sha1(lua.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class _Call:
    """A command, or a script with its keys and arguments."""

    name: str
    arguments: Callable[[], Sequence[Any]]
    """Asked for when it is sent."""
    lua: str = ""

    @property
    def writes(self) -> bool:
        """As far as a full Redis minds."""
        return bool(self.lua) or self.name == "SET"

    def short(self) -> Sequence[Any]:
        return (self.name, _hash(self.lua), *self.arguments()) if self.lua else (self.name, *self.arguments())

    def whole(self) -> Sequence[Any]:
        return ("EVAL", self.lua, *self.arguments())


class Exchange:
    """Commands and scripts; what Redis does not answer is ABSENT, and nothing raises. Raises SessionsError for a URL
    that is none."""

    def __init__(self, url: str) -> None:
        self._where = url.rpartition("@")[2]
        self._client = client(url)
        self._calls: Gathering[_Call, Any] = Gathering(self._exchange)
        self._away = asyncio.Event()
        """One failure sets it and only the probe clears it: no caller waits for a dead server twice."""
        self._refused = False
        self.recoveries = 0

    @property
    def degraded(self) -> bool:
        """Redis is away, or takes no writes."""
        return self._away.is_set() or self._refused

    def command(self, name: str, *arguments: Any) -> asyncio.Future[Any]:
        return self._put(_Call(name, lambda: arguments))

    def script(self, lua: str, key: str, *arguments: Any) -> asyncio.Future[Any]:
        """Of one key."""
        return self._put(_Call("EVALSHA", lambda: (1, key, *arguments), lua))

    def late(self, name: str, arguments: Callable[[], Sequence[Any]], lua: str = "") -> asyncio.Future[Any]:
        """Whose arguments are made when it is sent."""
        return self._put(_Call(name, arguments, lua))

    async def flushed(self) -> None:
        """Returns when everything that was put is answered."""
        await self._calls.finish()

    async def ping(self) -> None:
        """Raises SessionsError if Redis does not answer."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._client.ping()
        except (redis.exceptions.RedisError, OSError) as error:
            raise SessionsError(
                f"Redis does not answer at {self._where} ({str(error) or 'in time'}): start it, correct REDIS_URL, "
                "or unset REDIS_URL to use the embedded server."
            ) from None

    async def rewrite(self) -> None:
        """Has the server write its append-only file anew. Raises SessionsError if it does not."""
        try:
            async with asyncio.timeout(REWRITE_SECONDS):
                await self._client.bgrewriteaof()
                while await self._rewriting():  # noqa: ASYNC110  Redis does not say when it is done
                    await asyncio.sleep(REWRITE_PAUSE)
        except (redis.exceptions.RedisError, OSError) as error:
            raise SessionsError(f"Redis did not write its file anew ({str(error) or 'in time'}): try again.") from None

    async def _rewriting(self) -> bool:
        state = await self._client.info("persistence")
        return bool(state["aof_rewrite_in_progress"] or state["aof_rewrite_scheduled"])

    def lose(self, why: str) -> None:
        """Redis is taken for dead until the probe finds it."""
        if not self._away.is_set():
            logger.warning("Redis is away (%s); going on without it.", why or "it did not answer in time")
        self._away.set()

    async def probe(self, on_return: Callable[[], None]) -> None:
        """For ever: whenever Redis is away, looks whether it is back."""
        while True:
            await self._away.wait()
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._client.ping()
            except (redis.exceptions.RedisError, OSError):
                await asyncio.sleep(PROBE_SECONDS)
                continue
            self._away.clear()
            self.recoveries += 1
            on_return()
            logger.info("Redis is back.")

    async def close(self) -> None:
        with suppress(*AWAY):
            await self._client.aclose()

    def _put(self, call: _Call) -> asyncio.Future[Any]:
        if not self._away.is_set():
            return self._calls.put(call)
        nothing = asyncio.get_running_loop().create_future()
        nothing.set_result(ABSENT)
        return nothing

    async def _exchange(self, calls: Sequence[_Call]) -> list[Any]:
        """One round trip for all; never raises."""
        try:
            answers = await self._pipelined([call.short() for call in calls])
            forgotten = [n for n, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
            if forgotten:
                again = await self._pipelined([calls[n].whole() for n in forgotten])
                answers = [again[forgotten.index(n)] if n in forgotten else answer for n, answer in enumerate(answers)]
        except FAILED as error:
            self.lose(str(error))
            return [ABSENT] * len(calls)
        return self._checked(calls, answers)

    async def _pipelined(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        exchange = asyncio.ensure_future(pipeline.execute(raise_on_error=False))
        await asyncio.wait([exchange], timeout=CALL_SECONDS)
        for _ in range(LATE_ROUNDS):
            if exchange.done():
                answers: list[Any] = exchange.result()
                return answers
            await asyncio.sleep(0)
        exchange.cancel()
        await asyncio.gather(exchange, return_exceptions=True)
        raise TimeoutError

    def _checked(self, calls: Sequence[_Call], answers: Sequence[Any]) -> list[Any]:
        """ABSENT in the place of refusals: a Redis that is full or read-only, or whose disk is."""
        refusals = [answer for answer in answers if isinstance(answer, redis.exceptions.RedisError)]
        if refusals and not self._refused:
            logger.warning("Redis refuses (%s); going on without it.", refusals[0])
        if refusals or any(call.writes for call in calls):
            self._refused = bool(refusals)
        return [ABSENT if isinstance(answer, redis.exceptions.RedisError) else answer for answer in answers]


def client(url: str) -> Redis:
    """The library's defaults run a command twice across a stall, and wait four seconds for a dead server."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=2,
            timeout=CONNECT_SECONDS,
            socket_timeout=None,  # each round trip has one; with this one the library swallows cancellations
            socket_connect_timeout=CONNECT_SECONDS,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError as error:
        raise SessionsError(f"REDIS_URL is not a URL such as redis://host:6379/0 or unix:///path: {error}") from None
    return Redis.from_pool(pool)
