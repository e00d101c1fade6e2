"""Turns across crashes, take-overs and servers: the dispatcher between a real journal and a real Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot import dispatcher as module
from bot.actions import InProcess
from bot.agents import Agents
from bot.app import database_path
from bot.config import Settings
from bot.dispatcher import Bounds, Dispatcher
from bot.fanout import Fanout
from bot.hub import Hub
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.messages import Author, Inbound, Outbound, Owner
from bot.sessions import Sessions
from bot.turn import Turns
from tests.service import KeywordUnderstander, Widget, echo_assistant, running


class Gate:
    """Holds back every question until it is opened, and counts them."""

    def __init__(self) -> None:
        self.asked, self._open = asyncio.Semaphore(0), asyncio.Event()

    async def __call__(self, text: str) -> None:
        if "ask" in text:  # not the health page's
            self.asked.release()
            await self._open.wait()

    def open(self) -> None:
        self._open.set()


async def left_behind(home: Path, times: int, text: str = "ask") -> None:
    """A message that was accepted by a server which is gone, after so many other servers crashed on it."""
    path = database_path(Settings(home=home))
    async with await Journal.open(path, clock=lambda: time.time() - 60) as journal:
        accepted = await journal.accept(Inbound("rest-u", "m1", text, "rest", time.time()))
        for _ in range(times):
            await journal.attempt("rest-u", accepted.seq)


SIGNED = {"url": "http://127.0.0.1:9", "secrets": ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]}


async def flood(home: Path, *conversations: str) -> None:
    """Messages of a messaging app, accepted by a server which is gone."""
    path = database_path(Settings(home=home))
    async with await Journal.open(path, clock=lambda: time.time() - 60) as journal:
        for number, name in enumerate(conversations):
            where = {"conversation": name}
            inbound = Inbound(f"signed-{name}", f"m{number}", f"ask {name}", "signed", time.time(), address=where)
            await journal.accept(inbound)


async def answered(journal: Journal) -> list[str]:
    async with asyncio.timeout(60):
        while await journal.waiting("rest-u"):
            await asyncio.sleep(0.02)
    return [entry.message.text for entry in await journal.entries("rest-u", after=1)]


async def test_a_message_that_two_servers_crashed_on_is_tried_again(tmp_path: Path) -> None:
    await left_behind(tmp_path, times=1)
    async with running(tmp_path) as service:
        assert await answered(service.journal) == ["answer"]


async def test_a_message_that_three_servers_crashed_on_gets_an_apology_and_a_person(tmp_path: Path) -> None:
    await left_behind(tmp_path, times=2)
    async with running(tmp_path) as service:
        (apology,) = await answered(service.journal)
        assert "sorry" in apology.lower()
        conversation = await service.journal.conversation("rest-u")
        assert conversation is not None
        assert (conversation.owner, conversation.reason) == (Owner.QUEUE, "crash")
        assert (await service.journal.counts()).dead == 1


async def test_what_only_waits_for_its_turn_has_crashed_nobody(tmp_path: Path) -> None:
    gate, names = Gate(), [f"c{number}" for number in range(40)]
    await flood(tmp_path, *names)
    async with running(tmp_path, KeywordUnderstander(before=gate), signed=SIGNED) as service:
        for _ in range(module._PATIENT_PLACES):
            await gate.asked.acquire()
        await asyncio.sleep(0.2)  # time to count others
        counted = [await service.journal.attempt(f"signed-{name}", 1) - 1 for name in names]
        assert sum(counted) == module._PATIENT_PLACES
        gate.open()


async def test_who_writes_on_and_on_keeps_nobody_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENT_PLACES", 1)
    order: list[str] = []

    async def note(text: str) -> None:
        if text.startswith("ask "):
            order.append(text[4:])

    await flood(tmp_path, *["talker"] * 30, "other")
    async with running(tmp_path, KeywordUnderstander(before=note), signed=SIGNED), asyncio.timeout(60):
        while len(order) < 31:
            await asyncio.sleep(0.02)
    assert order.index("other") <= 1


async def test_turns_that_agents_overtake_are_no_crashes(tmp_path: Path) -> None:
    gate = Gate()
    async with running(tmp_path, KeywordUnderstander(before=gate)) as service, Widget.open(service.url) as widget:
        conversation_id = widget.welcome["conversation"]
        agents = Agents(service.journal, Fanout(Hub(), service.sessions, service.journal))
        acknowledged = await widget.say("ask")
        await gate.asked.acquire()
        for _ in range(5):
            await agents.take(conversation_id, "Ada")
            await agents.release(conversation_id, "Ada")
        gate.open()
        (answer,) = await widget.replies(acknowledged["seq"])
        assert answer["text"] == "answer"
        assert (await service.journal.counts()).dead == 0


async def test_who_waits_for_a_person_hears_of_every_move_of_the_queue(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as service,
        Widget.open(service.url) as first,
        Widget.open(service.url) as second,
    ):
        for place, widget in enumerate((first, second), 1):
            await widget.command("human")
            assert await widget.until("owner") == {"type": "owner", "owner": "queue", "position": place}
        async with Widget.open(service.url, token=second.welcome["token"]) as laptop:
            assert (laptop.welcome["owner"], laptop.welcome["position"]) == ("queue", 2)
            await first.command("restart")
            assert (await first.until("owner"))["owner"] == "bot"
            for widget in (second, laptop):
                assert await widget.until("owner") == {"type": "owner", "owner": "queue", "position": 1}


async def test_who_goes_to_a_person_hears_of_it_though_the_database_is_away_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(conversation_id: str) -> int:
        raise Unavailable("The database is away.")

    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        monkeypatch.setattr(service.journal, "queue_position", away)
        await widget.command("human")
        assert await widget.until("owner") == {"type": "owner", "owner": "queue", "position": 0}
        assert (await widget.replies(1))[0]["author"] == "bot"


async def test_typing_and_owner_reach_the_widgets_of_other_servers(tmp_path: Path, valkey_url: str) -> None:
    gate = Gate()
    shared: dict[str, Any] = {"redis_url": valkey_url, "database_url": f"sqlite:///{tmp_path}/one.db", "secret": "s"}
    async with (
        running(tmp_path / "a", KeywordUnderstander(before=gate), **shared) as first,
        running(tmp_path / "b", **shared) as second,
        Widget.open(first.url) as phone,
        Widget.open(second.url, token=phone.welcome["token"]) as laptop,
    ):
        await phone.say("ask")
        for widget in (phone, laptop):
            assert (await widget.typing())["on"] is True
        gate.open()
        for widget in (phone, laptop):
            assert (await widget.typing())["on"] is False
        await phone.command("human")
        for widget in (phone, laptop):
            assert await widget.until("owner") == {"type": "owner", "owner": "queue", "position": 1}


async def test_a_quick_answer_shows_no_typing(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        for _ in range(10):
            await widget.ask("ask")
        assert widget.typings == []


async def test_a_server_that_stops_hands_its_conversations_over_at_once(tmp_path: Path, valkey_url: str) -> None:
    gate = Gate()
    shared: dict[str, Any] = {"redis_url": valkey_url, "database_url": f"sqlite:///{tmp_path}/one.db", "secret": "s"}
    async with running(tmp_path / "b", **shared) as second:
        async with running(tmp_path / "a", KeywordUnderstander(before=gate), **shared) as first:
            async with Widget.open(first.url) as phone:
                token, epoch = phone.welcome["token"], phone.welcome["epoch"]
                await phone.say("ask")
                await gate.asked.acquire()
        async with Widget.open(second.url, token=token, epoch=epoch, last_seq=1) as phone:
            assert (await phone.replies(1))[0]["text"] == "answer"


@asynccontextmanager
async def dispatching(journal: Journal, redis: str, folder: Path, understander: Any) -> AsyncIterator[Dispatcher]:
    """A server without doors."""
    async with Sessions(redis, journal.name) as sessions:
        turns = Turns(echo_assistant(folder), understander, InProcess("actions", 1.0), journal, 20.0)
        fanout = Fanout(Hub(), sessions, journal)
        dispatcher = Dispatcher(
            journal, sessions, turns, fanout, Bounds(100, 100, 50, 20.0, Outbound("Sorry."), Outbound("Slowly."))
        )
        await dispatcher.start()
        yield dispatcher
        await dispatcher.close(grace=0.1)


async def test_without_redis_one_server_at_a_time_answers_and_nobody_takes_it_for_crashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sweeper.SWEEP_SECONDS", 0.05)
    gate, swept = Gate(), asyncio.Semaphore(0)
    async with await Journal.open(tmp_path / "one.db") as journal, AsyncExitStack() as stack:
        orphans = journal.orphans

        async def counted(before: float) -> list[str]:
            swept.release()
            return await orphans(before + 3600)  # as if all had waited for long

        monkeypatch.setattr(journal, "orphans", counted)
        nowhere = f"unix://{tmp_path}/nothing.sock"
        servers = [
            await stack.enter_async_context(
                dispatching(journal, nowhere, tmp_path / "assistant", KeywordUnderstander(before=gate))
            )
            for _ in range(4)
        ]
        await servers[0].receive(Inbound("rest-u", "m1", "ask", "rest", time.time()))
        await gate.asked.acquire()
        for _ in range(20 * len(servers)):
            await swept.acquire()
        gate.open()
        assert await answered(journal) == ["answer"]
        assert gate.asked.locked()  # nobody else asked the model
        assert (await journal.counts()).dead == 0


class StoppedClock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return time.time()


async def test_who_answers_hears_of_a_message_that_comes_as_another_server_leaves_the_conversation_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_url: str
) -> None:
    clock, heard = StoppedClock(), asyncio.Semaphore(0)
    monkeypatch.setattr("bot.dispatcher.time", clock)
    monkeypatch.setattr("bot.dispatcher._CLAIM_PAUSE", 60.0)
    monkeypatch.setattr("bot.sweeper.SWEEP_SECONDS", 60.0)
    monkeypatch.setattr("bot.sweeper.UNTOLD_SECONDS", 60.0)
    async with await Journal.open(tmp_path / "one.db") as journal, AsyncExitStack() as stack:
        owner = Sessions(valkey_url, journal.name, on_news=lambda name, seq, signal: heard.release())
        await stack.enter_async_context(owner)
        await owner.lease("rest-u")
        server = dispatching(journal, valkey_url, tmp_path / "assistant", KeywordUnderstander())
        dispatcher = await stack.enter_async_context(server)
        async with asyncio.timeout(60):
            await dispatcher.receive(Inbound("rest-u", "m1", "ask", "rest", time.time()))
            for _ in range(2):  # as it begins to wait for the conversation, and because of the message itself
                await heard.acquire()
            clock.now += 60
            await dispatcher.receive(Inbound("rest-u", "m2", "ask", "rest", time.time()))
            await heard.acquire()


async def test_whose_message_was_given_up_stays_with_people(tmp_path: Path) -> None:
    async def explode(text: str) -> None:
        if "bomb" in text:
            raise RuntimeError

    async with running(tmp_path, KeywordUnderstander(before=explode)) as service, Widget.open(service.url) as widget:
        await widget.ask("bomb")
        acknowledged = await widget.say("ask")
        await widget.replies(acknowledged["seq"])
        conversation = await service.journal.conversation(widget.welcome["conversation"])
        assert conversation is not None
        assert conversation.owner is Owner.QUEUE


async def test_a_state_that_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        await widget.ask("ask")
        conversation_id = widget.welcome["conversation"]
        broken = {"of": "another version"}
        await service.journal.append(conversation_id, Outbound("a notice", author=Author.SYSTEM), state=broken)
        assert (await widget.ask("ask"))[0]["text"] == "answer"


async def test_what_a_dying_server_told_nobody_is_seen_nevertheless(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        await widget.ask("ask")
        notice = Outbound("committed, and then killed", author=Author.SYSTEM)
        await service.journal.append(widget.welcome["conversation"], notice)
        while widget.entries[-1]["text"] != notice.text:
            await widget.until("entries")
