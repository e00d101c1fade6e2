"""A hundred customers who write, resend, write on two sockets at once and lose their connection."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import aiohttp

from tests.chaos.client import Client, Gone, Manners, Message, open_session
from tests.chaos.invariants import Story, Violation, check, unanswered
from tests.chaos.ledger import Json, Ledger
from tests.chaos.stub import BACK, WAITING

MANNERS = Manners(shortest_spread=0.2, longest_spread=1.0, patience=2.0, dead=2.0, acknowledge=5.0)
"""Quicker than the protocol's advice: a stopped server is given up after four seconds."""
ODD = ("gap", "changed", "odd", "epoch")


@dataclass(frozen=True, slots=True)
class Shape:
    conversations: int = 100
    messages: int = 40
    """In each conversation."""
    rate: float = 60.0
    """Messages a second, all together; nobody waits for an answer before writing on."""
    resent: float = 0.2
    late: float = 2.0
    """What is resent is resent up to so long afterwards."""
    doubled: float = 0.1
    """Sent on two sockets at once."""
    pays: float = 0.15
    cut_every: float = 15.0
    away: float = 2.0
    patience: float = 120.0
    """Seconds after the last fault until everything has to be acknowledged and answered."""

    @property
    def seconds(self) -> float:
        return self.conversations * self.messages / self.rate


@dataclass(slots=True, eq=False)
class Customer:
    client: Client
    rng: Random
    shape: Shape
    ledger: Ledger
    number: int
    said: list[Message] = field(default_factory=list)
    resent: int = 0
    doubled: int = 0

    async def live(self) -> None:
        """Writes at random moments; what is resent is resent at another."""
        pace = self.shape.conversations / self.shape.rate
        async with asyncio.TaskGroup() as group:
            for _ in range(self.shape.messages):
                await asyncio.sleep(self.rng.expovariate(1 / pace))
                message = self._say()
                if self.rng.random() < self.shape.resent:
                    group.create_task(self._again(message, self.rng.uniform(0, self.shape.late)))

    def _say(self) -> Message:
        kind = "pay" if self.rng.random() < self.shape.pays else "tell"
        sockets = 2 if self.rng.random() < self.shape.doubled else 1
        message = self.client.say(kind, sockets=sockets)
        self.doubled += sockets == 2
        self._note(message, kind)
        return message

    def _note(self, message: Message, kind: str) -> None:
        self.ledger.note("said", customer=self.number, id=message.id, kind=kind, n=len(self.said))
        self.said.append(message)

    async def _again(self, message: Message, pause: float) -> None:
        await asyncio.sleep(pause)
        if message.sent_at:  # never before its turn: that would be another order
            self.resent += await self.client.again(message)

    async def lose_connection(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * self.shape.cut_every)
            self.client.cut(self.rng.uniform(0.5, 1.5) * self.shape.away)

    def settled(self) -> bool:
        """Everything is acknowledged and shown, and answered unless a person was called."""
        shown = all(message.seq and message.seq <= self.client.last_seq for message in self.said)
        return shown and not unanswered(self.client.entries)

    def heard(self, entry: Json) -> None:
        """Who is told that a person comes goes on with the assistant: there is nobody here to answer."""
        if entry["text"] == WAITING and entry["buttons"]:
            self._note(self.client.send({"press": {"seq": entry["seq"], "button": 0}}), BACK)


class Crowd:
    """`async with Crowd(...) as crowd`: connected customers, and the ledger of what they saw."""

    def __init__(self, url: Callable[[int], str], shape: Shape, rng: Random, ledger: Ledger) -> None:
        self._url, self._shape, self._rng, self._ledger = url, shape, rng, ledger
        self.customers: list[Customer] = []
        self._numbers: dict[Client, int] = {}
        self._odd: dict[int, list[Json]] = defaultdict(list)
        self._acked: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Crowd:
        self._session = await self._stack.enter_async_context(open_session())
        for number in range(self._shape.conversations):
            rng = Random(self._rng.random())
            client = Client(self._session, self._url(number), watch=self._watch, manners=MANNERS, rng=rng)
            self._numbers[client] = number
            self.customers.append(Customer(client, rng, self._shape, self._ledger, number))
            await self._stack.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def _watch(self, what: str, client: Client, **fields: Any) -> None:
        number = self._numbers[client]
        self._ledger.note(what, customer=number, conversation=client.conversation, **fields)
        if what == "acked":
            self._acked[number][fields["id"]].add(fields["seq"])
        elif what in ODD:
            self._odd[number].append({"what": what, **fields})
        elif what == "entry":
            self.customers[number].heard(fields["entry"])

    async def live(self) -> None:
        """All of them write all they have to."""
        cuts = [asyncio.create_task(customer.lose_connection()) for customer in self.customers]
        try:
            async with asyncio.TaskGroup() as group:
                for customer in self.customers:
                    group.create_task(customer.live())
        finally:
            for cut in cuts:
                cut.cancel()
            await asyncio.gather(*cuts, return_exceptions=True)

    async def settle(self) -> bool:
        """False if something was still open when the patience ran out; the invariants will say what."""
        try:
            async with asyncio.timeout(self._shape.patience):
                for customer in self.customers:
                    await customer.client.until(customer.settled)
        except TimeoutError:
            return False
        return True

    async def stories(self, url: str, effects: Callable[[], list[Json]], may_fail: bool) -> list[Story]:
        """Both sides of every conversation; the server's is read with fresh clients. What the actions did is looked at
        after that: where the patience ran out, they still go on."""
        told = [await self._story(customer, url, may_fail) for customer in self.customers if customer.client.token]
        traces: dict[str, list[Json]] = defaultdict(list)
        for effect in effects():
            traces[effect["key"].rsplit(":", 2)[0]].append(effect)
        return [replace(story, effects=traces[story.conversation]) for story in told]

    async def _story(self, customer: Customer, url: str, may_fail: bool) -> Story:
        client = customer.client
        async with Client(self._session, url, manners=MANNERS, token=client.token) as reader:
            await reader.until(lambda: reader.welcomes and reader.last_seq >= reader.newest)
            pages = await _pages(reader)
            return Story(
                conversation=client.conversation,
                said=[{"id": message.id, "kind": message.body.get("text", BACK)} for message in customer.said],
                acked=self._acked[customer.number],
                seen=list(client.entries),
                history=list(reader.entries),
                pages=pages,
                owner=reader.owner,
                odd=self._odd[customer.number],
                may_fail=may_fail,
            )


async def _pages(reader: Client) -> list[Json]:
    while True:
        try:
            return await reader.history()
        except (Gone, TimeoutError):
            await asyncio.sleep(0.1)


def judge(stories: list[Story]) -> list[Violation]:
    return [violation for story in stories for violation in check(story)]
