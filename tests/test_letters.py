"""`frontdesk outbox` and `frontdesk dead`, as a person calls them, on a database that a service may be using."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bot.agents import Agents
from bot.fanout import Fanout
from bot.hub import Hub
from bot.journal.deliveries import Claimant
from bot.journal.journal import Journal
from bot.journal.values import DeliveryState, Settled
from bot.messages import Author, Event, Inbound, Outbound, Owner, Turn
from tests.command import Frontdesk, environment, ran
from tests.receiver import SECRET, Receiver
from tests.service import KeywordUnderstander, Widget, running

T = TypeVar("T")
ME = Claimant("me", ("signed",), 60, 86400)


@pytest.fixture
def frontdesk(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], database_url: str
) -> Frontdesk:
    monkeypatch.setenv("DATABASE_URL", database_url)
    return Frontdesk(monkeypatch, capfdbinary)


@pytest.fixture
def on(database_url: str) -> Callable[[Callable[[Journal], Awaitable[Any]]], Any]:
    """Does something on the database."""

    def do(work: Callable[[Journal], Awaitable[T]]) -> T:
        async def run() -> T:
            async with await Journal.open(database_url) as journal:
                return await work(journal)

        return asyncio.run(run())

    return do


On = Callable[[Callable[[Journal], Awaitable[Any]]], Any]


async def answered(journal: Journal, conversation: str, *replies: str) -> None:
    inbound = Inbound(conversation, "m1", "hello", "signed", 1.0, address={"conversation": conversation})
    seq = (await journal.accept(inbound)).seq
    await journal.commit(Turn(inbound, seq, (), tuple(map(Outbound, replies)), Owner.BOT), 0)


async def three_deliveries(journal: Journal) -> None:
    """One that was given up, one that may have arrived, one that waits for a time to come."""
    failures = [
        Settled(DeliveryState.GIVEN_UP, error="The provider answered 404 (Not Found)."),
        Settled(DeliveryState.UNKNOWN, error="The connection broke before an answer came."),
        Settled(DeliveryState.WAITING, due_at=time.time() + 600, error="Nobody answers at the address."),
    ]
    for number, failure in enumerate(failures):
        await answered(journal, f"c{number}", f"reply {number}")
        (delivery,) = await journal.claim(ME, 1)
        await journal.settle(delivery.id, ME, failure)


async def given_up(journal: Journal, conversation: str, text: str = "where is it?") -> None:
    seq = (await journal.accept(Inbound(conversation, "m1", text, "web", 1_700_000_000.0))).seq
    await journal.attempt(conversation, seq)
    fence = await journal.fence(conversation)
    pause = Event("pause", 1.0, {"owner": "queue"})
    await journal.bury(conversation, seq, "crash", Outbound("Sorry."), fence, events=(pause,))


# The outbox


@pytest.mark.parametrize("verb", ["outbox", "dead"])
def test_without_a_conversation_log_there_is_a_sentence(
    verb: str, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "nowhere"))
    ended = Frontdesk(monkeypatch, capfdbinary)(verb, "list")
    assert (ended.code, ended.err) == (
        2,
        f"frontdesk: There is no conversation log {tmp_path}/nowhere/frontdesk.db; "
        "name its folder with FRONTDESK_HOME, or start the service once.\n",
    )
    assert not (tmp_path / "nowhere").exists()


def test_where_nothing_is_there_is_a_sentence(frontdesk: Frontdesk, on: On) -> None:
    on(lambda journal: journal.ping())
    assert frontdesk("outbox", "list").err == "Nothing waits to be delivered, and there is no dead letter.\n"
    assert json.loads(frontdesk("outbox", "list", "--json").out)["deliveries"] == []
    for words in (
        ("outbox", "retry", "--all"),
        ("outbox", "drop", "--all"),
        ("dead", "list"),
        ("dead", "retry", "--all"),
    ):
        ended = frontdesk(*words)
        assert (ended.code, ended.out, ended.err) == (0, "", "There is no dead letter.\n")
    assert json.loads(frontdesk("dead", "list", "--json").out) == []


def test_the_outbox_shows_what_waits_and_what_did_not_arrive(frontdesk: Frontdesk, on: On) -> None:
    on(three_deliveries)
    lines = frontdesk("outbox", "list").out.splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == ["id", "1", "2", "3", "1 waiting, 2 dead letters."]
    assert "  signed   c0/2" in lines[1]
    assert "  given up " in lines[1]
    assert lines[1].endswith("  The provider answered 404 (Not Found).")
    assert "  may have arrived  1 " in lines[2]
    assert "  waiting " in lines[3]
    assert (
        frontdesk("outbox", "list").err == "The channel 'signed' is not set up here: what waits for it is not sent.\n"
    )

    told = json.loads(frontdesk("outbox", "list", "--json").out)
    assert told["counts"] == {"waiting": 1, "given_up": 1, "unknown": 1}
    assert [(d["id"], d["state"], d["attempts"], d["text"]) for d in told["deliveries"]] == [
        (1, "given_up", 1, "reply 0"),
        (2, "unknown", 1, "reply 1"),
        (3, "waiting", 1, "reply 2"),
    ]


def test_a_person_sends_again_or_drops(frontdesk: Frontdesk, on: On) -> None:
    on(three_deliveries)
    assert frontdesk("outbox", "drop", 1).out == "1 delivery dropped.\n"
    assert frontdesk("outbox", "retry", 3).out == "1 delivery retried: the service sends them soon, or once it runs.\n"
    assert json.loads(frontdesk("outbox", "retry", "--all", "--json").out) == {"retried": [2]}

    claimed = on(lambda journal: journal.claim(ME, 10))
    assert [(d.id, d.doubt) for d in claimed] == [(2, False), (3, False)]
    ended = frontdesk("outbox", "drop", 2)
    assert (ended.out, ended.err) == (
        "0 deliveries dropped.\n",
        "Delivery 2 is under way just now; look again in a minute.\n",
    )


@pytest.mark.parametrize("words", [("outbox", "retry"), ("outbox", "drop"), ("dead", "retry"), ("dead", "drop")])
def test_what_is_not_there_is_a_sentence_and_changes_nothing(
    frontdesk: Frontdesk, on: On, words: tuple[str, ...]
) -> None:
    on(three_deliveries)
    on(lambda journal: given_up(journal, "d1"))
    before = frontdesk("outbox", "list", "--json").out, frontdesk("dead", "list", "--json").out
    known = 1 if words[0] == "outbox" else "d1/1"
    ended = frontdesk(*words, known, 99)
    assert ended.code == 2
    assert ended.err.startswith("frontdesk: There is no de")
    assert "99" in ended.err
    assert frontdesk(*words).err == "frontdesk: Name the ids that `list` shows, or say --all.\n"
    assert frontdesk(*words, known, "--all").code == 2
    assert (frontdesk("outbox", "list", "--json").out, frontdesk("dead", "list", "--json").out) == before


# Dead letters


def test_dead_letters_are_shown_and_dropped(frontdesk: Frontdesk, on: On) -> None:
    on(lambda journal: given_up(journal, "d1", "where\n is \0 it? " + "x" * 80))
    head, line, count = frontdesk("dead", "list").out.splitlines()
    assert head.split() == ["id", "when", "why", "is", "with", "message"]
    assert line.startswith("d1/1  20")
    assert "  crash  waiting for a person  where is \ufffd it? xxx" in line
    assert line.endswith("xxx...")
    assert count == "1 dead letter."
    (told,) = json.loads(frontdesk("dead", "list", "--json").out)
    assert (told["id"], told["failure"], told["owner"]) == ("d1/1", "crash", "queue")

    assert frontdesk("dead", "drop", "d1/1").out == "1 message dropped.\n"
    assert frontdesk("dead", "list").err == "There is no dead letter.\n"
    assert on(lambda journal: journal.counts()).dead == 0
    assert on(lambda journal: journal.conversation("d1")).owner is Owner.QUEUE, "a person still has it"


def test_a_message_waits_again_and_its_apology_answers_nothing(frontdesk: Frontdesk, on: On) -> None:
    on(lambda journal: given_up(journal, "d1"))
    assert frontdesk("dead", "retry", "d1/1").out == "1 message retried: the service answers soon, or once it runs.\n"

    async def answer(journal: Journal) -> None:
        (waiting,) = await journal.waiting("d1")
        assert (waiting.seq, await journal.attempt("d1", 1)) == (1, 1), "its crashes are forgotten"
        conversation = await journal.conversation("d1")
        assert conversation is not None
        assert (conversation.owner, conversation.reason, conversation.queued_at) == (Owner.BOT, None, None)
        await journal.commit(Turn(waiting.inbound, 1, (), (Outbound("here"),), Owner.BOT), conversation.fence)
        assert [(e.message.text, e.reply_to) for e in await journal.entries("d1", after=1)] == [
            ("Sorry.", None),
            ("here", 1),
        ]
        assert [event.name for event in await journal.events("d1")] == ["pause", "resume"]

    on(answer)


@pytest.mark.parametrize(
    ("owner", "reason", "sentence"),
    [
        (Owner.AGENT, None, "a person has the conversation now and answers it"),
        (Owner.QUEUE, "customer_request", "the customer waits for a person for another reason"),
    ],
)
def test_a_person_who_has_the_conversation_is_not_disturbed(
    frontdesk: Frontdesk, on: On, owner: Owner, reason: str | None, sentence: str
) -> None:
    async def taken(journal: Journal) -> None:
        await given_up(journal, "d1")
        await given_up(journal, "d2")
        await journal.append("d1", Outbound("a person", author=Author.SYSTEM), owner=owner, reason=reason)

    on(taken)
    ended = frontdesk("dead", "retry", "--all")
    assert ended.out == "1 message retried: the service answers soon, or once it runs.\n"
    assert ended.err.startswith(f"d1/1: {sentence}")
    assert on(lambda journal: journal.waiting("d1")) == []
    told = json.loads(frontdesk("dead", "retry", "d1/1", "--json").out)
    assert (told["retried"], list(told["left"])) == ([], ["d1/1"])


# Beside a running service


class Fuse:
    """Fails until it is mended."""

    broken = True

    async def __call__(self, text: str) -> None:
        if self.broken and "ask" in text:
            raise RuntimeError("the model is ill")


async def test_the_customer_gets_the_answer_late_but_right(tmp_path: Path) -> None:
    fuse = Fuse()
    async with running(tmp_path, KeywordUnderstander(before=fuse)) as service, Widget.open(service.url) as widget:
        conversation_id = widget.welcome["conversation"]
        (apology,) = await widget.ask("ask")
        assert "sorry" in apology["text"].lower()
        fuse.broken = False
        (waits,) = await widget.ask("ask once more")
        assert waits["text"] != "answer", "a person was promised"
        ended = await asyncio.to_thread(ran, "dead", "retry", f"{conversation_id}/1", env=environment(tmp_path))
        assert (ended.code, ended.err) == (0, "")
        while not any(entry["text"] == "answer" and entry["reply_to"] == 1 for entry in widget.entries):
            await widget.until("entries")
        (again,) = await widget.ask("ask")
        assert again["text"] == "answer"
        conversation = await service.journal.conversation(conversation_id)
        assert conversation is not None
        assert conversation.owner is Owner.BOT


async def test_after_an_apology_the_customer_waits_for_a_person(tmp_path: Path) -> None:
    fuse = Fuse()
    async with running(tmp_path, KeywordUnderstander(before=fuse)) as service, Widget.open(service.url) as widget:
        conversation_id = widget.welcome["conversation"]
        await widget.ask("ask")
        fuse.broken = False
        await widget.ask("ask")
        conversation = await service.journal.conversation(conversation_id)
        assert conversation is not None
        assert (conversation.owner, conversation.reason) == (Owner.QUEUE, "crash")
        assert (await service.journal.queue_position(conversation_id)) == 1

        agents = Agents(service.journal, Fanout(Hub(), service.sessions, service.journal))
        await agents.take(conversation_id, "Mara")
        await agents.release(conversation_id, "Mara")
        (answer,) = await widget.ask("ask")
        assert answer["text"] == "answer"


async def test_what_a_person_sends_again_arrives(tmp_path: Path) -> None:
    path = tmp_path / "frontdesk.db"
    async with await Journal.open(path) as journal:
        await three_deliveries(journal)
    async with Receiver.open() as receiver, running(tmp_path, signed={"url": receiver.url, "secrets": [SECRET]}):
        env = environment(tmp_path)
        assert (await asyncio.to_thread(ran, "outbox", "retry", "1", "3", env=env)).code == 0
        await receiver.until(lambda: set(receiver.seen) == {"c0", "c2"})
        told = json.loads((await asyncio.to_thread(ran, "outbox", "list", "--json", env=env)).out)
        assert [delivery["id"] for delivery in told["deliveries"]] == [2]
