"""What all server processes have in hand together: on a real Valkey, whose memory may go at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio as redis

from bot.embedded import embedded_valkey
from bot.presence import Presence
from bot.sessions import Sessions


@asynccontextmanager
async def process(url: str) -> AsyncIterator[Presence]:
    async with Sessions(url, "test") as sessions, Presence(sessions) as presence:
        yield presence


@pytest.fixture
async def one(valkey_url: str) -> AsyncIterator[Presence]:
    async with process(valkey_url) as presence:
        yield presence


async def until_alone(process: Presence) -> None:
    async with asyncio.timeout(60):
        while await process.count("address", 1) != 1:
            await asyncio.sleep(0.05)


async def test_all_processes_count_together(one: Presence, valkey_url: str) -> None:
    assert await one.count("address", 3) == 3
    async with process(valkey_url) as two:
        assert await two.count("address", 2) == 5
        assert await one.count("address", 4) == 6
        assert await one.count("another", 1) == 1
        one.tell("address", 0)
        assert await two.count("address", 2) == 2


async def test_what_a_process_had_goes_with_it(one: Presence, valkey_url: str) -> None:
    async with process(valkey_url) as two:
        assert await two.count("address", 5) == 5
        assert await one.count("address", 1) == 6
    await until_alone(one)


async def test_what_a_killed_process_had_goes_when_it_is_not_heard_of(one: Presence, valkey_url: str) -> None:
    async with process(valkey_url) as killed:
        assert await killed.count("address", 5) == 5
        assert killed._beating
        killed._beating.cancel()
        assert await one.count("address", 1) == 6
        await until_alone(one)
    async with redis.Redis.from_url(valkey_url) as client:
        (name,) = await client.keys("*:count")
        async with asyncio.timeout(60):
            while await client.hlen(name) != 1:
                await asyncio.sleep(0.01)


async def test_a_flushed_redis_knows_again_what_it_is_told(one: Presence, valkey_url: str) -> None:
    async with process(valkey_url) as two:
        await two.count("address", 2)
        async with redis.Redis.from_url(valkey_url) as client:
            await client.flushall()
        assert await one.count("address", 1) == 1
        assert await two.count("address", 3) == 4


async def test_without_redis_each_counts_for_itself(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path) as url:
        async with process(url) as one, process(url) as two:
            assert await two.count("address", 2) == 2
            async with redis.Redis.from_url(url) as client:
                await client.client_pause(60_000)
            assert await one.count("address", 3) == 3
            one.tell("address", 0)


async def test_nothing_stays_in_redis_for_ever(one: Presence, valkey_url: str) -> None:
    await one.count("address", 1)
    async with redis.Redis.from_url(valkey_url) as client:
        keys = await client.keys("*")
        assert len(keys) == 2
        assert all([await client.pttl(key) > 0 for key in keys])
