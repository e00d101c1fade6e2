"""T9: from a message's time to its acknowledgement, which comes after the commit, at 50 answered messages a second."""

from __future__ import annotations

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import customers
from benchmarks.transport.stage import stage

CONVERSATIONS = 50
RATE = 50
SECONDS = 20.0

FIGURES = (
    Figure("T9", "p50", f"acknowledged after the commit, {RATE} msg/s, p50", 8, "ms"),
    Figure("T9", "p99", f"acknowledged after the commit, {RATE} msg/s, p99", 30, "ms"),
    Figure("T9", "lost", "of these acknowledged and never answered", 0, "", digits=0),
)


async def measure(scale: float) -> Measured:
    async with stage() as it, customers(it.url, CONVERSATIONS) as they:
        await they.at_rate(RATE, max(1.0, 3 * scale))
        timings = await they.at_rate(RATE, SECONDS * scale)
        took = timings.acknowledged()
        return {"p50": milliseconds(took, 50), "p99": milliseconds(took, 99), "lost": timings.lost}
