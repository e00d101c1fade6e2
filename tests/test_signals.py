"""The customer's app shows that an answer is being written, exactly while it is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bot import signals as module
from bot.channels.capabilities import Capabilities
from bot.channels.connector import Connector
from bot.channels.received import Received, Request
from bot.channels.verdict import Answer, Call, Outcome, Verdict, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Inbound, Owner
from bot.sending import Sender
from bot.signals import Signals

FROM = Inbound("test-1", "m1", "hello", "test", 1.0, address={"to": "1"})


@dataclass
class Chatty(Connector):
    """A channel that shows typing; also its provider."""

    name: str = "test"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(4000, typing=0.02))
    signals: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def verify(self, request: Request) -> bool:
        return False

    def parse(self, request: Request) -> Received:
        return Received()

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return ()

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        return usual_verdict(outcome)

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        return Call(f"typing/{address['to']}")

    async def call(self, call: Call) -> Outcome:
        self.signals.append(call.url)
        self.came.set()
        return Answer(200, {}, b"", 1.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AFTER", 0.01)


async def test_it_is_shown_again_and_again_until_the_answer_is_there() -> None:
    channel = Chatty()
    signals = Signals({"test": channel}, Sender(channel))
    with signals.during(FROM, Owner.BOT):
        for _ in range(3):
            channel.came.clear()
            await asyncio.wait_for(channel.came.wait(), 20)
    before = len(channel.signals)
    await asyncio.sleep(0.1)
    assert channel.signals == ["typing/1"] * before
    await signals.close()


@pytest.mark.parametrize(
    ("inbound", "owner"),
    [
        (FROM, Owner.AGENT),
        (FROM, Owner.QUEUE),
        (replace(FROM, address=None), Owner.BOT),
        (replace(FROM, channel="web"), Owner.BOT),
    ],
)
async def test_nobody_types_who_does_not(inbound: Inbound, owner: Owner) -> None:
    channel = Chatty()
    signals = Signals({"test": channel}, Sender(channel))
    with signals.during(inbound, owner):
        await asyncio.sleep(0.05)
    await signals.close()
    assert channel.signals == []


async def test_an_answer_that_is_there_at_once_needs_no_signal() -> None:
    channel = Chatty()
    signals = Signals({"test": channel}, Sender(channel))
    with signals.during(FROM, Owner.BOT):
        pass
    await asyncio.sleep(0.05)
    await signals.close()
    assert channel.signals == []


async def test_what_nothing_depends_on_is_sent_in_the_background_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEEN_AT_ONCE", 2)
    channel = Chatty()
    signals = Signals({"test": channel}, Sender(channel))
    for number in range(5):
        signals.once(channel, Call(f"seen/{number}"), f"k{number}")
    while len(channel.signals) < 2:
        channel.came.clear()
        await asyncio.wait_for(channel.came.wait(), 20)
    await signals.close()
    assert channel.signals == ["seen/0", "seen/1"]


async def test_a_press_is_acknowledged_however_many_are_shown_that_an_answer_is_written() -> None:
    channel = Chatty()
    signals = Signals({"test": channel}, Sender(channel))
    with ExitStack() as turns:
        for _ in range(module.AT_ONCE + 1):
            turns.enter_context(signals.during(FROM, Owner.BOT))
        signals.once(channel, Call("seen"), "k")
        async with asyncio.timeout(60):
            while "seen" not in channel.signals:
                channel.came.clear()
                await channel.came.wait()
    await signals.close()
