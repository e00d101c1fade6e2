"""What a change of model costs customers: `python -m benchmarks.swap --model DIR [--swaps N]`.

The whole service with the real model, fifty messages a second, in turn without and with a change of model every
five seconds. As with `frontdesk models promote` and `frontdesk retrain`, another process promotes. Load and service
share a process, and all of them the cores. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import quantiles
from typing import Self

from bot import interpreter, models
from bot.app import serving
from bot.config import Settings
from bot.dialogue.assistant import Assistant
from bot.following import following
from bot.language import Language
from nlu.registry import Registry
from nlu.understand import serve
from tests.demo import DATA
from tests.registered import registered
from tests.service import Widget

TEXTS = ("how much is shipping?", "do you ship to ireland", "thanks a lot", "can I pay with paypal?")
CUSTOMERS = 50
EVERY_SECONDS = 5.0
A_ROUND = 6
"""Changes, after as long without any: who else uses the machine meanwhile slows down both."""
NAMES = ("one", "two")


@dataclass(slots=True)
class Phase:
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    @classmethod
    def all(cls, phases: Sequence[Phase]) -> Self:
        return cls([one for phase in phases for one in phase.seconds], sum(phase.failed for phase in phases))

    def percentile(self, number: int) -> float:
        """In milliseconds."""
        return 1000 * quantiles(self.seconds, n=100)[number - 1]


@asynccontextmanager
async def _served(home: Path) -> AsyncIterator[tuple[str, Language]]:
    settings = Settings(home=home, data=DATA, port=0, rate=1000.0, burst=1000, conversations_per_hour=100_000)
    directory = home / "models" / NAMES[-1]
    async with serve(models.for_serving(directory, settings)) as service:
        interpreter.freeze()
        language = Language(service, models.page(directory), {})
        async with serving(settings, Assistant.load(DATA), language) as chat, following(settings, language, service):
            yield chat.url, language


async def _customer(widget: Widget, number: int, phase: Phase, end: float) -> None:
    """A message a second, at a moment of their own; who waits longer for the answer writes the next one late."""
    await asyncio.sleep(number / CUSTOMERS)
    turn = 0
    while time.perf_counter() < end:
        started = time.perf_counter()
        try:
            await widget.ask(TEXTS[(number + turn) % len(TEXTS)])
            phase.seconds.append(time.perf_counter() - started)
        except (TimeoutError, ConnectionResetError):
            phase.failed += 1
        widget.entries.clear()  # else memory would grow by what customers remember
        widget.answers.clear()
        turn += 1
        await asyncio.sleep(max(0.0, started + 1 - time.perf_counter()))


async def _played(widgets: list[Widget], seconds: float) -> Phase:
    phase, end = Phase(), time.perf_counter() + seconds
    await asyncio.gather(*(_customer(widget, number, phase, end) for number, widget in enumerate(widgets)))
    return phase


@asynccontextmanager
async def _promoting(home: Path) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    """A process that makes models current, started."""
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(1, get_context("spawn")) as other:
        await loop.run_in_executor(other, _promoted, home, NAMES[-1])
        yield lambda name: loop.run_in_executor(other, _promoted, home, name)


def _promoted(home: Path, name: str) -> None:
    Registry(home).promote(name)


async def _swapped(
    promote: Callable[[str], Awaitable[None]], language: Language, swaps: int
) -> list[tuple[float, float]]:
    """Of each change the seconds until the model served, and the memory after it in MB."""
    found = []
    for _ in range(swaps):
        name, started = next(name for name in NAMES if name != language.model), time.perf_counter()
        await promote(name)
        while language.model != name:
            await asyncio.sleep(0.01)
        taken = time.perf_counter() - started
        await asyncio.sleep(max(1.0, started + EVERY_SECONDS - time.perf_counter()))  # the old model is gone then
        found.append((taken, _resident()))
    return found


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measured(model: Path, swaps: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        registered(model, home := Path(scratch), *NAMES)
        async with _served(home) as (url, language), _promoting(home) as promote, AsyncExitStack() as stack:
            widgets = [await stack.enter_async_context(Widget.open(url)) for _ in range(CUSTOMERS)]
            await _played(widgets, 5)
            began, before, during, changes = _resident(), [], [], []
            for _ in range(swaps // A_ROUND):
                before.append(await _played(widgets, A_ROUND * EVERY_SECONDS))
                played, changed = await asyncio.gather(
                    _played(widgets, A_ROUND * EVERY_SECONDS), _swapped(promote, language, A_ROUND)
                )
                during.append(played)
                changes += changed
    _tell(before, during)
    taken, memory = zip(*changes, strict=True)
    print(f"| from the promotion to the new model, slowest of {len(taken)}, s | | {max(taken):.2f} |")
    shown = [at for at in (1, 2, 4, 8, 12, 16, 20, len(memory)) if at <= len(memory)]
    print(f"\nMemory: {began:.0f} MB before the first change; after change {_listed(shown)}: ", end="")
    print(f"{_listed([round(memory[at - 1]) for at in shown])} MB.")


def _tell(before: Sequence[Phase], during: Sequence[Phase]) -> None:
    columns = Phase.all(before), Phase.all(during)
    p50s, p99s = ([one.percentile(number) for one in columns] for number in (50, 99))
    rounds = [_listed([round(one.percentile(99)) for one in phases]) for phases in (before, during)]
    print("| fifty messages a second | model stays | a new model every 5 s |\n|---|---|---|")
    print(f"| answered | {len(columns[0].seconds)} | {len(columns[1].seconds)} |")
    print(f"| failed | {columns[0].failed} | {columns[1].failed} |")
    print(f"| answer, p50 ms | {p50s[0]:.0f} | {p50s[1]:.0f} |")
    print(f"| answer, p99 ms | {p99s[0]:.0f} | {p99s[1]:.0f} ({p99s[1] / p99s[0] - 1:+.0%}) |")
    print(f"| the same, round by round in turn | {rounds[0]} | {rounds[1]} |")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--swaps", type=int, default=24)
    given = parser.parse_args()
    directory = given.model or Registry(Path(".frontdesk")).usable()
    if directory is None:
        raise SystemExit("Train a model first: frontdesk train.")
    interpreter.run(measured(directory, given.swaps))


if __name__ == "__main__":
    main()
