"""What it costs to have the model as a service of its own: `python -m benchmarks.model_server MODEL_DIRECTORY`.

The same model in this process and in another one behind HTTP on this machine, asked in turn in the same run; then a
stand-in that needs no time, which leaves the way to the model alone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Self

from benchmarks.elsewhere import elsewhere
from benchmarks.nlu_speed import TEXTS
from bot import interpreter
from bot.listening import accepting, listen
from bot.remote import remote
from nlu.load import load_model
from nlu.server import Punctual, serving
from nlu.types import Query, Understander, Understanding
from nlu.understand import serve

STAND_IN = "stand-in"
CALLERS, PAIRS = 64, 50


class StandIn:
    """Says at once what a real model said before."""

    model = STAND_IN

    def __init__(self, said: Sequence[Understanding]) -> None:
        self._said = said

    async def answer(self, queries: Sequence[Query], until: float) -> list[Understanding]:
        return [replace(self._said[number % len(self._said)], text=one.text) for number, one in enumerate(queries)]


@asynccontextmanager
async def served(given: argparse.Namespace) -> AsyncIterator[Punctual]:
    model = load_model(given.model, device="cpu", threads=given.threads)
    async with serve(model) as service:
        yield StandIn(model.understand_now(TEXTS)) if given.stand_in else service


async def serve_alone(given: argparse.Namespace) -> None:
    """The other process: until it is killed. Prints its URL."""
    interpreter.tune()
    listener = listen("127.0.0.1", 0)
    async with served(given) as service, serving(service, "", partial(accepting, listener)):
        interpreter.freeze()
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        await asyncio.Event().wait()


async def alone(model: Understander, seconds: float) -> list[float]:
    """Milliseconds of one caller's questions, one after the other; of one at least."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while not took or time.perf_counter() < end:
        started = time.perf_counter()
        await model.understand([TEXTS[len(took) % len(TEXTS)]])
        took.append(1000 * (time.perf_counter() - started))
    return took


async def crowd(model: Understander, seconds: float) -> float:
    """Messages a second that so many callers get answered."""
    started = time.perf_counter()
    answered = 0

    async def caller(number: int) -> None:
        nonlocal answered
        while time.perf_counter() < started + seconds:
            await model.understand([TEXTS[(number + answered) % len(TEXTS)]])
            answered += 1

    await asyncio.gather(*map(caller, range(CALLERS)))
    return answered / (time.perf_counter() - started)


async def with_model(given: argparse.Namespace) -> None:
    rates: list[tuple[float, float]] = []
    waits: list[tuple[float, float]] = []
    async with asked_both(given) as (service, far):
        await crowd(far, given.seconds)
        for _ in range(given.rounds):
            rates.append((await crowd(service, given.seconds), await crowd(far, given.seconds)))
            waits += [((await alone(service, 0))[0], (await alone(far, 0))[0]) for _ in range(PAIRS)]
    ratio = median(there / one for one, there in rates)
    print(f"| {CALLERS} callers, messages/s | {_medians(rates, '.0f')} | {ratio:.2f} x |")
    added = median(there - one for one, there in waits)
    print(f"| one caller, p50 ms | {_medians(waits, '.1f')} | {added:+.1f} ms, pair by pair |")


def server_of(given: argparse.Namespace) -> list[str]:
    return ["benchmarks.model_server", str(given.model), "--threads", str(given.threads), "--serve"]


@asynccontextmanager
async def asked_both(given: argparse.Namespace) -> AsyncIterator[tuple[Understander, Understander]]:
    model = load_model(given.model, device="cpu", threads=given.threads)
    with elsewhere(*server_of(given)) as (_, url):
        async with serve(model) as service, remote(url, "", 20.0) as far:
            yield service, far


def _medians(pairs: Sequence[tuple[float, float]], form: str) -> str:
    return " | ".join(f"{median(each):{form}}" for each in zip(*pairs, strict=True))


async def without_model(given: argparse.Namespace) -> None:
    seconds = given.rounds * given.seconds
    with elsewhere(*server_of(given), "--stand-in") as (process, url):
        async with remote(url, "", 20.0) as far:
            await crowd(far, 1.0)
            with Costs(process) as costs:
                rate = await crowd(far, seconds)
            print(f"| {CALLERS} callers, messages/s | {rate:.0f} | {costs.each(rate * seconds)} |")
            with Costs(process) as costs:
                took = await alone(far, seconds)
            print(f"| one caller, p50 ms | {median(took):.2f} | {costs.each(len(took))} |")


class Costs:
    """Processor time of this process and another one while the context is open."""

    def __init__(self, process: int) -> None:
        self._process = process

    def __enter__(self) -> Self:
        self._began = self._now()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = self._now()

    def _now(self) -> tuple[float, float]:
        return time.process_time(), _processor(self._process)

    def each(self, messages: float) -> str:
        return " | ".join(f"{1e6 * (b - a) / messages:.0f}" for a, b in zip(self._began, self._ended, strict=True))


def _processor(process: int) -> float:
    """Seconds that it has used."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--serve", action="store_true", help="be the other process")
    parser.add_argument("--stand-in", action="store_true")
    given = parser.parse_args()
    if given.serve:
        interpreter.run(serve_alone(given))
        return
    print("| the demo's model | in this process | as a service | the service against it |\n|---|---|---|---|")
    interpreter.run(with_model(given))
    print("\n| a stand-in, at once | | µs a message, chat server | µs a message, service |\n|---|---|---|---|")
    interpreter.run(without_model(given))


if __name__ == "__main__":
    main()
