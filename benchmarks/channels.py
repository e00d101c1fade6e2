"""All channels at once: `python -m benchmarks.channels [--rate 200] [--seconds 30] [--kills 0]`.

Customers of every channel write, mixed; their providers are played in a process of their own, the service runs in
another one, with a model that keeps a thread busy. Prints how fast events are acknowledged, and whether each was
answered once and in order. With `--kills` the service is killed as often, at moments that nobody chose, and started
again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bot import interpreter
from bot.app import serving
from bot.config import Settings, channels
from bot.console.pages import ModelPage
from bot.language import Language
from bot.simulators.all import simulator
from bot.simulators.provider import Provider
from bot.simulators.simulator import Event, Simulator
from tests.service import KeywordUnderstander, echo_assistant

PUBLIC = "https://chat.example.com"
CALLED = tuple(name for name in channels() if issubclass(simulator(name), Provider))
"""Channels whose providers call us; mailboxes are read at our pace."""
NAMES = tuple(f"ask{n}" for n in range(10))
CUSTOMERS = 40
"""Of each channel."""
MODEL_SECONDS = 0.003
SETTLED_SECONDS = 60.0
DOMAIN = "\n".join(
    (
        'version: "3.1"',
        f"intents: [{', '.join(NAMES)}]",
        "responses:",
        *(f'  utter_{name}: [{{text: "{name}"}}]' for name in NAMES),
        "rules:",
        *(f"- {{rule: {name}, steps: [{{intent: {name}}}, {{action: utter_{name}}}]}}" for name in NAMES),
    )
)


# The service


def _work() -> None:
    """As a model does, without Python's lock."""
    until = time.perf_counter() + MODEL_SECONDS
    while time.perf_counter() < until:
        hashlib.pbkdf2_hmac("sha256", b"model", b"salt", 400)


async def serve(home: Path, port: int, settings: dict[str, Any]) -> None:
    one = asyncio.Semaphore(1)

    async def before(_: str) -> None:
        async with one:
            await asyncio.to_thread(_work)

    understander = KeywordUnderstander(NAMES, before)
    read = Settings(home=home, port=port, public_url=PUBLIC, **settings)
    language = Language(understander, ModelPage("a stand-in", (), None), {})
    async with serving(read, echo_assistant(home / "assistant", DOMAIN), language):
        await asyncio.Event().wait()


# The providers


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
    seconds: float = 0.0
    """Of the processor, by the service."""


def sample(name: str, url: str) -> dict[str, Any]:
    settings = simulator(name).sample(url)
    if name == "twilio":  # an SMS a second is all that a number may send
        settings["sender"] = "whatsapp:+14155238886"
    return settings


async def opened(stack: AsyncExitStack, port: int) -> dict[str, Simulator]:
    found: dict[str, Simulator] = {}
    for name in CALLED:
        provider = simulator(name).of(channels()[name].model_validate(sample(name, "http://127.0.0.1:9")))
        found[name] = await stack.enter_async_context(provider.open())
        provider.webhook = f"http://127.0.0.1:{port}/webhooks/{name}"
    return found


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


async def drive(providers: dict[str, Simulator], rate: float, seconds: float, figures: Figures) -> list[Customer]:
    rng = random.Random(1)
    customers = [Customer(provider, f"49151{n:07}") for provider in providers.values() for n in range(CUSTOMERS)]
    last: dict[int, asyncio.Task[None]] = {}
    started = time.perf_counter()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
        index = rng.randrange(len(customers))
        work = write(customers[index], rng.choice(NAMES), figures, last.get(index))
        last[index] = asyncio.create_task(work)
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


async def measure(rate: float, seconds: float, kills: int, seed: int) -> Figures:
    figures, rng = Figures(), random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        async with AsyncExitStack() as stack:
            providers = await opened(stack, port)
            settings = {name: sample(name, provider.url) for name, provider in providers.items()}
            given = json.dumps({"home": home, "port": port, "settings": settings})
            process = await _started(given, port)
            task = asyncio.create_task(drive(providers, rate, seconds, figures))
            for _ in range(kills):
                await asyncio.sleep(seconds / (kills + 1) * rng.uniform(0.5, 1.5))
                process.send_signal(signal.SIGKILL)
                process.wait()
                process = await _started(given, port)
            customers = await task
            await _settled(customers)
            judge(customers, figures)
            process.terminate()
            process.wait(30)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            figures.seconds = used.ru_utime + used.ru_stime
    return figures


async def _started(given: str, port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.channels", "--serve", given])  # noqa: ASYNC220
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        return process


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--serve")
    given = parser.parse_args()
    if given.serve:
        told = json.loads(given.serve)
        interpreter.run(serve(Path(told["home"]), told["port"], told["settings"]))
        return
    figures = asyncio.run(measure(given.rate, given.seconds, given.kills, given.seed))
    times = [1000 * one for one in figures.acknowledged]
    print(f"| {given.rate:g} events/s for {given.seconds:g} s, {len(CALLED)} channels | |\n|---|---|")
    print(f"| acknowledged | {len(times)}, p50 {median(times):.1f} ms, p99 {quantiles(times, n=100)[98]:.1f} ms |")
    print(f"| sent again by their providers | {figures.again} |")
    print(f"| answers seen twice | {figures.twice} |")
    print(f"| answers not seen | {figures.lost} |")
    print(f"| conversations out of order | {figures.disordered} |")
    print(f"| the processor's time for an event, service and model | {1000 * figures.seconds / len(times):.1f} ms |")


if __name__ == "__main__":
    main()
