"""The service on a PostgreSQL and a Valkey of their own, as in production, and two of it side by side."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import redis.asyncio as redis

from bot.embedded import embedded_valkey
from bot.messages import Author
from tests.service import Widget, running


async def test_the_service_runs_on_postgresql_and_redis(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    async with running(tmp_path, database_url=postgres_url, redis_url=valkey_url) as service:
        assert service.database.startswith("postgresql://")
        assert service.redis == valkey_url
        async with Widget.open(service.url) as widget:
            for _ in range(5):
                assert (await widget.ask("ask"))[0]["text"] == "answer"
            assert [entry["seq"] for entry in widget.entries] == list(range(1, 11))
    assert not (tmp_path / "frontdesk.db").exists()
    assert not (tmp_path / "redis").exists()


async def test_two_servers_share_a_conversation(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    shared = {"database_url": postgres_url, "redis_url": valkey_url, "secret": "the same"}
    async with (
        running(tmp_path / "a", **shared) as first,
        running(tmp_path / "b", **shared) as second,
        Widget.open(first.url) as phone,
        Widget.open(second.url, token=phone.welcome["token"]) as laptop,
    ):
        for number in range(6):
            await (phone, laptop)[number % 2].say("ask", f"m{number}")
        for widget in (phone, laptop):
            while len(widget.entries) < 12:
                await widget.until("entries")
            assert [entry["seq"] for entry in widget.entries] == list(range(1, 13))
            answered = [entry["reply_to"] for entry in widget.entries if entry["author"] == Author.BOT.value]
            assert len(set(answered)) == len(answered) == 6
            assert answered == sorted(answered)


async def test_with_redis_dead_every_message_is_answered(tmp_path: Path) -> None:
    async with embedded_valkey(tmp_path / "valkey") as url:
        async with running(tmp_path / "home", redis_url=url) as service, Widget.open(service.url) as widget:
            await widget.ask("ask")
            async with redis.Redis.from_url(url) as client:
                process = int((await client.info("server"))["process_id"])
            os.kill(process, signal.SIGSTOP)
            try:
                for _ in range(3):
                    assert (await widget.ask("ask"))[0]["text"] == "answer"
            finally:
                os.kill(process, signal.SIGCONT)
            await widget.ask("ask")
        assert [entry["seq"] for entry in widget.entries] == list(range(1, 11))


async def test_a_server_forgets_what_another_has_answered(tmp_path: Path, postgres_url: str, valkey_url: str) -> None:
    shared = {"database_url": postgres_url, "redis_url": valkey_url, "secret": "the same", "queue_size": 3}
    async with (
        running(tmp_path / "a", **shared) as first,
        running(tmp_path / "b", **shared) as second,
        Widget.open(first.url) as phone,
        Widget.open(second.url, token=phone.welcome["token"]) as laptop,
    ):
        for _ in range(5):
            for widget in (phone, laptop):
                acknowledged = await widget.say("ask")
                assert acknowledged["type"] == "ack", acknowledged
                await widget.replies(acknowledged["seq"])
