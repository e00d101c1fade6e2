"""Session state in Redis: snapshots, leases, wake-ups, rate limits. All of it may vanish at any moment.

Nothing here raises because Redis is dead, hung, full or flushed: a snapshot is then not found, the fence comes from the
journal, wake-ups stay in the process, and rate limits hold for this process alone. What nobody waits for, snapshots and
news, costs a turn nothing: all requests of the same moment share one round trip.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from logging import getLogger
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import orjson

from bot.exchange import ABSENT, AWAY, FAILED, PING_SECONDS, PROBE_SECONDS, Exchange, SessionsError, client
from bot.messages import Json, State
from bot.rates import Buckets
from bot.text import dumps

__all__ = ["Held", "Lease", "Sessions", "SessionsError"]

POLL_SECONDS = 1.0
"""While other processes' wake-ups may be missed, followers are woken this often."""
SNAPSHOT_MS = 24 * 3600 * 1000
LEASE_MS = 2000
RENEW_SECONDS = 0.5

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


class Held:
    """Somebody else owns the conversation: leave it to them."""


class Lease:
    """The right to answer a conversation, renewed until it is released."""

    __slots__ = ("_sessions", "key", "lost", "token")

    def __init__(self, sessions: Sessions, key: str, token: str) -> None:
        self._sessions = sessions
        self.key, self.token = key, token
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
        self._redis, self._hearing = Exchange(url), client(url)
        self._buckets = Buckets(clock)
        self._leases: dict[str, Lease] = {}
        self._unsent: list[Any] = []
        self._missed_at = 0.0
        self._untold = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for work in (self._redis.probe(self._recovered), self._renew(), self._listen()):
            self._tasks.append(asyncio.create_task(work, name="sessions"))
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
        await self._redis.close()
        with suppress(*AWAY):
            await self._hearing.aclose()

    async def flushed(self) -> None:
        """Returns when Redis has all that nobody waited for, or is away."""
        await self._redis.flushed()

    @property
    def degraded(self) -> bool:
        """Redis is away, or takes no writes."""
        return self._redis.degraded

    async def ping(self) -> None:
        """Raises SessionsError if Redis does not answer."""
        await self._redis.ping()

    # Snapshots

    async def load(self, conversation_id: str, version: int) -> Json | None:
        """The snapshot, if it is of that very version."""
        if version == 0:
            return None
        found = await self._redis.command("HMGET", self._key(conversation_id, "snapshot"), "version", "state")
        held, state = (None, None) if found is ABSENT else found
        try:
            if held is None or state is None or int(held) != version:
                return None
            snapshot: Json = orjson.loads(state)
        except ValueError:  # somebody else wrote there; the journal knows better
            return None
        return snapshot

    def save(self, conversation_id: str, version: int, state: State) -> None:
        """Keeps the snapshot, unless a newer one is there. Nobody waits for it."""
        key = self._key(conversation_id, "snapshot")
        self._redis.late("EVALSHA", lambda: (1, key, version, dumps(state), SNAPSHOT_MS), SAVE)

    # Leases

    async def lease(self, conversation_id: str) -> Lease | Held | None:
        """The right to answer, so that no two processes do it in vain; who may commit is the journal's fence to say.

        Held: somebody else has it. None: Redis is away, and the fence decides alone.
        """
        token, key = uuid4().hex, self._key(conversation_id, "lease")
        taken = await self._redis.command("SET", key, token, "NX", "PX", LEASE_MS)
        if taken is ABSENT:
            return None
        if not taken:
            return Held()
        lease = self._leases[token] = Lease(self, key, token)
        return lease

    async def leased(self, conversations: Sequence[str]) -> set[str]:
        """Those of them that somebody owns, as far as Redis knows."""
        answers = await asyncio.gather(
            *(self._redis.command("EXISTS", self._key(name, "lease")) for name in conversations)
        )
        return {name for name, found in zip(conversations, answers, strict=True) if found == 1}

    def release(self, lease: Lease) -> None:
        if self._leases.pop(lease.token, None):
            self._put_release(lease)

    def _put_release(self, lease: Lease) -> None:
        self._redis.script(RELEASE, lease.key, lease.token)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            leases = list(self._leases.values())
            answers = await asyncio.gather(
                *(self._redis.script(RENEW, lease.key, lease.token, LEASE_MS) for lease in leases)
            )
            for lease, answer in zip(leases, answers, strict=True):
                self._renewed(lease, answer)

    def _renewed(self, lease: Lease, renewed: Any) -> None:
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
            self._redis.late("PUBLISH", self._news).add_done_callback(self._told)

    def _news(self) -> Sequence[Any]:
        """All that came up until the round trip, in one message."""
        news, self._unsent = self._unsent, []
        return self._channel, dumps([self._process, news])

    def _told(self, sent: asyncio.Future[Any]) -> None:
        if sent.result() is ABSENT:
            self._unsent, self._untold = [], True

    def _recovered(self) -> None:
        if self._untold:
            self._untold = False
            self.publish("", 0)  # to all, of all that could not be told

    def _missed(self) -> None:
        """Something may have been missed: everybody reads for themselves."""
        self._missed_at = time.monotonic()
        self._on_gap()

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except FAILED:
                logger.debug("the news of other processes are not heard")
            except Exception:  # whoever else writes into the channel must not make us deaf for ever
                logger.exception("the news of other processes could not be read")
            if time.monotonic() > self._missed_at + POLL_SECONDS:
                self._missed()
            await asyncio.sleep(PROBE_SECONDS)

    async def _hear(self) -> None:
        """Until the connection breaks, or Redis was away: then it may be dead without a word."""
        recoveries = self._redis.recoveries
        async with self._hearing.pubsub(ignore_subscribe_messages=True) as hearing:
            async with asyncio.timeout(PING_SECONDS):
                await hearing.subscribe(self._channel)
            self._missed()
            while recoveries == self._redis.recoveries:
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
        wait = await self._redis.script(ALLOW, self._key(key, "rate"), rate, burst, cost)
        return self._buckets.allow(key, rate, burst, cost) if wait is ABSENT else float(wait)

    # Scripts of others

    async def script(self, lua: str, name: str, kind: str, *arguments: Any) -> Any:
        """What a script of one key answers; None if Redis is away or refuses."""
        answer = await self._redis.script(lua, self._key(name, kind), *arguments)
        return None if answer is ABSENT else answer

    def tell(self, lua: str, name: str, kind: str, *arguments: Any) -> None:
        """The same, and nobody waits for it."""
        self._redis.script(lua, self._key(name, kind), *arguments)

    # Erasure

    async def forget(self, conversation_id: str) -> int:
        """Removes what is kept of the conversation; returns how much. The lease stays its owner's."""
        gone = await self._redis.command("DEL", self._key(conversation_id, "snapshot"))
        return 0 if gone is ABSENT else int(gone)

    async def rewrite(self) -> None:
        """Returns when the server's file holds nothing but what there is. Raises SessionsError."""
        await self._redis.rewrite()

    # Names

    @property
    def _channel(self) -> str:
        return f"{self._space}:news"

    def _key(self, name: str, kind: str) -> str:
        """The keys of a conversation share one hash tag: a cluster keeps them together, and scripts may touch all."""
        return f"{self._space}:{{{quote(name, safe='', errors='replace')}}}:{kind}"
