"""Session state in Redis: snapshots, leases, wake-ups, rate limits. All of it may vanish at any moment.

Nothing here raises because Redis is dead, hung, full or flushed: a snapshot is then not found, the fence comes from the
journal, wake-ups stay in the process, and rate limits hold for this process alone. What nobody waits for, snapshots and
news, costs a turn nothing: all requests of the same moment share one round trip.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from logging import getLogger
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import orjson
import redis.exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bot.gathering import Gathering
from bot.journal.text import dumps
from bot.messages import Json
from bot.rates import Buckets
from nlu.source import Mendable

CONNECT_SECONDS = 0.25
CALL_SECONDS = 0.3
"""For a whole round trip: the library's own timeouts begin anew with every try and every handshake."""
LATE_ROUNDS = 4
"""Rounds of the event loop after that: if the loop itself was late, the answer may be there and not yet read."""
PING_SECONDS = 2.0
PROBE_SECONDS = 0.25
POLL_SECONDS = 1.0
"""While other processes' wake-ups may be missed, followers are woken this often."""
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


@cache
def _hash(lua: str) -> str:
    """EVALSHA's name for a script, no secret."""
    return sha1(lua.encode(), usedforsecurity=False).hexdigest()


logger = getLogger(__name__)


_ABSENT: Any = object()
"""The answer of a Redis that is away or refuses."""


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

    def release(self) -> None:
        self._sessions.release(self)


