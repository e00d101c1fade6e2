"""Replies reach their provider once, in order, through every kind of failure; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from time import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import outbox as module
from bot.channels.calls import Caller
from bot.channels.capabilities import Capabilities, Pace
from bot.channels.connector import Connector, Signing, Token, with_headers
from bot.channels.received import Received, Request
from bot.channels.settings import Limits
from bot.channels.signed import Signed
from bot.channels.verdict import Answer, Call, Fate, Outcome, Verdict
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.journal.values import Arrival, Delivery, DeliveryState, Receipt, Whose
from bot.messages import Inbound, Outbound, Owner, Turn
from bot.outbox import LONGEST_PAUSE, Outbox, Patience
from bot.pacing import Pacing
from bot.rates import Buckets
from bot.secrets import read_secrets
from bot.sending import Sender
from tests.deliveries import settled
from tests.receiver import SECRET, Receiver

PATIENCE = Patience(at_once=8, seconds=5.0, age=3600, first_pause=0.01)


PLAIN = Capabilities(4000)


async def allow(key: str, rate: float, burst: float, _buckets: Buckets = Buckets()) -> float:  # noqa: B008  one for all
    return _buckets.allow(key, rate, burst)


DEAD = (DeliveryState.GIVEN_UP, DeliveryState.UNKNOWN)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SECONDS", 0.02)


@dataclass(frozen=True, slots=True)
class Forgetful(Signed):
    """Its provider shows a repeated message twice."""

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return tuple(replace(call, repeatable=False) for call in Signed.render(self, delivery))


def signed(url: str, kind: type[Signed] = Signed) -> Signed:
    return kind(url, read_secrets([SECRET]), Limits(4000, 16))


@asynccontextmanager
async def sending(
    journal: Journal, connector: Any, patience: Patience = PATIENCE, grace: float = 5.0, **more: Any
) -> AsyncIterator[Outbox]:
    caller = Caller(patience.seconds)
    outbox = Outbox(journal, Sender(caller, **more), {"signed": connector}, patience, pacing=Pacing(allow), **more)
    outbox.start()
    try:
        yield outbox
    finally:
        await outbox.close(grace)
        await caller.close()


async def answered(
    journal: Journal, conversation: str, *replies: str, message: str = "m1", channel: str = "signed"
) -> None:
    inbound = Inbound(conversation, message, "hello", channel, 1.0, address={"conversation": conversation})
    accepted = await journal.accept(inbound)
    await journal.commit(Turn(inbound, accepted.seq, (), tuple(map(Outbound, replies)), Owner.BOT), 0)


async def delivered(journal: Journal, number: int = 1) -> list[Delivery]:
    return await settled(journal, DeliveryState.DELIVERED, number=number)


# What goes well


async def test_replies_arrive_signed_in_order_and_once(journal: Journal) -> None:
    async with Receiver.open() as receiver, sending(journal, signed(receiver.url)):
        for number in range(5):
            await answered(journal, f"c{number}", "one", "two", "three")
        await answered(journal, "c0", "four", message="m2")
        done = await delivered(journal, 16)

        assert receiver.seen == {f"c{n}": ["one", "two", "three"] + ["four"] * (n == 0) for n in range(5)}
        assert len(receiver.calls) == 16
        assert {(d.attempts, d.parts, d.error) for d in done} == {(1, 1, None)}
        assert {d.entry.seq for d in done if d.entry.conversation_id == "c1"} == {2, 3, 4}


async def test_what_was_there_before_it_started_is_sent(journal: Journal) -> None:
    await answered(journal, "c1", "one")
    async with Receiver.open() as receiver, sending(journal, signed(receiver.url)):
        await delivered(journal)
        assert receiver.seen == {"c1": ["one"]}


async def test_a_commit_wakes_it(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SWEEP_SECONDS", 3600)
    async with Receiver.open() as receiver, sending(journal, signed(receiver.url)):
        await answered(journal, "c1", "one", "two")
        await receiver.until(lambda: receiver.seen == {"c1": ["one", "two"]})


async def test_no_more_calls_are_under_way_than_allowed(journal: Journal) -> None:
    for number in range(12):
        await answered(journal, f"c{number}", "one")
    async with Receiver.open() as receiver:
        receiver.hold.clear()
        async with sending(journal, signed(receiver.url), replace(PATIENCE, at_once=3)):
            await receiver.until(lambda: len(receiver.calls) == 3)
            receiver.hold.set()
            await delivered(journal, 12)
        assert receiver.most_at_once == 3


# The three classes of failure


@pytest.mark.parametrize("failure", ["429", "503", "425"])
async def test_what_did_not_arrive_is_sent_again(journal: Journal, failure: str) -> None:
    async with Receiver.open(failure, failure) as receiver, sending(journal, signed(receiver.url, Forgetful)):
        await answered(journal, "c1", "one", "two")
        done = await delivered(journal, 2)

        assert receiver.seen == {"c1": ["one", "two"]}
        assert [d.attempts for d in done] == [3, 1]
        assert len({key for key, _ in receiver.calls}) == 2


async def test_who_is_not_there_is_asked_again(journal: Journal) -> None:
    async with Receiver.open() as receiver:
        gone = signed("http://127.0.0.1:9/replies", Forgetful)
        async with sending(journal, gone):
            await answered(journal, "c1", "one")
            (waiting,) = await settled(journal, DeliveryState.WAITING)
            async with asyncio.timeout(60):
                while (await journal.deliveries())[0].attempts < 3:
                    await asyncio.sleep(0.01)
            assert (await journal.deliveries())[0].id == waiting.id
        async with sending(journal, signed(receiver.url, Forgetful)):
            (done,) = await delivered(journal)
        assert (receiver.seen, done.doubt) == ({"c1": ["one"]}, False)


@pytest.mark.parametrize("failure", ["late 500", "cut", "lost", "hang", "502"])
async def test_what_may_have_arrived_is_sent_again_under_its_id_to_who_remembers(
    journal: Journal, failure: str
) -> None:
    patience = replace(PATIENCE, seconds=0.3)
    async with Receiver.open(failure) as receiver, sending(journal, signed(receiver.url), patience):
        await answered(journal, "c1", "one", "two")
        await delivered(journal, 2)

        assert receiver.seen == {"c1": ["one", "two"]}
        (first, _), (again, _), (second, _) = receiver.calls
        assert first == again != second


@pytest.mark.parametrize("failure", ["late 500", "cut", "lost", "hang", "502"])
async def test_what_may_have_arrived_is_for_a_person_to_decide_where_nobody_remembers(
    journal: Journal, failure: str
) -> None:
    patience = replace(PATIENCE, seconds=0.3)
    async with Receiver.open(failure) as receiver, sending(journal, signed(receiver.url, Forgetful), patience):
        await answered(journal, "c1", "one", "two")
        await delivered(journal)
        (letter,) = await journal.deliveries(DEAD)

        assert (letter.entry.message.text, letter.state, letter.attempts) == ("one", DeliveryState.UNKNOWN, 1)
        assert letter.error
        assert [key[-3:] for key, _ in receiver.calls] == ["2-0", "3-0"], "the next one goes on"

        await journal.offer_again([letter.id])
        receiver._last.clear()  # a person wants it although a later one was shown
        await delivered(journal, 2)


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "410", "422", "301"])
async def test_what_never_will_arrive_is_a_dead_letter(journal: Journal, status: str) -> None:
    async with Receiver.open(status) as receiver, sending(journal, signed(receiver.url)):
        await answered(journal, "c1", "my secret words", "two")
        await delivered(journal)
        (letter,) = await journal.deliveries(DEAD)

        assert (letter.state, letter.attempts) == (DeliveryState.GIVEN_UP, 1)
        assert letter.error
        assert letter.error.startswith(f"The provider answered {status}")
        assert "secret" not in letter.error
        assert receiver.seen == {"c1": ["two"]}


async def test_the_provider_says_when_to_come_back(journal: Journal) -> None:
    async with Receiver.open("429") as receiver, sending(journal, signed(receiver.url)):
        receiver.retry_after = "40"
        began = time()
        await answered(journal, "c1", "one", "two")
        await answered(journal, "c2", "other")
        await delivered(journal)

        (held, _) = await settled(journal, DeliveryState.WAITING, number=2)
        async with asyncio.timeout(60):
            while not held.error:
                held = (await journal.deliveries())[0]
                await asyncio.sleep(0.01)
        assert began + 40 <= held.due_at <= time() + 44
        assert receiver.seen == {"c2": ["other"]}


@pytest.mark.parametrize(
    ("failures", "state"), [(["503"] * 99, DeliveryState.GIVEN_UP), (["502"] + ["503"] * 99, DeliveryState.UNKNOWN)]
)
async def test_nothing_is_tried_for_ever(journal: Journal, failures: list[str], state: DeliveryState) -> None:
    async with Receiver.open(*failures) as receiver, sending(journal, signed(receiver.url), replace(PATIENCE, age=0.3)):
        await answered(journal, "c1", "one")
        (letter,) = await settled(journal, *DEAD)
        assert letter.state is state
        assert letter.attempts >= 2


@given(attempts=st.integers(1, 10_000), asked=st.none() | st.floats(0, 1e6))
def test_pauses_grow_to_a_limit_and_are_never_shorter_than_asked(attempts: int, asked: float | None) -> None:
    pause = Patience(1, 1, 1).pause(attempts, asked)
    assert pause >= (asked or 0)
    assert 0.5 <= pause <= max(LONGEST_PAUSE, (asked or 0) * 1.1)


# Crashes and other processes


async def test_who_takes_over_from_the_dead_repeats_under_the_same_id(journal: Journal) -> None:
    async with Receiver.open("hang") as receiver:
        async with sending(journal, signed(receiver.url), replace(PATIENCE, seconds=30), grace=0):
            await answered(journal, "c1", "one", "two")
            await receiver.until(lambda: len(receiver.calls) == 1)
        later = Journal(journal._store, journal.name, lambda: time() + 100)
        async with sending(later, signed(receiver.url), clock=lambda: time() + 100):
            await delivered(journal, 2)

        assert receiver.seen == {"c1": ["one", "two"]}
        assert receiver.calls[0][0] == receiver.calls[1][0]


async def test_who_takes_over_does_not_repeat_where_nobody_remembers(journal: Journal) -> None:
    async with Receiver.open("hang") as receiver:
        async with sending(journal, signed(receiver.url, Forgetful), replace(PATIENCE, seconds=30), grace=0):
            await answered(journal, "c1", "one", "two")
            await receiver.until(lambda: len(receiver.calls) == 1)
        later = Journal(journal._store, journal.name, lambda: time() + 100)
        async with sending(later, signed(receiver.url, Forgetful), clock=lambda: time() + 100):
            await delivered(journal)

        (letter,) = await journal.deliveries(DEAD)
        assert letter.error == "The server stopped while it sent this; it may have arrived."
        assert len(receiver.calls) == 2


SENDER = """
import asyncio, sys
from bot.channels.calls import Caller
from bot.journal.journal import Journal
from bot.outbox import Outbox
from bot.pacing import Pacing
from bot.sending import Sender
from tests.test_outbox import PATIENCE, allow, signed

