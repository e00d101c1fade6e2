"""What a change of model costs customers: `python -m benchmarks.swap --model DIR [--swaps N]`.

The whole service with the real model, fifty messages a second, first without and then with a change of model every
five seconds. Load and service share the process and its cores. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles

from bot import models
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
NAMES = ("one", "two")


@dataclass(slots=True)
class Phase:
    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def p99(self) -> float:
        return 1000 * quantiles(self.seconds, n=100)[98]


@asynccontextmanager
async def _served(home: Path) -> AsyncIterator[tuple[str, Language]]:
    settings = Settings(home=home, data=DATA, port=0, rate=1000.0, burst=1000, conversations_per_hour=100_000)
    directory = home / "models" / NAMES[-1]
    async with serve(models.for_serving(directory, settings)) as service:
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
        turn += 1
        await asyncio.sleep(max(0.0, started + 1 - time.perf_counter()))


async def _played(widgets: list[Widget], seconds: float) -> Phase:
    phase, end = Phase(), time.perf_counter() + seconds
    await asyncio.gather(*(_customer(widget, number, phase, end) for number, widget in enumerate(widgets)))
    return phase


async def _swapped(registry: Registry, language: Language, swaps: int) -> tuple[list[float], list[float]]:
    """Seconds until each model served, and the memory after it in MB."""
    taken, memory = [], []
    for turn in range(swaps):
        name, started = NAMES[turn % len(NAMES)], time.perf_counter()
        registry.promote(name)
        while language.model != name:
            await asyncio.sleep(0.01)
        taken.append(time.perf_counter() - started)
        await asyncio.sleep(max(0.0, started + EVERY_SECONDS - time.perf_counter()))
        memory.append(_resident())
    return taken, memory


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measured(model: Path, swaps: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        registry = registered(model, Path(scratch), *NAMES)
        async with _served(Path(scratch)) as (url, language), AsyncExitStack() as stack:
            widgets = [await stack.enter_async_context(Widget.open(url)) for _ in range(CUSTOMERS)]
            await _played(widgets, 5)
            began = _resident()
            before = await _played(widgets, swaps * EVERY_SECONDS / 2)
            stayed = _resident()
            during, (taken, memory) = await asyncio.gather(
                _played(widgets, swaps * EVERY_SECONDS), _swapped(registry, language, swaps)
            )
    print("| fifty messages a second | model stays | a new model every 5 s |\n|---|---|---|")
    print(f"| answered | {len(before.seconds)} | {len(during.seconds)} |")
    print(f"| failed | {before.failed} | {during.failed} |")
    print(f"| answer, p99 ms | {before.p99():.0f} | {during.p99():.0f} ({during.p99() / before.p99() - 1:+.0%}) |")
    print(f"| from the promotion to the new model, slowest of {swaps}, s | | {max(taken):.2f} |")
    # The customers are in this process too, and remember what they were told: memory grows with the answers.
    print(
        f"| memory at the beginning and the end, MB | {began:.0f}, {stayed:.0f} | {memory[0]:.0f}, {memory[-1]:.0f} |"
    )
    grown = [1000 * (stayed - began) / len(before.seconds), 1000 * (memory[-1] - memory[0]) / len(during.seconds)]
    print(f"| growth for a thousand answers, MB | {grown[0]:.0f} | {grown[1]:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=None)
    parser.add_argument("--swaps", type=int, default=24)
    given = parser.parse_args()
    directory = given.model or Registry(Path(".frontdesk")).usable()
    if directory is None:
        raise SystemExit("Train a model first: frontdesk train.")
    asyncio.run(measured(directory, given.swaps))


if __name__ == "__main__":
    main()