class Sessions:
    """`async with Sessions(url, journal.name) as sessions`: the namespace keeps another journal's state out.

    `on_news` hears of conversations that grew in other processes, or of a passing signal in one; `on_gap` that such
    news may have been missed. Raises SessionsError for a URL that is none; whether somebody answers, `ping` tells.
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
        self._client, self._hearing = _client(url), _client(url)
        self._calls: Gathering[_Call, Any] = Gathering(self._exchange)
        self._away = asyncio.Event()
        """One failure sets it and only the probe clears it: no caller waits for a dead server twice."""
        self._recoveries = 0
        self._refused = False
        self._buckets = Buckets(clock)
        self._leases: dict[str, Lease] = {}
        self._unsent: list[Any] = []
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
            self._put_release(lease)
        await self.flushed()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in (self._client, self._hearing):
            with suppress(*AWAY):
                await client.aclose()

    async def flushed(self) -> None:
        """Returns when Redis has all that nobody waited for, or is away."""
        await self._calls.finish()

    @property
    def degraded(self) -> bool:
        """Redis is away, or takes no writes."""
        return self._away.is_set() or self._refused

    async def ping(self) -> None:
        """Raises SessionsError if Redis does not answer."""
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._hearing.ping()
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
        found = await self._command("HMGET", self._key(conversation_id, "snapshot"), "version", "state")
        held, state = (None, None) if found is _ABSENT else found
        if held is None or state is None or int(held) != version:
            return None
        snapshot: Json = orjson.loads(state)
        return snapshot

    def save(self, conversation_id: str, version: int, state: Mapping[str, Any]) -> None:
        """Keeps the snapshot, unless a newer one is there. Nobody waits for it."""
        key = self._key(conversation_id, "snapshot")
        self._put(_Call("EVALSHA", lambda: (1, key, version, dumps(state), SNAPSHOT_MS), SAVE))

    # Leases

    async def lease(self, conversation_id: str) -> Lease | Held | None:
        """The right to answer, so that no two processes do it in vain; who may commit is the journal's fence to say.

        Held: somebody else has it. None: Redis is away, and the fence decides alone.
        """
        token = uuid4().hex
        taken = await self._command("SET", self._key(conversation_id, "lease"), token, "NX", "PX", LEASE_MS)
        if taken is _ABSENT:
            return None
        if not taken:
            return Held()
        lease = self._leases[token] = Lease(self, conversation_id, token)
        return lease

    async def leased(self, conversations: Sequence[str]) -> set[str]:
        """Those of them that somebody owns, as far as Redis knows."""
        answers = await asyncio.gather(*(self._command("EXISTS", self._key(name, "lease")) for name in conversations))
        return {name for name, found in zip(conversations, answers, strict=True) if found == 1}

    def release(self, lease: Lease) -> None:
        if self._leases.pop(lease.token, None):
            self._put_release(lease)

    def _put_release(self, lease: Lease) -> None:
        self._script(RELEASE, self._key(lease.conversation_id, "lease"), lease.token)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await asyncio.gather(*(self._renew_one(lease) for lease in list(self._leases.values())))

    async def _renew_one(self, lease: Lease) -> None:
        renewed = await self._script(RENEW, self._key(lease.conversation_id, "lease"), lease.token, LEASE_MS)
        if renewed == 0:
            lease.lost = True
            self._leases.pop(lease.token, None)
        elif lease.token not in self._leases:  # released meanwhile
            self._put_release(lease)

    # Wake-ups

    def publish(self, conversation_id: str, seq: int, signal: Json | None = None) -> None:
        """Tells the other processes that the conversation has entries up to `seq`, or else a passing signal."""
        self._unsent.append([conversation_id, seq, signal])
        if len(self._unsent) == 1:
            self._put(_Call("PUBLISH", self._news)).add_done_callback(self._told)

    def _news(self) -> Sequence[Any]:
        """All that came up until the round trip, in one message."""
        news, self._unsent = self._unsent, []
        return self._channel, dumps([self._process, news])

    def _told(self, sent: asyncio.Future[Any]) -> None:
        if sent.result() is _ABSENT:
            self._unsent, self._untold = [], True

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
                await hearing.subscribe(self._channel)
            self._missed()
            while recoveries == self._recoveries:
                message = await hearing.get_message(timeout=POLL_SECONDS)
                if message:
                    self._heard(message["data"])
                if self.degraded and time.monotonic() > self._missed_at + POLL_SECONDS:
                    self._missed()

    def _heard(self, told: bytes) -> None:
        if self._process.encode() in told[:40]:
            return
        for conversation_id, seq, signal in orjson.loads(told)[1]:
            if not conversation_id and not signal:
                self._missed()
                continue
            try:
                self._on_news(conversation_id, seq, signal)
            except Exception:  # what one conversation cannot take must not make the server deaf for the others
                logger.exception("news could not be taken")

    # Rates

    async def allow(self, key: str, rate: float, burst: float, cost: float = 1) -> float:
        """0.0, and `cost` tokens are taken; or the seconds until that many are there."""
        wait = await self._script(ALLOW, self._key(key, "rate"), rate, burst, cost)
        return self._buckets.allow(key, rate, burst, cost) if wait is _ABSENT else float(wait)

    # Scripts of others

    async def script(self, lua: str, name: str, kind: str, *arguments: Any) -> Any:
        """What a script of one key answers; None if Redis is away or refuses."""
        answer = await self._script(lua, self._key(name, kind), *arguments)
        return None if answer is _ABSENT else answer

    def tell(self, lua: str, name: str, kind: str, *arguments: Any) -> None:
        """The same, and nobody waits for it."""
        self._script(lua, self._key(name, kind), *arguments)

    # Redis, at arm's length

    @property
    def _channel(self) -> str:
        return f"{self._space}:news"

    def _key(self, name: str, kind: str) -> str:
        """The keys of a conversation share one hash tag: a cluster keeps them together, and scripts may touch all."""
        return f"{self._space}:{{{quote(name, safe='', errors='replace')}}}:{kind}"

    def _command(self, name: str, *arguments: Any) -> asyncio.Future[Any]:
        """What the command answers; _ABSENT if Redis is away or refuses."""
        return self._put(_Call(name, lambda: arguments))

    def _script(self, lua: str, key: str, *arguments: Any) -> asyncio.Future[Any]:
        return self._put(_Call("EVALSHA", lambda: (1, key, *arguments), lua))

    def _put(self, call: _Call) -> asyncio.Future[Any]:
        if not self._away.is_set():
            return self._calls.put(call)
        nothing = asyncio.get_running_loop().create_future()
        nothing.set_result(_ABSENT)
        return nothing

    async def _exchange(self, calls: Sequence[_Call]) -> list[Any]:
        """One round trip for all; never raises."""
        try:
            answers = await self._pipelined([call.short() for call in calls])
            forgotten = [n for n, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
            if forgotten:
                again = await self._pipelined([calls[n].whole() for n in forgotten])
                answers = [again[forgotten.index(n)] if n in forgotten else answer for n, answer in enumerate(answers)]
        except AWAY as error:
            self._lost(str(error))
            return [_ABSENT] * len(calls)
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

    def _lost(self, why: str) -> None:
        if not self._away.is_set():
            logger.warning("Redis is away (%s); going on without it.", why or "it did not answer in time")
        self._away.set()

    def _checked(self, calls: Sequence[_Call], answers: Sequence[Any]) -> list[Any]:
        """_ABSENT in the place of refusals: a Redis that is full or read-only, or whose disk is."""
        refusals = [answer for answer in answers if isinstance(answer, redis.exceptions.RedisError)]
        if refusals and not self._refused:
            logger.warning("Redis refuses (%s); going on without it.", refusals[0])
        if refusals or any(call.writes for call in calls):
            self._refused = bool(refusals)
        return [_ABSENT if isinstance(answer, redis.exceptions.RedisError) else answer for answer in answers]

    async def _probe(self) -> None:
        while True:
            await self._away.wait()
            try:
                async with asyncio.timeout(CALL_SECONDS):
                    await self._hearing.ping()
            except (redis.exceptions.RedisError, OSError):
                await asyncio.sleep(PROBE_SECONDS)
                continue
            self._away.clear()
            self._recoveries += 1
            if self._untold:
                self._untold = False
                self.publish("", 0)  # to all, of all that could not be told
            logger.info("Redis is back.")


def _client(url: str) -> Redis:
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