async def main():
    journal = await Journal.open(sys.argv[1])
    Outbox(journal, Sender(Caller(30)), {"signed": signed(sys.argv[2])}, PATIENCE, pacing=Pacing(allow)).start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_killed_process_loses_no_reply_and_shows_none_twice(database_url: str, journal: Journal) -> None:
    for number in range(6):
        await answered(journal, f"c{number}", "one", "two", "three")
    async with Receiver.open("ok", "late 500", "ok", "cut", "ok", "ok", "hang", "hang") as receiver:
        command = [sys.executable, "-c", SENDER, database_url, receiver.url]
        with closing(_process(command)) as killed:
            next(killed)
            await receiver.until(lambda: "hang" in [kind for _, kind in receiver.calls])
        later = Journal(journal._store, journal.name, lambda: time() + 100)
        async with sending(later, signed(receiver.url), clock=lambda: time() + 100):
            await delivered(journal, 18)

        assert receiver.seen == {f"c{n}": ["one", "two", "three"] for n in range(6)}


def _process(command: list[str]) -> Generator[None]:
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.parametrize("seed", range(2))
async def test_many_senders_on_one_database_send_everything_once_and_in_order(
    database_url: str, journal: Journal, seed: int
) -> None:
    chance = random.Random(seed)
    kinds = ["ok"] * 6 + ["429", "503", "late 500", "cut", "lost", "502"]
    async with (
        Receiver.open(*(chance.choice(kinds) for _ in range(100))) as receiver,
        await Journal.open(database_url) as second,
        await Journal.open(database_url) as third,
        sending(journal, signed(receiver.url)),
        sending(second, signed(receiver.url)),
        sending(third, signed(receiver.url)),
    ):
        expected = {f"c{n}": [f"{part}" for part in range(chance.randint(1, 6))] for n in range(20)}
        for name, replies in expected.items():
            await answered(chance.choice([journal, second, third]), name, *replies)
        await delivered(journal, sum(map(len, expected.values())))

        assert receiver.seen == expected
        assert {kind for _, kind in receiver.calls} == set(kinds)


