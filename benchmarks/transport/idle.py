"""T11: what an open widget costs while nobody writes: memory of the server process, and processor time for pings.

The clients do as the protocol says: after 25 seconds of silence they ask whether somebody is there.
"""

from __future__ import annotations

import asyncio

from benchmarks.transport.figures import Figure, Measured
from benchmarks.transport.load import customers
from benchmarks.transport.processes import cpu_seconds, memory
from benchmarks.transport.stage import stage
from tests.chaos.client import Manners

CONNECTIONS = 5000
FIRST = 100
"""Connections that come and go before, so that what is only made once is there."""
REST_SECONDS = 5.0
WATCHED_SECONDS = 60.0
MANNERS = Manners(keep=False)

FIGURES = (
    Figure("T11", "bytes", f"memory of an idle connection, {CONNECTIONS:,} of them", 25, "KB"),
    Figure("T11", "cpu", f"of a core for the pings of {CONNECTIONS:,} idle connections", 3, "%", digits=2),
)


async def measure(scale: float) -> Measured:
    count = int(CONNECTIONS * scale)
    async with stage() as it:
        pid = it.servers[0].pid
        async with customers(it.url, FIRST, MANNERS):
            pass
        await asyncio.sleep(1.0)
        before = memory(pid)
        async with customers(it.url, count, MANNERS):
            await asyncio.sleep(REST_SECONDS)
            grown = memory(pid) - before
            began = cpu_seconds([pid])
            await asyncio.sleep(seconds := max(5.0, WATCHED_SECONDS * scale))
            busy = (cpu_seconds([pid]) - began) / seconds
    return {"bytes": grown / count / 1000, "cpu": 100 * busy * CONNECTIONS / count}
