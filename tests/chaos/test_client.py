"""The client where a sound server cannot lead it: entries that are missing, refusals, a log that began anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.chaos.client import Client, Manners, Refused, open_session

Json = dict[str, Any]
QUICK = Manners(shortest_spread=0.0, longest_spread=0.0)


def entry(seq: int, **more: Any) -> Json:
    return {"seq": seq, "author": "bot", "reply_to": None, "text": f"line {seq}", **more}


class Script:
    """A server that says what the test wants, one list of frames for each hello and each message."""

    def __init__(self, hellos: list[list[Json]], messages: list[list[Json]] | None = None) -> None:
        self._hellos, self._messages = hellos, messages or []
        self.hellos: list[Json] = []
        self.messages: list[Json] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            frame = message.json()
            said, answers = {
                "hello": (self.hellos, self._hellos),
                "message": (self.messages, self._messages),
            }[frame["type"]]
            said.append(frame)
            for answer in answers.pop(0) if answers else []:
                await socket.send_json({"id": frame["id"], **answer} if answer["type"] in ("ack", "error") else answer)
        return socket

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        app = web.Application()
        app.add_routes([web.get("/widget/ws", self.serve)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            async with open_session() as session, Client(session, url, manners=QUICK) as client:
                yield client
        finally:
            await runner.cleanup()


def welcome(seq: int, epoch: str = "e") -> Json:
    return {"type": "welcome", "token": "t", "conversation": "c", "epoch": epoch, "seq": seq, "owner": "bot"}


def entries(*numbers: int) -> Json:
    return {"type": "entries", "entries": [entry(number) for number in numbers], "more": False}


async def test_a_client_that_misses_an_entry_asks_for_it() -> None:
    script = Script([[welcome(3), entries(1, 3)], [welcome(3), entries(2, 3)]])
    async with script.client() as client:
        await client.until(lambda: client.last_seq == 3)
        assert [hello["last_seq"] for hello in script.hellos] == [0, 1]
        assert [each["seq"] for each in client.entries] == [1, 2, 3]


async def test_a_client_shows_no_entry_twice() -> None:
    script = Script([[welcome(2), entries(1, 2), entries(2), entries(1, 2, 3)]])
    async with script.client() as client:
        await client.until(lambda: client.last_seq == 3)
        assert [each["seq"] for each in client.entries] == [1, 2, 3]


async def test_a_client_forgets_what_it_has_when_the_log_began_anew() -> None:
    script = Script([[welcome(2), entries(1, 2)], [welcome(1, "other")], [welcome(1, "other"), entries(1)]])
    async with script.client() as client:
        await client.until(lambda: client.last_seq == 2)
        client.cut()
        await client.until(lambda: client.epoch == "other" and client.last_seq == 1)
        assert [each["seq"] for each in client.entries] == [1]
        assert (script.hellos[2]["epoch"], script.hellos[2]["last_seq"]) == (None, 0)


async def test_a_message_that_is_refused_for_now_is_sent_again_before_the_next() -> None:
    not_yet = {"type": "error", "code": "busy", "message": "", "retry_after": 0.01}
    acks = [[not_yet], [{"type": "ack", "seq": 1}], [{"type": "ack", "seq": 2}]]
    script = Script([[welcome(0)]], acks)
    async with script.client() as client:
        first, second = client.say("one"), client.say("two")
        assert (await first.acknowledged, await second.acknowledged) == (1, 2)
        assert [frame["text"] for frame in script.messages] == ["one", "one", "two"]
        assert script.messages[0]["id"] == script.messages[1]["id"]


async def test_a_message_that_is_refused_for_good_is_not_sent_again() -> None:
    script = Script(
        [[welcome(0)]], [[{"type": "error", "code": "too_long", "message": ""}], [{"type": "ack", "seq": 1}]]
    )
    async with script.client() as client:
        refused, taken = client.say("one"), client.say("two")
        with pytest.raises(Refused, match="too_long"):
            await refused.acknowledged
        assert await taken.acknowledged == 1
        assert len(script.messages) == 2


async def test_what_was_not_acknowledged_is_sent_again_after_the_next_welcome() -> None:
    script = Script([[welcome(0)], [welcome(0)]], [[], [{"type": "ack", "seq": 1}]])
    async with script.client() as client:
        message = client.say("one")
        while not script.messages:
            await asyncio.sleep(0.001)
        client.cut()
        assert await message.acknowledged == 1
        assert {frame["id"] for frame in script.messages} == {message.id}