async def test_closing_lets_calls_end_and_leaves_the_rest(journal: Journal) -> None:
    async with Receiver.open() as receiver:
        receiver.hold.clear()
        async with sending(journal, signed(receiver.url)) as outbox:
            await answered(journal, "c1", "one", "two", "three")
            await receiver.until(lambda: len(receiver.calls) == 1)
            closing_time = asyncio.create_task(outbox.close(grace=10))
            await asyncio.sleep(0)
            receiver.hold.set()
            await closing_time
        assert receiver.seen == {"c1": ["one"]}
        assert [d.entry.message.text for d in await journal.deliveries()] == ["two", "three"]
        later = await journal.claim(outbox._claimant, 10)
        assert [d.doubt for d in later] == [False]


# A database that is away for a moment


async def test_what_arrived_is_remembered_though_the_database_was_away(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = iter([True, True, False])
    settle = journal.settle

    async def flaky(*given: Any) -> bool:
        if next(away, False):
            raise Unavailable("away", retry_after=0.01)
        return await settle(*given)

    monkeypatch.setattr(journal, "settle", flaky)
    async with Receiver.open() as receiver, sending(journal, signed(receiver.url, Forgetful)):
        await answered(journal, "c1", "one")
        await delivered(journal)
        assert len(receiver.calls) == 1


async def test_a_claim_whose_answer_was_lost_delays_nothing(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = iter([True, False])
    claim = journal.claim

    async def flaky(*given: Any) -> list[Delivery]:
        claimed = await claim(*given)
        if next(lost, False):
            raise Unavailable("the answer was lost")
        return claimed

    monkeypatch.setattr(journal, "claim", flaky)
    await answered(journal, "c1", "one")
    async with Receiver.open() as receiver, sending(journal, signed(receiver.url, Forgetful)):
        (done,) = await delivered(journal)
        assert (len(receiver.calls), done.attempts, done.doubt) == (1, 1, False)


# Channels of other kinds


@dataclass
class InParts(Connector):
    """A channel that needs three calls for an entry, played by a list of verdicts."""

    verdicts: list[Verdict | Exception]
    capabilities: Capabilities = PLAIN
    name: str = "signed"
    calls: list[tuple[str, str]] | None = None

    def verify(self, request: Request) -> bool:
        return False

    def parse(self, request: Request) -> Received:
        return Received()

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        text = delivery.entry.message.text
        if text == "unspeakable":
            raise ValueError("what the customer said")
        return tuple(Call("", f"{text} {part}".encode()) for part in range(3))

    def render_late(self, delivery: Delivery) -> tuple[Call, ...]:
        return () if delivery.entry.message.text == "unspeakable" else (Call("", b"template"),)

    def sign(self, call: Call, signing: Signing) -> Call:
        return with_headers(call, key=signing.key.partition("-")[2])

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        verdict = self.verdicts.pop(0)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def call(self, call: Call) -> Outcome:
        self.calls = [*(self.calls or []), (call.headers["key"], call.body.decode())]
        return Answer(200, {}, b"", time())


def arrived(name: str) -> Verdict:
    return Verdict(Fate.ARRIVED, provider_id=name)


async def test_a_part_that_arrived_is_not_sent_again(journal: Journal) -> None:
    channel = InParts([arrived("p0"), Verdict(Fate.RETRY, "busy"), arrived("p1"), arrived("p2")])
    outbox = Outbox(journal, Sender(channel), {"signed": channel}, PATIENCE, pacing=Pacing(allow))
    outbox.start()
    await answered(journal, "c1", "hello")
    (done,) = await delivered(journal)
    await outbox.close(1)

    assert channel.calls == [("2-0", "hello 0"), ("2-1", "hello 1"), ("2-1", "hello 1"), ("2-2", "hello 2")]
    assert (done.parts, done.provider_ids, done.attempts) == (3, ("p0", "p1", "p2"), 2)


async def test_a_channel_that_fails_holds_up_nobody(journal: Journal, caplog: pytest.LogCaptureFixture) -> None:
    channel = InParts([RuntimeError("a bug"), *[arrived("p")] * 3])
    outbox = Outbox(journal, Sender(channel), {"signed": channel}, PATIENCE, pacing=Pacing(allow))
    outbox.start()
    await answered(journal, "c1", "unspeakable", "misunderstood", "fine")
    await delivered(journal)
    await outbox.close(1)

    letters = await journal.deliveries(DEAD)
    assert [(d.state, d.error) for d in letters] == [
        (DeliveryState.GIVEN_UP, "It cannot be put into the channel's form; the log says why."),
        (DeliveryState.UNKNOWN, "The channel failed while it was sent; the log says why."),
    ]


@dataclass
class Hanging:
    """Calls of which those of one channel get no answer."""

    under_way: int = 0

    async def call(self, call: Call) -> Outcome:
        if b"stuck" in call.body:
            self.under_way += 1
            await asyncio.Event().wait()
        return Answer(200, {}, b"", time())


@pytest.mark.parametrize("at_once", [2, 8])
async def test_a_provider_that_does_not_answer_holds_up_no_other_channel(journal: Journal, at_once: int) -> None:
    channels = {name: InParts([arrived("p")] * 9, name=name) for name in ("signed", "other")}
    calls, patience = Hanging(), replace(PATIENCE, at_once=at_once)
    for number in range(20):
        await answered(journal, f"c{number}", "stuck")
    outbox = Outbox(journal, Sender(calls), channels, patience, pacing=Pacing(allow))
    outbox.start()
    async with asyncio.timeout(60):
        while not calls.under_way:
            await asyncio.sleep(0.01)
    await answered(journal, "other-1", "hello", channel="other")
    await delivered(journal)
    await outbox.close(0)

    assert calls.under_way == at_once // 2


async def test_who_waits_for_the_account_is_not_asked_about_in_turn(journal: Journal) -> None:
    asked: list[str] = []

    async def one_in_a_while(key: str, rate: float, burst: float) -> float:
        asked.append(key)
        return 0.0 if len(asked) == 1 else 0.5

    channel = InParts([arrived("p")] * 9, replace(PLAIN, account=Pace(1, 1)))
    for number in range(40):
        await answered(journal, f"c{number}", "hello")
    outbox = await run(journal, channel, Pacing(one_in_a_while))
    async with asyncio.timeout(60):
        while len(asked) < 2:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # several sweeps
    await outbox.close(1)

    assert len(asked) <= PATIENCE.at_once + 1, "the others of the account would hear the same"


SLOWER = Verdict(Fate.RETRY, "Slower.", 600.0, account=None)
"""Slack, Telegram and Teams limit conversations and accounts, and do not say which limit it was."""


async def test_a_pause_asked_of_one_conversation_keeps_no_other_waiting(journal: Journal) -> None:
    channel = InParts([SLOWER, *[arrived("p")] * 3])
    outbox = await run(journal, channel)
    await answered(journal, "c0", "hello")
    await tried(channel, 1)
    await answered(journal, "c1", "hello")
    (done,) = await delivered(journal)
    await outbox.close(1)
    assert done.entry.conversation_id == "c1"


async def test_a_pause_asked_of_two_conversations_is_the_accounts(journal: Journal) -> None:
    channel, pacing = InParts([SLOWER, SLOWER, *[arrived("p")] * 3]), Pacing(allow)
    outbox = await run(journal, channel, pacing)
    for number in range(2):
        await answered(journal, f"c{number}", "hello")
        await tried(channel, number + 1)
    async with asyncio.timeout(60):
        while pacing.open(["signed"]):
            await asyncio.sleep(0.01)
    await answered(journal, "c2", "hello")
    await asyncio.sleep(0.2)  # several sweeps
    await outbox.close(1)
    assert len(channel.calls or []) == 2, "the third one need not find out for itself"


async def tried(channel: InParts, calls: int) -> None:
    async with asyncio.timeout(60):
        while len(channel.calls or []) < calls:
            await asyncio.sleep(0.01)


async def test_a_process_that_was_stopped_past_its_claim_sends_nothing(journal: Journal) -> None:
    channel = InParts([arrived("p")] * 3)
    times = iter([1000.0])
    outbox = Outbox(
        journal, Sender(channel), {"signed": channel}, PATIENCE, pacing=Pacing(allow), clock=lambda: next(times, 2000.0)
    )
    await answered(journal, "c1", "hello")
    outbox.start()
    (waiting,) = await settled(journal, DeliveryState.WAITING)
    async with asyncio.timeout(60):
        while (await journal.deliveries(tuple(DeliveryState)))[0].attempts < 2:
            await asyncio.sleep(0.01)
    await delivered(journal)
    await outbox.close(1)

    assert [key for key, _ in channel.calls or []] == ["2-0", "2-1", "2-2"]
    assert not waiting.doubt


# How fast, with what, and for how long


async def run(journal: Journal, channel: InParts, pacing: Pacing | None = None) -> Outbox:
    outbox = Outbox(journal, Sender(channel), {"signed": channel}, PATIENCE, pacing=pacing or Pacing(allow))
    outbox.start()
    return outbox


async def test_a_conversation_is_written_to_as_fast_as_it_may_be(journal: Journal) -> None:
    asked: list[str] = []

    async def first_refuse(key: str, rate: float, burst: float) -> float:
        asked.append(key)
        return 0.01 if len(asked) < 4 else 0.0

    capabilities = replace(PLAIN, conversation=Pace(1, 3), account=Pace(80, 80))
    channel = InParts([arrived("p")] * 3, capabilities)
    outbox = await run(journal, channel, Pacing(first_refuse))
    await answered(journal, "c1", "hello")
    (done,) = await delivered(journal)
    await outbox.close(1)

    assert done.attempts == 1, "what had to wait was no attempt"
    assert [key for key, _ in channel.calls or []] == ["2-0", "2-1", "2-2"]
    assert not any("c1" in key for key in asked), "nobody is named in the store of buckets"


async def test_a_token_is_asked_for_once_and_again_when_it_is_not_taken(journal: Journal) -> None:
    channel = Lending([Verdict(Fate.EXPIRED, "expired"), *[arrived("p")] * 9])
    outbox = await run(journal, channel)
    for number in range(3):
        await answered(journal, f"c{number}", "hello")
    await delivered(journal, 3)
    await outbox.close(1)

    assert channel.asked == 2
    assert [token for token, _ in channel.calls or []].count("t1") == 1


async def test_an_account_that_is_refused_waits_for_a_person(journal: Journal) -> None:
    channel = InParts([Verdict(Fate.REFUSED, "The token is wrong.")])
    pacing = Pacing(allow)
    outbox = await run(journal, channel, pacing)
    await answered(journal, "c1", "hello")
    async with asyncio.timeout(60):
        while pacing.open(["signed"]):
            await asyncio.sleep(0.01)
    await answered(journal, "c2", "hello")
    await asyncio.sleep(0.1)  # several sweeps
    await outbox.close(1)

    assert len(channel.calls or []) == 1
    waiting = await journal.deliveries()
    assert {d.state for d in waiting} == {DeliveryState.WAITING}
    assert waiting[0].error == "The token is wrong."


async def test_after_the_window_nothing_is_sent_but_what_the_channel_has_for_then(journal: Journal) -> None:
    channel = InParts([arrived("p")], replace(PLAIN, window=-1))
    outbox = await run(journal, channel)
    await answered(journal, "c1", "hello", "unspeakable")
    (letter,) = await settled(journal, DeliveryState.GIVEN_UP)
    await delivered(journal)
    await outbox.close(1)

    assert [text for _, text in channel.calls or []] == ["template"]
    assert letter.error == "The customer wrote too long ago: the channel takes no answer any more."


@dataclass
class Lending(InParts):
    """A channel that lends tokens."""

    asked: int = 0

    def grant(self, now: float) -> Call | None:
        return Call("token")

    def token(self, answer: Answer) -> Token | None:
        return Token(f"t{self.asked}", time() + 3600)

    def sign(self, call: Call, signing: Signing) -> Call:
        return with_headers(call, key=signing.token)

    async def call(self, call: Call) -> Outcome:
        if call.url != "token":
            return await InParts.call(self, call)
        self.asked += 1
        return Answer(200, {}, b"", time())


# What is told of it later


async def in_doubt(journal: Journal) -> Delivery:
    channel = InParts([arrived("p0"), Verdict(Fate.AMBIGUOUS, "no answer")])
    outbox = await run(journal, channel)
    await answered(journal, "c1", "hello")
    (letter,) = await settled(journal, DeliveryState.UNKNOWN)
    await outbox.close(1)
    return letter


async def test_what_may_have_arrived_goes_on_once_it_is_known_to_have(journal: Journal) -> None:
    letter = await in_doubt(journal)
    receipt = Receipt(Arrival.DELIVERED, "p1", key=letter.key, conversation_id="c1")
    assert await journal.note_receipt("signed", receipt)
    assert await journal.note_receipt("signed", receipt), "told twice"

    channel = InParts([arrived("p2")])
    outbox = await run(journal, channel)
    (done,) = await delivered(journal)
    await outbox.close(1)
    assert channel.calls == [("2-2", "hello 2")]
    assert done.parts == 3


async def test_a_receipt_that_comes_before_the_doubt_ends_it_too(journal: Journal) -> None:
    await answered(journal, "c1", "hello")
    (waiting,) = await journal.deliveries()
    await journal.note_receipt("signed", Receipt(Arrival.DELIVERED, "p0", key=waiting.key, conversation_id="c1"))
    channel = InParts([Verdict(Fate.AMBIGUOUS, "no answer"), arrived("p1"), arrived("p2")])
    outbox = await run(journal, channel)
    await delivered(journal)
    await outbox.close(1)
    assert [key for key, _ in channel.calls or []] == ["2-0", "2-1", "2-2"]


async def test_what_failed_after_all_is_a_dead_letter(journal: Journal) -> None:
    channel = InParts([arrived("p0"), arrived("p1"), arrived("p2")])
    outbox = await run(journal, channel)
    await answered(journal, "c1", "hello")
    await delivered(journal)
    await outbox.close(1)

    await journal.note_receipt("signed", Receipt(Arrival.READ, "p1"))
    assert not await journal.deliveries(DEAD)
    await journal.note_receipt("signed", Receipt(Arrival.FAILED, "p2", error="The number is not on the network."))
    (letter,) = await journal.deliveries(DEAD)
    assert letter.error == "The number is not on the network."


@pytest.mark.parametrize(
    "foreign",
    [
        Receipt(Arrival.DELIVERED, "p9"),
        Receipt(Arrival.DELIVERED, key="0" * 32 + "-2-1", conversation_id="c1"),
        Receipt(Arrival.DELIVERED, key="-2-1", conversation_id="c1"),
        Receipt(Arrival.FAILED, key="x", conversation_id="c1"),
    ],
)
async def test_a_receipt_for_somebody_elses_message_changes_nothing(journal: Journal, foreign: Receipt) -> None:
    letter = await in_doubt(journal)
    assert not await journal.note_receipt("signed", foreign)
    assert not await journal.note_receipt("other", Receipt(Arrival.FAILED, "p0"))
    assert await journal.deliveries(DEAD) == [letter]


async def test_a_thumb_under_a_message_rates_the_answer(journal: Journal) -> None:
    await in_doubt(journal)
    assert await journal.rate_sent("signed", "p0", "up") == ("c1", 2)
    assert await journal.ratings("c1") == {2: "up"}
    assert await journal.rate_sent("signed", "p0", "none") == ("c1", 2)
    assert await journal.ratings("c1") == {}
    assert await journal.rate_sent("other", "p0", "up") is None


async def test_answers_go_where_the_customer_wrote_from_last(journal: Journal) -> None:
    await answered(journal, "c1", "one")
    later = Inbound("c1", "m2", "hello", "signed", 1.0, address={"conversation": "elsewhere"})
    await journal.accept(later)
    (waiting,) = await journal.deliveries()
    assert waiting.address == {"conversation": "elsewhere"}
    assert waiting.heard_at is not None


async def test_of_an_erased_customer_no_name_at_a_provider_is_left(journal: Journal) -> None:
    await in_doubt(journal)
    gone = await journal.erase(Whose(("c1",)))
    assert gone.rows["sent"] == 1
    assert await journal.rate_sent("signed", "p0", "up") is None
