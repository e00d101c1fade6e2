"""T7, T8: two workers under the supervisor of `frontdesk run --workers 2`, with 1,000 clients, replaced one after the
other (SIGHUP; each gets SIGTERM), and then both killed at once (`kill -9`). Customers go on writing all the while.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.transport.figures import Figure, Measured, percentile
from benchmarks.transport.load import Customers, Timings, customers
from benchmarks.transport.processes import favour_what_is_started, step_back
from tests.chaos.client import Client, Manners
from tests.chaos.server import ROOMY
from tests.several import Several, running, several

CLIENTS = 1000
RATE = 20
"""Messages a second, all together."""
BACK_SECONDS = 30.0
"""Who is not back by then never comes."""
MANNERS = Manners(window=100)

FIGURES = (
    Figure("T7", "deploy_p95", "workers replaced: a client back, p95", 3.5, "s", digits=2),
    Figure("T7", "deploy_lost", "of 1,000 clients never back", 0, "", digits=0),
    Figure("T7", "deploy_failed", "messages sent meanwhile and not acknowledged in the end", 0, "", digits=0),
    Figure("T7", "deploy_exit", "from the first goodbye of a worker to its end, the slower one", 8, "s", digits=2),
    Figure("T8", "kill_p95", "both workers killed: a client back, p95", 5, "s", digits=2),
    Figure("T8", "kill_lost", "of 1,000 clients never back", 0, "", digits=0),
    Figure("T8", "kill_failed", "messages sent meanwhile and not acknowledged in the end", 0, "", digits=0),
    Figure("T8", "kill_accept", "first message accepted again", 2.5, "s", digits=2),
)


class _Gone:
    """Who was sent away or lost, when, and when they were back."""

    def __init__(self, they: Customers) -> None:
        self._next = they.watch
        self.since: dict[Client, float] = {}
        self.away: list[float] = []
        self.goodbyes: list[float] = []
        for client in they.clients:
            client._watch = self.watch  # the crowd's own is called from here

    def watch(self, what: str, client: Client, **fields: Any) -> None:
        now = time.perf_counter()
        if what == "drain":
            self.goodbyes.append(now)
        if what in ("drain", "lost"):
            self.since.setdefault(client, now)
        elif what == "welcome" and client in self.since:
            self.away.append(now - self.since.pop(client))
        self._next(what, client, **fields)


async def measure(scale: float) -> Measured:
    count = max(20, int(CLIENTS * scale))
    favour_what_is_started()
    roomy: dict[str, Any] = {f"FRONTDESK_{name.upper()}": int(value) for name, value in ROOMY.items()}
    with tempfile.TemporaryDirectory() as home:
        async with several(Path(home) / "home", 2, **roomy) as service:
            step_back()
            async with customers(service.url, count, MANNERS) as they:
                return {**await _deploy(service, they), **await _kill(service, they)}


async def _deploy(service: Several, they: Customers) -> Measured:
    gone, old, ends = _Gone(they), service.workers(), list[float]()
    watching = asyncio.create_task(_watch_ends(old, ends))
    writing = asyncio.create_task(_write(they, lambda: watching.done() and not gone.since))
    service.send(signal.SIGHUP)
    async with asyncio.timeout(60):
        await watching
    sent = await writing
    exits = [ended - min(at for at in gone.goodbyes if at > before) for before, ended in pairwise([0.0, *ends])]
    return {
        "deploy_p95": percentile(gone.away, 95),
        "deploy_lost": _lost(they),
        "deploy_failed": sum(each.acked is None for each in sent.sent),
        "deploy_exit": max(exits),
    }


async def _watch_ends(workers: list[int], ends: list[float]) -> None:
    left = set(workers)
    while left:
        for worker in [each for each in left if not running(each)]:
            left.discard(worker)
            ends.append(time.perf_counter())
        await asyncio.sleep(0.02)


async def _kill(service: Several, they: Customers) -> Measured:
    gone = _Gone(they)
    until = asyncio.Event()
    writing = asyncio.create_task(_write(they, until.is_set))
    await asyncio.sleep(1.0)
    killed = time.perf_counter()
    for worker in service.workers():
        os.kill(worker, signal.SIGKILL)
    await asyncio.sleep(1.0)
    await _all_back(they)
    until.set()
    sent = await writing
    return {
        "kill_p95": percentile(gone.away, 95),
        "kill_lost": _lost(they),
        "kill_failed": sum(each.acked is None for each in sent.sent),
        "kill_accept": min(each.acked - killed for each in sent.sent if each.acked and each.due > killed),
    }


async def _write(they: Customers, over: Callable[[], bool]) -> Timings:
    """Until it is over, and everybody is back or never will be."""
    timings = Timings()
    until = time.perf_counter() + BACK_SECONDS
    while time.perf_counter() < until and not over():
        timings.sent += (await they.at_rate(RATE, 1.0, patience=0)).sent
    await _all_back(they)
    await _acknowledged(timings)
    return timings


async def _all_back(they: Customers) -> None:
    until = time.perf_counter() + BACK_SECONDS
    while _lost(they) and time.perf_counter() < until:
        await asyncio.sleep(0.05)


async def _acknowledged(timings: Timings) -> None:
    until = time.perf_counter() + BACK_SECONDS
    while any(each.acked is None for each in timings.sent) and time.perf_counter() < until:
        await asyncio.sleep(0.05)


def _lost(they: Customers) -> int:
    return sum(not client.connected for client in they.clients)
