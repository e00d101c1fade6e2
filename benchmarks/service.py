"""The whole service over the REST channel beside its bare engine: `python -m benchmarks.service --model DIR`.

`frontdesk run` with the demo's project, SQLite and its own Valkey in a process of its own, customers in this one; in
turn with them, and on the same cores, the bare engine in a loop. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.frontdesk import Frontdesk, frontdesk
from benchmarks.rest import Conversation, conversations, crowd
from benchmarks.transport.processes import cpu_seconds, group
from bot import interpreter
from nlu.evaluation.measure import read_texts
from nlu.load import load_model
from nlu.understand import Model
from tests.demo import DATA
from tests.registered import registered

CONVERSATIONS = 32
PAIRS = 300
WARM_UP_SECONDS = 3.0
TEXTS = [one.text for one in read_texts(DATA / "test").examples if one.intent.startswith("ask_")]
"""Questions that a response or an article answers: none of them begins a form or calls a person."""


def bare(model: Model, rows: list[list[int]], seconds: float) -> float:
    """Messages a second that the engine reads, as many at once as there are conversations."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        start = count % len(rows)
        count += len(model.engine.run(rows[start : start + CONVERSATIONS]))
    return count / (time.perf_counter() - began)


def understood(model: Model, seconds: float) -> float:
    """The same, understood: with entities, passages and all."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() < began + seconds:
        start = count % len(TEXTS)
        count += len(model.understand_now(TEXTS[start : start + CONVERSATIONS]))
    return count / (time.perf_counter() - began)


async def pairs(model: Model, one: Conversation, rows: list[list[int]]) -> list[tuple[float, float, float]]:
    """Milliseconds of the bare engine, of an understanding and of the service, text by text."""
    found = []
    for number in range(PAIRS):
        at = number % len(TEXTS)
        times = [time.perf_counter()]
        model.engine.run([rows[at]])
        times.append(time.perf_counter())
        model.understand_now([TEXTS[at]])
        times.append(time.perf_counter())
        await one.ask(TEXTS[at])
        times.append(time.perf_counter())
        engine, understanding, service = (1000 * (b - a) for a, b in pairwise(times))
        found.append((engine, understanding, service))
    return found


@dataclass(frozen=True, slots=True)
class Paces:
    """Of the engine, of understanding and of the service."""

    rates: tuple[float, float, float]
    """Messages a second."""
    costs: tuple[float, float, float]
    """Milliseconds of the processor a message."""


async def paces(model: Model, rows: list[list[int]], they: list[Conversation], pid: int, seconds: float) -> Paces:
    began = time.process_time()
    engine = bare(model, rows, seconds)
    read = time.process_time()
    understanding = understood(model, seconds)
    ended, before = time.process_time(), cpu_seconds(group(pid))
    service = await crowd(they, TEXTS, seconds)
    used = read - began, ended - read, cpu_seconds(group(pid)) - before
    rates = engine, understanding, service
    first, second, third = (1000 * cpu / (rate * seconds) for cpu, rate in zip(used, rates, strict=True))
    return Paces(rates, (first, second, third))


async def measured(model: Model, service: Frontdesk, rounds: int, seconds: float) -> None:
    rows = [tokens.ids for tokens in model.reader.read(TEXTS)]
    async with conversations(service.port, CONVERSATIONS) as they:
        await crowd(they, TEXTS, WARM_UP_SECONDS)
        found = [await paces(model, rows, they, service.pid, seconds) for _ in range(rounds)]
        took = await pairs(model, they[0], rows)
    rates, costs = [one.rates for one in found], [one.costs for one in found]
    print("| | bare engine | understanding | service | ratio to the engine | goal |\n|---|---|---|---|---|---|")
    ratio = median(service / engine for engine, _, service in rates)
    print(f"| {CONVERSATIONS} conversations, messages/s | {_medians(rates, '.0f')} | {ratio:.2f} x | >= 0.75 x |")
    ratio = median(service / engine for engine, _, service in costs)
    print(f"| the processor's time for one of those, ms | {_medians(costs, '.2f')} | {ratio:.2f} x | |")
    engine, _, service = (median(each) for each in zip(*took, strict=True))
    more = median(service - engine for engine, _, service in took)
    words = f"{service / engine:.2f} x, {more:+.1f} ms"
    print(f"| one conversation, p50 ms | {_medians(took, '.1f')} | {words} | <= 1.5 x and <= + 3 ms |")


def _medians(found: list[tuple[float, float, float]], form: str) -> str:
    return " | ".join(f"{median(each):{form}}" for each in zip(*found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--threads", type=int, default=0, help="of the service's model; 0: its default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        registered(given.model, Path(home), "demo")
        with frontdesk(Path(home), {"DATA": str(DATA), "THREADS": str(given.threads)}) as service:
            model = load_model(given.model, device="cpu")
            service.await_ready()
            interpreter.run(measured(model, service, given.rounds, given.seconds))


if __name__ == "__main__":
    main()
