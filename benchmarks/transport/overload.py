"""T17: twice as many messages as one process can answer, for a while, and what is like before, meanwhile and after.

A refused message is not sent again by the load: how many are answered is what the service makes of a flood. What "the
peak" is, a closed loop of a hundred conversations tells in the same run.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import Customers, customers
from benchmarks.transport.processes import memory
from benchmarks.transport.stage import stage
from tests.chaos.world import Plan, World

CONVERSATIONS, IN_TURN = 500, 100
TIMES = 2.0
SECONDS = 30.0
AFTER_SECONDS, AFTER_SHARE = 8.0, 0.3
"""The load after the flood, as a share of the peak."""

FIGURES = (
    Figure("T17", "goodput", f"{TIMES:.0f} x saturation: answered a second, of the peak", 90, "%", True),
    Figure("T17", "slower", "p99 of accepted messages, times the p99 at the peak", 2, "x", digits=2),
    Figure("T17", "refusal", "a refusal, p99", 20, "ms"),
    Figure("T17", "late", "the load's own lateness within that, p99", None, "ms"),
    Figure("T17", "refused", "refused", None, "%", True),
    Figure("T17", "memory", "memory of the server, more than before", 20, "%"),
    Figure("T17", "lost", "acknowledged and never answered", 0, "", digits=0),
    Figure("T17", "normal", "back to the usual latency after", 5, "s", digits=2),
)


async def measure(scale: float) -> Measured:
    seconds = max(3.0, SECONDS * scale)
    async with stage(Plan(model_seconds=0)) as it, customers(it.url, CONVERSATIONS) as they:
        await they.in_turn(max(1.0, 10 * scale))  # all of them: what a conversation remembers is in memory before
        peak = await they.in_turn(max(2.0, 8 * scale), they.clients[:IN_TURN])
        before, most = memory(it.servers[0].pid), _Most(it)
        watching = asyncio.create_task(most.watch())
        flood = await they.at_rate(TIMES * peak.rate(), seconds)
        watching.cancel()
        after = await _after(they, peak.rate(), milliseconds(peak.answered(), 99) / 1000)
        return {
            "goodput": 100 * flood.rate() / peak.rate(),
            "slower": milliseconds(flood.answered(), 99) / milliseconds(peak.answered(), 99),
            "refusal": milliseconds(flood.refused(), 99),
            "late": milliseconds(flood.late(), 99),
            "refused": 100 * len(flood.refused()) / len(flood.sent),
            "memory": 100 * (most.bytes / before - 1),
            "lost": flood.lost,
            "normal": after,
        }


class _Most:
    """The most memory that the server had."""

    def __init__(self, it: World) -> None:
        self._it, self.bytes = it, 0

    async def watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, memory(self._it.servers[0].pid))
            await asyncio.sleep(0.5)


async def _after(they: Customers, peak: float, usual: float) -> float:
    """Seconds until the last message that took longer than is usual at the peak, or was refused."""
    began = time.perf_counter()
    timings = await they.at_rate(AFTER_SHARE * peak, AFTER_SECONDS)
    late = [each.due for each in timings.sent if each.answered is None or each.answered - each.due > usual]
    return max(late) - began if late else 0.0
