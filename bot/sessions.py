"""Session state in Redis: snapshots, leases, wake-ups, rate limits. All of it may vanish at any moment.

Nothing here raises because Redis is dead, hung, full or flushed: a snapshot is then not found, the fence comes from the
journal, wake-ups stay in the process, and rate limits hold for this process alone.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from logging import getLogger
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote
from uuid import uuid4

import orjson
import redis.exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bot.breaker import Breaker, BreakerOpen
from bot.journal.text import dumps
from bot.messages import Json
from bot.rates import Buckets
from nlu.source import Mendable

T = TypeVar("T")

CONNECT_SECONDS = 0.25
CALL_SECONDS = 0.3
"""For a whole call: the library's own timeouts begin anew with every try and every handshake."""
PING_SECONDS = 2.0
PROBE_SECONDS = 0.25
POLL_SECONDS = 1.0
"""While other processes' wake-ups may be missed, followers are woken this often."""
CONNECTIONS = 32
SNAPSHOT_MS = 24 * 3600 * 1000
LEASE_MS = 2000
RENEW_SECONDS = 0.5

AWAY = (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OSError, TimeoutError)

# A snapshot never replaces a newer one.
SAVE = """
local held = redis.call('HGET', KEYS[1], 'version')
if held and tonumber(held) > tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'state', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
# A lease that was forgotten, not taken, is taken again: between two who think they own it the journal decides.
RENEW = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
# A token bucket, as in bot/rates.py, by Redis's own clock.
ALLOW = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local elapsed = math.max(0, now - (tonumber(held[2]) or now))
local tokens = math.min(burst, (tonumber(held[1]) or burst) + elapsed * rate)
local wait = 0
if tokens >= cost then tokens = tokens - cost else wait = (cost - tokens) / rate end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return string.format('%.9f', wait)
"""

logger = getLogger(__name__)


class SessionsError(Mendable):
    """Redis cannot be used; the sentence says what to do."""


class Held:
    """Somebody else owns the conversation: leave it to them."""


