"""Customers who write: at a given rate whatever becomes of it, or each one after the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.chaos.client import Client, Manners, open_session

MANNERS = Manners(window=10_000, insists=False, keep=False)
TEXT = "greet where is my order LW-10234?"
OPENING = 200
"""Clients that connect at once."""
CONNECT_SECONDS = 60.0
PATIENCE_SECONDS = 10.0
"""What is not answered or refused so long after the last message counts as lost."""


@dataclass(slots=True, eq=False)
class Sent:
    """A message and when what became of it, by time.perf_counter. `due` is when it should have been sent: what the
    load itself was late by counts against the service."""

    due: float
    sent: float | None = None
    acked: float | None = None
    answered: float | None = None
    refused: float | None = None

    @property
    def done(self) -> bool:
        return self.answered is not None or self.refused is not None


@dataclass(slots=True)
class Timings:
    """Of all messages of a load."""

    sent: list[Sent] = field(default_factory=list)

    def late(self) -> list[float]:
        """How much later than it should the load sent each."""
        return [each.sent - each.due for each in self.sent if each.sent is not None]

    def acknowledged(self) -> list[float]:
        return [each.acked - each.due for each in self.sent if each.acked is not None]

    def answered(self) -> list[float]:
        return [each.answered - each.due for each in self.sent if each.answered is not None]

    def refused(self) -> list[float]:
        return [each.refused - each.due for each in self.sent if each.refused is not None]

    @property
    def lost(self) -> int:
        """Acknowledged and never answered."""
        return sum(each.acked is not None and each.answered is None for each in self.sent)

    def rate(self) -> float:
        """Answers a second, from the first that was due to the last answer."""
        ends = [each.answered for each in self.sent if each.answered is not None]
        return len(ends) / (max(ends) - min(each.due for each in self.sent)) if ends else 0.0


class Customers:
    """`async with customers(url, count) as they`: connected, each in a conversation of its own."""

    def __init__(self, seed: int = 1) -> None:
        self.clients: list[Client] = []
        self._rng = Random(seed)
        self._by_id: dict[str, Sent] = {}
        self._by_number: dict[tuple[Client, int], Sent] = {}

    def watch(self, what: str, client: Client, **fields: Any) -> None:
        """Every client's."""
        now = time.perf_counter()
        if what == "sent" and (sent := self._by_id.get(fields["id"])):
            sent.sent = sent.sent or now
        elif what == "acked" and (sent := self._by_id.get(fields["id"])):
            sent.acked = sent.acked or now
        elif what == "refused" and (sent := self._by_id.get(fields["id"] or "")):
            sent.refused = now
        elif what == "entry":
            self._seen(client, fields["entry"], now)

    def _seen(self, client: Client, entry: dict[str, Any], now: float) -> None:
        if entry["author"] == "user":
            if sent := self._by_id.get(entry["id"]):
                self._by_number[client, entry["seq"]] = sent
        elif sent := self._by_number.pop((client, entry["reply_to"]), None):
            sent.answered = now

    def say(self, client: Client, due: float, text: str = TEXT) -> Sent:
        message = client.say(text)
        message.acknowledged.add_done_callback(asyncio.Future.exception)  # a refusal is counted, not raised
        sent = self._by_id[message.id] = Sent(due)
        return sent

    def by_id(self) -> Iterable[tuple[str, Sent]]:
        """All that was ever sent."""
        return self._by_id.items()

    async def at_rate(
        self,
        rate: float,
        seconds: float,
        clients: Sequence[Client] = (),
        text: str = TEXT,
        patience: float = PATIENCE_SECONDS,
    ) -> Timings:
        """An open loop: messages are due at their times. Returns when each is answered or refused, or after a while."""
        timings, began = Timings(), time.perf_counter()
        clients = clients or self.clients
        for n in range(max(1, int(rate * seconds))):
            due = began + n / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            timings.sent.append(self.say(self._rng.choice(clients), due, text))
        await settled(timings.sent, patience)
        return timings

    async def in_turn(self, seconds: float, clients: Sequence[Client] = ()) -> Timings:
        """A closed loop: everybody writes, waits for the answer, and writes again."""
        timings, until = Timings(), time.perf_counter() + seconds
        await asyncio.gather(*(self._talk(client, until, timings) for client in clients or self.clients))
        return timings

    async def _talk(self, client: Client, until: float, timings: Timings) -> None:
        while (now := time.perf_counter()) < until:
            sent = self.say(client, now)
            timings.sent.append(sent)
            async with asyncio.timeout(CONNECT_SECONDS):
                await client.until(lambda sent=sent: sent.done)  # type: ignore[misc]  # bound now


async def settled(sent: Iterable[Sent], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether all are answered or refused before so long."""
    open_ = list(sent)
    until = time.perf_counter() + seconds
    while open_ := [each for each in open_ if not each.done]:
        if time.perf_counter() > until:
            return False
        await asyncio.sleep(0.01)
    return True


@asynccontextmanager
async def customers(url: str, count: int, manners: Manners = MANNERS) -> AsyncIterator[Customers]:
    """All of them connected."""
    they = Customers()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        for some in _in_parts(count, OPENING):
            fresh = [Client(session, url, watch=they.watch, manners=manners) for _ in range(some)]
            for client in fresh:
                await stack.enter_async_context(client)
            they.clients += fresh
            async with asyncio.timeout(CONNECT_SECONDS):
                for client in fresh:
                    await client.until(lambda client=client: client.connected)  # type: ignore[misc]  # bound now
        yield they


def _in_parts(count: int, most: int) -> Iterator[int]:
    while count > 0:
        yield min(count, most)
        count -= most
