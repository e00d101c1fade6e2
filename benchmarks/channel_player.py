"""One provider of `python -m benchmarks.channels`, in a process of its own: its customers write, and it takes answers.

Over standard input and output, a line of JSON each: it says where it listens, is told what to do, and says how it went.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.config import channels
from bot.simulators.all import simulator
from bot.simulators.provider import Provider
from bot.simulators.simulator import Event, Simulator

CALLED = tuple(name for name in channels() if issubclass(simulator(name), Provider))
"""Channels whose providers call us; mailboxes are read at our pace."""
NAMES = tuple(f"ask{n}" for n in range(10))
CUSTOMERS = 40
"""Of each channel."""
SETTLED_SECONDS = 60.0


@dataclass
class Customer:
    provider: Simulator
    name: str
    events: list[Event] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass
class Figures:
    acknowledged: list[float] = field(default_factory=list)
    again: int = 0
    """Events that had to be sent again."""
    lost: int = 0
    """Answers that no customer saw, and of which the service knows that they may not have arrived."""
    twice: int = 0
    disordered: int = 0
    late: list[float] = field(default_factory=list)
    """Seconds by which events were begun after their time, because this process waited for a core."""

    def add(self, other: Figures) -> None:
        self.acknowledged += other.acknowledged
        self.late += other.late
        self.again += other.again
        self.lost += other.lost
        self.twice += other.twice
        self.disordered += other.disordered


def sample(name: str, url: str) -> dict[str, Any]:
    settings = simulator(name).sample(url)
    if name == "twilio":  # an SMS a second is all that a number may send
        settings["sender"] = "whatsapp:+14155238886"
    return settings


async def write(customer: Customer, text: str, figures: Figures, before: asyncio.Task[None] | None) -> None:
    """A customer's next event; a provider sends it once the one before was taken."""
    if before is not None:
        await before
    event = customer.provider.said(customer.name, text)
    customer.said.append(text)
    while True:
        started = time.perf_counter()
        status = await customer.provider.post(event)
        if 200 <= status < 300:
            figures.acknowledged.append(time.perf_counter() - started)
            return
        figures.again += 1
        await asyncio.sleep(0.2)


async def drive(provider: Simulator, told: dict[str, Any], figures: Figures) -> list[Customer]:
    """Events at moments that nobody planned, `rate` a second on average."""
    rng = random.Random(told["seed"])
    customers = [Customer(provider, f"49151{n:07}") for n in range(CUSTOMERS)]
    last: dict[int, asyncio.Task[None]] = {}
    at = told["begin"]
    while (at := at + rng.expovariate(told["rate"])) < told["begin"] + told["seconds"]:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        figures.late.append(time.monotonic() - at)
        index = rng.randrange(len(customers))
        last[index] = asyncio.create_task(write(customers[index], rng.choice(NAMES), figures, last.get(index)))
    await asyncio.gather(*last.values())
    return customers


def judge(customers: list[Customer], figures: Figures) -> None:
    for customer in customers:
        seen = [text.split("\n")[0] for text in customer.provider.texts(customer.name)]
        figures.lost += (Counter(customer.said) - Counter(seen)).total()
        figures.twice += (Counter(seen) - Counter(customer.said)).total()
        if not _within(seen, customer.said):
            figures.disordered += 1


def _within(seen: list[str], said: list[str]) -> bool:
    """Whether what was seen is what was said, in order, with holes at most."""
    rest = iter(said)
    return all(one in rest for one in seen)


async def _settled(customers: list[Customer]) -> None:
    """Until nothing came for some seconds."""
    until = time.monotonic() + SETTLED_SECONDS
    count = -1
    while time.monotonic() < until:
        now = sum(len(customer.provider.seen[customer.name]) for customer in customers)
        if now >= sum(len(customer.said) for customer in customers) or now == count:
            return
        count = now
        await asyncio.sleep(5)


async def play(name: str) -> None:
    provider, figures = (
        simulator(name).of(channels()[name].model_validate(sample(name, "http://127.0.0.1:9"))),
        Figures(),
    )
    async with provider.open():
        _say({"url": provider.url})
        told = json.loads(await asyncio.to_thread(sys.stdin.readline))
        provider.webhook = told["webhook"]
        customers = await drive(provider, told, figures)
        await _settled(customers)
        judge(customers, figures)
    _say(asdict(figures))


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1]))