class Lease:
    """The right to answer a conversation, renewed until it is released."""

    __slots__ = ("_sessions", "conversation_id", "lost", "token")

    def __init__(self, sessions: Sessions, conversation_id: str, token: str) -> None:
        self._sessions = sessions
        self.conversation_id, self.token = conversation_id, token
        self.lost = False
        """Somebody else took it. What is under way will not be committed, so it may stop."""

    async def release(self) -> None:
        await self._sessions.release(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()


class Sessions:
    """`async with Sessions(url, journal.name) as sessions`: the namespace keeps another journal's state out.

    `on_news` hears of conversations that grew in other processes, or of a passing signal in one; `on_gap` that such
    news may have been missed.
    Raises SessionsError for a URL that is none. Whether somebody answers there, `ping` tells.
    """

    def __init__(
        self,
        url: str,
        namespace: str = "",
        *,
        on_news: Callable[[str, int, Json | None], None] = lambda conversation_id, seq, signal: None,
        on_gap: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_news, self._on_gap = on_news, on_gap
        self._space = f"frontdesk:{namespace[:8]}"
        self._process = uuid4().hex
        self._where = url.rpartition("@")[2]
        self._reads, self._writes, self._hearing = _client(url, 1), _client(url, 0), _client(url, 0)
        scripts = (SAVE, RENEW, RELEASE, ALLOW)
        self._scripts = {lua: self._writes.register_script(lua) for lua in scripts}
        # One failure opens it and only the probe closes it: no caller waits for a dead server twice.
        self._breaker = Breaker(1, math.inf, AWAY)
        self._failed = asyncio.Event()
        self._recoveries = 0
        self._refused = False
        self._buckets = Buckets(clock)
        self._leases: dict[str, Lease] = {}
        self._missed_at = 0.0
        self._untold = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for work in (self._probe, self._renew, self._listen):
            self._tasks.append(asyncio.create_task(work(), name=f"sessions{work.__name__}"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for lease in list(self._leases.values()):
            await self.release(lease)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in (self._reads, self._writes, self._hearing):
            with suppress(*AWAY):
                await client.aclose()

    @property
    def degraded(self) -> bool:
        """Redis is away, or takes no writes."""
        return self._breaker.is_open or self._refused

    async def ping(self) -> None:
        """Raises SessionsError if Redis does not answer."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._reads.ping()
        except (redis.exceptions.RedisError, OSError) as error:
            raise SessionsError(
                f"Redis does not answer at {self._where} ({str(error) or 'in time'}): start it, correct REDIS_URL, "
                "or unset REDIS_URL to use the embedded server."
            ) from None

    # Snapshots

    async def load(self, conversation_id: str, version: int) -> Json | None:
        """The snapshot, if it is of that very version."""
        if version == 0:
            return None
        name = self._key(conversation_id, "snapshot")
        missing: list[bytes | str | None] = [None, None]
        held, state = await self._ask(lambda: self._reads.hmget(name, ["version", "state"]), missing)
        if held is None or state is None or int(held) != version:
            return None
        snapshot: Json = orjson.loads(state)
        return snapshot

    async def save(self, conversation_id: str, version: int, state: Mapping[str, Any]) -> None:
        """Keeps the snapshot, unless a newer one is there."""
        await self._run(SAVE, [self._key(conversation_id, "snapshot")], [version, dumps(state), SNAPSHOT_MS])

    # Leases

    async def lease(self, conversation_id: str) -> Lease | Held | None:
        """The right to answer, so that no two processes do it in vain; who may commit is the journal's fence to say.

        Held: somebody else has it. None: Redis is away, and the fence decides alone.
        """
        token = uuid4().hex
        name = self._key(conversation_id, "lease")
        taken = await self._write(lambda: self._take(name, token))
        if not taken:
            return None if taken is None else Held()
        lease = self._leases[token] = Lease(self, conversation_id, token)
        return lease

    async def _take(self, name: str, token: str) -> bool:
        return bool(await self._writes.set(name, token, nx=True, px=LEASE_MS))

    async def release(self, lease: Lease) -> None:
        if self._leases.pop(lease.token, None):
            await self._run(RELEASE, [self._key(lease.conversation_id, "lease")], [lease.token])

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for lease in list(self._leases.values()):
                await self._renew_one(lease)

    async def _renew_one(self, lease: Lease) -> None:
        renewed = await self._run(RENEW, [self._key(lease.conversation_id, "lease")], [lease.token, LEASE_MS])
        if renewed == 0:
            lease.lost = True
            self._leases.pop(lease.token, None)
        elif lease.token not in self._leases:  # released meanwhile
            await self._run(RELEASE, [self._key(lease.conversation_id, "lease")], [lease.token])

    # Wake-ups

    async def publish(self, conversation_id: str, seq: int, signal: Json | None = None) -> None:
        """Tells the other processes that the conversation has entries up to `seq`, or else a passing signal."""
        told = await self._tell(conversation_id, seq, signal)
        self._untold = self._untold or not told

    async def _tell(self, conversation_id: str, seq: int, signal: Json | None = None) -> bool:
        news = dumps([self._process, conversation_id, seq, signal])
        return await self._ask(lambda: self._writes.publish(self._news, news), None) is not None

    def _missed(self) -> None:
        """Something may have been missed: everybody reads for themselves."""
        self._missed_at = time.monotonic()
        self._on_gap()

    async def _listen(self) -> None:
        while True:
            with suppress(redis.exceptions.RedisError, OSError):
                await self._hear()
            if time.monotonic() > self._missed_at + POLL_SECONDS:
                self._missed()
            await asyncio.sleep(PROBE_SECONDS)

    async def _hear(self) -> None:
        """Until the connection breaks, or Redis was away: then it may be dead without a word."""
        recoveries = self._recoveries
        async with self._hearing.pubsub(ignore_subscribe_messages=True) as hearing:
            async with asyncio.timeout(PING_SECONDS):
                await hearing.subscribe(self._news)
            self._missed()
            while recoveries == self._recoveries:
                message = await hearing.get_message(timeout=POLL_SECONDS)
                if message:
                    self._heard(message["data"])
                if self.degraded and time.monotonic() > self._missed_at + POLL_SECONDS:
                    self._missed()

    def _heard(self, news: bytes) -> None:
        process, conversation_id, seq, signal = orjson.loads(news)
        if process == self._process:
            return
        if conversation_id or signal:
            self._on_news(conversation_id, seq, signal)
        else:
            self._missed()

    # Rates

    async def allow(self, key: str, rate: float, burst: float, cost: float = 1) -> float:
        """0.0, and `cost` tokens are taken; or the seconds until that many are there."""
        wait = await self._run(ALLOW, [self._key(key, "rate")], [rate, burst, cost])
        return self._buckets.allow(key, rate, burst, cost) if wait is None else float(wait)

    # Redis, at arm's length

    @property
    def _news(self) -> str:
        return f"{self._space}:news"

    def _key(self, name: str, kind: str) -> str:
        """The keys of a conversation share one hash tag: a cluster keeps them together, and scripts may touch all."""
        return f"{self._space}:{{{quote(name, safe='', errors='replace')}}}:{kind}"

    async def _run(self, lua: str, keys: list[str], arguments: list[Any]) -> Any:
        """What the script answers; None if Redis is away or refuses."""
        return await self._write(lambda: self._scripts[lua](keys=keys, args=arguments))

    async def _write(self, call: Callable[[], Awaitable[Any]]) -> Any:
        answer = await self._ask(call, None)
        self._refused = self._refused and answer is None
        return answer

    async def _ask(self, call: Callable[[], Awaitable[T]], otherwise: T) -> T:
        try:
            with self._breaker.guard():
                async with asyncio.timeout(CALL_SECONDS):
                    return await call()
        except BreakerOpen:
            return otherwise
        except AWAY as error:
            if not self._failed.is_set():
                logger.warning("Redis is away (%s); going on without it.", str(error) or "it did not answer in time")
            self._failed.set()
        except redis.exceptions.RedisError as error:  # full, read-only, or its disk is
            if not self._refused:
                logger.warning("Redis refuses (%s); going on without it.", error)
            self._refused = True
        return otherwise

    async def _probe(self) -> None:
        while True:
            await self._failed.wait()
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._reads.ping()
            except (redis.exceptions.RedisError, OSError):
                await asyncio.sleep(PROBE_SECONDS)
                continue
            self._failed.clear()
            self._breaker.succeeded()
            self._recoveries += 1
            if self._untold:
                self._untold = not await self._tell("", 0)  # to all, of all that could not be told
            logger.info("Redis is back.")


def _client(url: str, retries: int) -> Redis:
    """The library's defaults run a command twice across a stall, and wait four seconds for a dead server."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_timeout=None,  # `_ask` has one for the whole call; with this one the library swallows cancellations
            socket_connect_timeout=CONNECT_SECONDS,
            health_check_interval=15,
            retry=Retry(NoBackoff(), retries),
        )
    except ValueError as error:
        raise SessionsError(f"REDIS_URL is not a URL such as redis://host:6379/0 or unix:///path: {error}") from None
    return Redis.from_pool(pool)
