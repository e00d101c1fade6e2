"""T10: how many messages a second one process acknowledges and answers.

A closed loop finds the most it can do; then an open loop offers less and less of that until 99 of 100 answers are there
in time. The stub model takes no time.
"""

from __future__ import annotations

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import Customers, Timings, customers
from benchmarks.transport.processes import cpu_seconds
from benchmarks.transport.stage import stage
from tests.chaos.world import Plan, World

CONVERSATIONS = 100
GOAL = 600
P99_MS = 150
SHARES = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4)

FIGURES = (
    Figure("T10", "sustained", f"answered a second in an open loop, p99 <= {P99_MS} ms", GOAL, "msg/s", True, 0),
    Figure("T10", "goal_p99", f"whole answer at {GOAL} msg/s, p99", P99_MS, "ms"),
    Figure("T10", "peak", "answered a second in a closed loop of 100 conversations", None, "msg/s", True, 0),
    Figure("T10", "cpu", "processor time of the server a message, at the peak", None, "ms", digits=2),
)


async def measure(scale: float) -> Measured:
    seconds = max(1.0, 6 * scale)
    async with stage(Plan(model_seconds=0)) as it, customers(it.url, CONVERSATIONS) as they:
        await they.in_turn(max(0.5, 2 * scale))
        peak, cpu = await _peak(it, they, seconds)
        at_goal = await they.at_rate(GOAL, seconds)
        return {
            "peak": peak,
            "cpu": cpu,
            "goal_p99": _p99(at_goal),
            "sustained": await _sustained(they, peak, seconds),
        }


async def _peak(it: World, they: Customers, seconds: float) -> tuple[float, float]:
    pids = [server.pid for server in it.servers]
    before = cpu_seconds(pids)
    timings = await they.in_turn(seconds)
    return timings.rate(), 1000 * (cpu_seconds(pids) - before) / len(timings.sent)


async def _sustained(they: Customers, peak: float, seconds: float) -> float:
    for share in SHARES:
        timings = await they.at_rate(share * peak, seconds)
        if _p99(timings) <= P99_MS:
            return timings.rate()
    return 0.0


def _p99(timings: Timings) -> float:
    """What was not answered counts as for ever."""
    missing = [float("inf")] * (len(timings.sent) - len(timings.answered()))
    return milliseconds([*timings.answered(), *missing], 99)
