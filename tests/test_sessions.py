"""Sessions on a real Valkey: alive, flushed, dead, hung, full."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis
from redis.crc import key_slot

from bot.embedded import embedded_valkey
from bot.sessions import Held, Lease, Sessions, SessionsError


@pytest.fixture
async def sessions(valkey_url: str) -> AsyncIterator[Sessions]:
    async with Sessions(valkey_url, "test") as opened:
        yield opened


@pytest.fixture
async def other(valkey_url: str) -> AsyncIterator[Sessions]:
    """Another process, as far as Redis can tell."""
    async with Sessions(valkey_url, "test") as opened:
        yield opened


@pytest.fixture
async def valkey(valkey_url: str) -> AsyncIterator[redis.Redis]:
    async with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        yield client


async def until(true: Callable[[], bool | Awaitable[bool]], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            answer = true()
            if answer if isinstance(answer, bool) else await answer:
                return
            await asyncio.sleep(0.01)


async def saved(sessions: Sessions, name: str, version: int, state: dict[str, Any]) -> None:
    sessions.save(name, version, state)
    await sessions.flushed()


def taken(lease: Lease | Held | None) -> Lease:
    assert isinstance(lease, Lease)
    return lease


# Snapshots


async def test_a_snapshot_is_found_under_its_version_alone(sessions: Sessions, other: Sessions) -> None:
    await saved(sessions, "c1", 3, {"slots": {"order": "LW-1"}})

    assert await other.load("c1", 3) == {"slots": {"order": "LW-1"}}
    assert [await sessions.load("c1", version) for version in (2, 4, 0)] == [None, None, None]
    assert await sessions.load("c2", 3) is None


async def test_an_older_snapshot_never_replaces_a_newer_one(sessions: Sessions) -> None:
    await saved(sessions, "c1", 10, {"n": 10})
    await saved(sessions, "c1", 9, {"n": 9})

    assert await sessions.load("c1", 10) == {"n": 10}


async def test_a_version_that_no_snapshot_may_have_is_never_found(sessions: Sessions) -> None:
    await saved(sessions, "c1", 0, {"n": 0})

    assert await sessions.load("c1", 0) is None


@pytest.mark.parametrize(("part", "harm"), [("state", '{"slo'), ("version", "three")])
async def test_a_snapshot_that_cannot_be_read_is_none(
    sessions: Sessions, valkey: redis.Redis, part: str, harm: str
) -> None:
    await saved(sessions, "c1", 3, {"n": 3})
    (key,) = await valkey.keys("*c1*snapshot")
    await valkey.hset(key, part, harm)

    assert await sessions.load("c1", 3) is None


async def test_another_journals_snapshot_is_not_ours(sessions: Sessions, valkey_url: str) -> None:
    await saved(sessions, "c1", 3, {"n": 3})

    async with Sessions(valkey_url, "another") as foreign:
        assert await foreign.load("c1", 3) is None


async def test_nothing_stays_in_redis_for_ever(sessions: Sessions, valkey: redis.Redis) -> None:
    await saved(sessions, "c1", 3, {"n": 3})
    await sessions.lease("c1")
    await sessions.allow("address", 1, 5)

    keys = await valkey.keys("*")
    assert len(keys) == 3
    assert all([await valkey.pttl(key) > 0 for key in keys])


@pytest.mark.parametrize("name", ["c1", "{x}y", "}", "a b\r\n", "\ud800", "你好", "x" * 200])
async def test_a_conversations_keys_share_one_slot(sessions: Sessions, valkey: redis.Redis, name: str) -> None:
    await saved(sessions, name, 3, {"n": 3})
    await sessions.lease(name)

    assert await sessions.load(name, 3) == {"n": 3}
    keys = await valkey.keys("*")
    assert len(keys) == 2
    assert len({key_slot(str(key).encode()) for key in keys}) == 1


# Leases


async def test_a_conversation_has_one_owner(sessions: Sessions, other: Sessions) -> None:
    lease = taken(await sessions.lease("c1"))

    assert isinstance(await other.lease("c1"), Held)
    assert isinstance(await other.lease("c2"), Lease)
    lease.release()
    await sessions.flushed()
    taken(await other.lease("c1"))


async def test_of_many_that_ask_at_once_one_gets_the_lease(sessions: Sessions, other: Sessions) -> None:
    asked = await asyncio.gather(*((sessions, other)[n % 2].lease("c1") for n in range(40)))

    assert sum(isinstance(lease, Lease) for lease in asked) == 1


async def test_only_the_owner_releases(sessions: Sessions, other: Sessions, valkey: redis.Redis) -> None:
    lease = taken(await sessions.lease("c1"))
    await valkey.delete(*await valkey.keys("*:lease"))  # it ran out while its owner slept
    theirs = taken(await other.lease("c1"))

    lease.release()

    assert isinstance(await sessions.lease("c1"), Held)
    theirs.release()


async def test_a_lease_is_renewed_while_it_is_held(
    monkeypatch: pytest.MonkeyPatch, valkey_url: str, other: Sessions, valkey: redis.Redis
) -> None:
    monkeypatch.setattr("bot.sessions.RENEW_SECONDS", 0.02)
    async with Sessions(valkey_url, "test") as sessions:
        lease = taken(await sessions.lease("c1"))
        (name,) = await valkey.keys("*:lease")
        await valkey.pexpire(name, 100)

        async def renewed() -> bool:
            return bool(await valkey.pttl(name) > 1000)

        await until(renewed)
        assert not lease.lost
    assert isinstance(await other.lease("c1"), Lease)  # closing releases


async def test_which_conversations_have_an_owner_is_known_to_all(sessions: Sessions, other: Sessions) -> None:
    lease = await sessions.lease("c1")
    assert isinstance(lease, Lease)
    assert await other.leased(["c0", "c1", "c2"]) == {"c1"}
    lease.release()
    await sessions.flushed()
    assert await other.leased(["c0", "c1", "c2"]) == set()
    assert await other.leased([]) == set()


async def test_a_lease_ends_with_its_owner(sessions: Sessions, other: Sessions, valkey: redis.Redis) -> None:
    await sessions.lease("c1")
    await sessions.__aexit__(None, None, None)
    await sessions.lease("c1")  # as of a process that died: nobody renews or releases it

    (name,) = await valkey.keys("*:lease")
    assert 0 < await valkey.pttl(name) <= 2000


async def test_who_lost_a_lease_is_told(
    monkeypatch: pytest.MonkeyPatch, valkey_url: str, other: Sessions, valkey: redis.Redis
) -> None:
    monkeypatch.setattr("bot.sessions.RENEW_SECONDS", 0.02)
    async with Sessions(valkey_url, "test") as sessions:
        lease = taken(await sessions.lease("c1"))
        (name,) = await valkey.keys("*:lease")
        await valkey.set(name, "somebody else")

        await until(lambda: lease.lost)


# Wake-ups


@dataclass
class Ears:
    """What a process is told by the others."""

    news: list[tuple[Any, ...]] = field(default_factory=list)
    gaps: int = 0

    def on_news(self, conversation_id: str, seq: int, signal: dict[str, Any] | None) -> None:
        self.news.append((conversation_id, seq) if signal is None else (conversation_id, seq, signal))

    def on_gap(self) -> None:
        self.gaps += 1


def hearing(url: str, ears: Ears) -> Sessions:
    return Sessions(url, "test", on_news=ears.on_news, on_gap=ears.on_gap)


async def test_other_processes_hear_of_news(sessions: Sessions, valkey_url: str, valkey: redis.Redis) -> None:
    ears = Ears()
    async with hearing(valkey_url, ears) as other:
        await listening(valkey, 2)
        other.publish("c2", 1)  # its own is no news
        sessions.publish("c1", 7)
        sessions.publish("c1", 0, {"type": "typing", "on": True})

        await until(lambda: len(ears.news) == 2)
        assert ears.news == [("c1", 7), ("c1", 0, {"type": "typing", "on": True})]


async def test_news_that_cannot_be_taken_make_nobody_deaf(
    sessions: Sessions, valkey_url: str, valkey: redis.Redis
) -> None:
    heard: list[str] = []

    def on_news(conversation_id: str, seq: int, signal: dict[str, Any] | None) -> None:
        heard.append(conversation_id)
        raise RuntimeError

    async with Sessions(valkey_url, "test", on_news=on_news):
        await listening(valkey, 2)
        for name in ("c1", "c2"):
            sessions.publish(name, 7)
            await until(lambda name=name: name in heard)  # type: ignore[misc]  # mypy does not infer such a default


@pytest.mark.parametrize("strange", ["", "{", "[]", "[1, 2]", '["p", [[1]]]'])
async def test_what_a_stranger_writes_into_the_channel_makes_nobody_deaf(
    sessions: Sessions, valkey_url: str, valkey: redis.Redis, strange: str
) -> None:
    ears = Ears()
    async with hearing(valkey_url, ears):
        await listening(valkey, 2)
        await valkey.publish("frontdesk:test:news", strange)

        async def heard() -> bool:
            sessions.publish("c1", 7)
            return ("c1", 7) in ears.news

        await until(heard)


async def test_who_begins_to_listen_looks_for_itself(valkey_url: str) -> None:
    ears = Ears()
    async with hearing(valkey_url, ears):
        await until(lambda: ears.gaps > 0)


async def listening(valkey: redis.Redis, number: int) -> None:
    """Until so many processes are told of news."""

    async def subscribed() -> bool:
        return bool((await valkey.pubsub_numsub("frontdesk:test:news"))[0][1] == number)

    await until(subscribed)


# Rates


async def test_a_burst_passes_and_then_the_rate_holds(sessions: Sessions, other: Sessions) -> None:
    waits = [await (sessions, other)[n % 2].allow("visitor", 0.01, 4) for n in range(6)]

    assert waits[:4] == [0.0] * 4
    assert all(90 < wait <= 100 for wait in waits[4:])
    assert await sessions.allow("another", 0.01, 4) == 0.0


async def test_a_dear_call_takes_more(sessions: Sessions) -> None:
    assert await sessions.allow("visitor", 0.01, 4, cost=3) == 0.0
    assert 190 < await sessions.allow("visitor", 0.01, 4, cost=3) <= 200
    assert await sessions.allow("visitor", 0.01, 4, cost=1) == 0.0


async def test_tokens_flow_back(sessions: Sessions) -> None:
    while not (wait := await sessions.allow("visitor", 100, 1)):
        pass
    await until_allowed(sessions)

    assert 0 < wait <= 0.01


async def until_allowed(sessions: Sessions) -> None:
    async def allowed() -> bool:
        return await sessions.allow("visitor", 100, 1) == 0.0

    await until(allowed)


# Faults


async def everything(sessions: Sessions) -> tuple[object, ...]:
    """One of each, as a turn asks for them."""
    await saved(sessions, "c1", 3, {"n": 3})
    sessions.publish("c1", 7)
    return (
        await sessions.load("c1", 3),
        await sessions.lease("c9"),
        await sessions.allow("visitor", 0.01, 5),
    )


async def test_a_flush_loses_nothing_that_matters(sessions: Sessions, other: Sessions, valkey: redis.Redis) -> None:
    await saved(sessions, "c1", 3, {"n": 3})
    lease = taken(await sessions.lease("c1"))
    await valkey.flushall()
    await valkey.script_flush()

    assert await sessions.load("c1", 3) is None
    taken(await other.lease("c1"))  # the journal's fence decides which of the two may commit
    lease.release()
    await sessions.flushed()
    await saved(sessions, "c1", 3, {"n": 3})
    assert await sessions.load("c1", 3) == {"n": 3}
    assert not sessions.degraded


async def test_a_lease_that_was_flushed_away_is_kept(
    monkeypatch: pytest.MonkeyPatch, valkey_url: str, other: Sessions, valkey: redis.Redis
) -> None:
    monkeypatch.setattr("bot.sessions.RENEW_SECONDS", 0.02)
    async with Sessions(valkey_url, "test") as sessions:
        lease = taken(await sessions.lease("c1"))
        await valkey.flushall()

        async def kept() -> bool:
            return bool(await valkey.keys("*:lease"))

        await until(kept)
        assert isinstance(await other.lease("c1"), Held)
        assert not lease.lost


@asynccontextmanager
async def own_valkey(home: Path) -> AsyncIterator[tuple[Sessions, int]]:
    """Sessions on a server of their own, and its process."""
    async with embedded_valkey(home) as url, Sessions(url, "test") as sessions:
        async with redis.Redis.from_url(url) as client:
            process = int((await client.info("server"))["process_id"])
        await everything(sessions)
        yield sessions, process


async def test_a_hung_redis_is_waited_for_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with own_valkey(tmp_path) as (sessions, process):
        os.kill(process, signal.SIGSTOP)
        try:
            started = time.monotonic()
            first = await asyncio.gather(*(everything(sessions) for _ in range(20)))
            waited = time.monotonic() - started
            asked = caplog.text.count("Redis is away")
            later = await everything(sessions)
        finally:
            os.kill(process, signal.SIGCONT)

        assert all(answers[:2] == (None, None) for answers in [*first, later])
        assert later[2] != 0.0  # the limit holds for this process
        assert asked == 1
        assert waited < 5  # the library's defaults take longer than that for one call
        assert sessions.degraded
        await until(lambda: not sessions.degraded)
        assert await sessions.lease("c9") is not None


async def test_a_dead_redis_hurts_nobody_and_is_found_again(tmp_path: Path) -> None:
    async with own_valkey(tmp_path) as (sessions, process):
        os.kill(process, signal.SIGKILL)
        await until(lambda: not _alive(process))
        answers = await everything(sessions)
        assert answers[:2] == (None, None)

        await until(lambda: not sessions.degraded)  # the embedded server was started again
        assert (await everything(sessions))[0] == {"n": 3}


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


async def test_news_of_others_arrive_again_after_redis_was_dead(tmp_path: Path) -> None:
    async with own_valkey(tmp_path) as (sessions, process):
        path, ears = sessions._hearing.connection_pool.connection_kwargs["path"], Ears()
        async with hearing(f"unix://{path}", ears):
            os.kill(process, signal.SIGKILL)
            await until(lambda: not _alive(process))

            async def heard_of() -> bool:
                sessions.publish("c1", 99)
                return ("c1", 99) in ears.news

            await until(heard_of)


async def test_news_that_could_not_be_told_wake_everybody_later(
    sessions: Sessions, valkey_url: str, valkey: redis.Redis
) -> None:
    ears = Ears()
    async with hearing(valkey_url, ears):
        await listening(valkey, 2)
        await until(lambda: ears.gaps > 0)
        before = ears.gaps
        sessions._redis.lose("a test")  # this process alone lost sight of Redis
        sessions.publish("c1", 7)
        assert not ears.news

        await until(lambda: ears.gaps > before)


async def test_everybody_looks_again_and_again_while_redis_is_away(tmp_path: Path) -> None:
    async with own_valkey(tmp_path) as (sessions, process):
        path, ears = sessions._hearing.connection_pool.connection_kwargs["path"], Ears()
        async with hearing(f"unix://{path}", ears) as other:
            await until(lambda: ears.gaps > 0)
            os.kill(process, signal.SIGSTOP)
            try:
                await everything(other)
                before = ears.gaps
                await until(lambda: ears.gaps >= before + 2)
            finally:
                os.kill(process, signal.SIGCONT)


async def test_a_redis_that_takes_no_writes_is_read(sessions: Sessions, valkey: redis.Redis) -> None:
    await saved(sessions, "c1", 3, {"n": 3})
    await valkey.config_set("maxmemory", 1)
    try:
        assert await everything(sessions) == ({"n": 3}, None, 0.0)
        assert sessions.degraded
    finally:
        await valkey.config_set("maxmemory", 0)
    assert isinstance(await sessions.lease("c9"), Lease)
    assert not sessions.degraded


async def test_a_redis_that_lets_nobody_in_is_done_without(valkey_url: str) -> None:
    async with Sessions(f"{valkey_url}?db=99") as sessions:
        assert await sessions.lease("c1") is None
        assert await sessions.allow("visitor", 1, 1) == 0.0
        assert sessions.degraded


async def test_a_call_given_up_never_answers_the_next_one(sessions: Sessions) -> None:
    for n in range(1, 101):
        await saved(sessions, f"c{n}", n, {"n": n})

    async def impatient(n: int) -> None:
        asking = asyncio.create_task(sessions.load(f"c{n}", n))
        for _ in range(n % 7):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    for n in range(1, 101):
        await impatient(n)
        assert await sessions.load(f"c{n}", n) == {"n": n}


async def test_nothing_is_counted_twice_across_a_stall(tmp_path: Path) -> None:
    async with own_valkey(tmp_path) as (sessions, process):
        os.kill(process, signal.SIGSTOP)
        await asyncio.gather(*(sessions.allow(f"d{n}", 0.001, 5) for n in range(5)))
        os.kill(process, signal.SIGCONT)
        await until(lambda: not sessions.degraded)

        path = sessions._hearing.connection_pool.connection_kwargs["path"]
        async with redis.Redis(unix_socket_path=path, decode_responses=True) as client:
            left = [await client.hget(key, "tokens") for key in await client.keys("*{d*}:rate")]
        assert all(tokens is not None and float(tokens) > 3.9 for tokens in left)


async def test_a_redis_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    async with Sessions(f"unix://{tmp_path}/nothing.sock") as sessions:
        with pytest.raises(SessionsError, match=r"nothing\.sock .*start it, correct REDIS_URL"):
            await sessions.ping()
        assert (await everything(sessions))[:2] == (None, None)


@pytest.mark.parametrize("url", ["http://localhost", "localhost:6379", "redis://host:port/x"])
def test_a_url_that_is_none_is_a_sentence(url: str) -> None:
    with pytest.raises(SessionsError, match="REDIS_URL is not a URL"):
        Sessions(url)


async def test_the_password_is_not_told() -> None:
    async with Sessions("redis://:secret@127.0.0.1:1/0") as sessions:
        with pytest.raises(SessionsError) as told:
            await sessions.ping()
    assert "secret" not in str(told.value)
