"""T5: many messages in one conversation, where each has to wait for the one before."""

from __future__ import annotations

import asyncio
import time

from benchmarks.transport.figures import Figure, Measured
from benchmarks.transport.load import Customers, Timings, customers, settled
from benchmarks.transport.stage import stage
from tests.chaos.world import Plan

MESSAGES = 500
BURST, BURSTS = 10, 20
MODEL_SECONDS = 0.005

FIGURES = (
    Figure("T5", "rate", f"{MESSAGES} messages at once in one conversation, stub of 0 ms", 100, "msg/s", True, 0),
    Figure(
        "T5",
        "over",
        f"{BURST} messages at once, stub of 5 ms: last answer over {BURST} x 5 ms, worst of {BURSTS} bursts",
        50,
        "ms",
    ),
)


async def measure(scale: float) -> Measured:
    async with stage(Plan(model_seconds=0)) as it, customers(it.url, 1) as they:
        await _burst(they, BURST)
        rate = (await _burst(they, max(BURST, int(MESSAGES * scale)))).rate()
    async with stage(Plan(model_seconds=MODEL_SECONDS)) as it, customers(it.url, 1) as they:
        await _burst(they, BURST)
        bursts = []
        for _ in range(max(2, int(BURSTS * scale))):
            await asyncio.sleep(0.1)
            bursts.append(max((await _burst(they, BURST)).answered()))
    return {"rate": rate, "over": 1000 * (max(bursts) - BURST * MODEL_SECONDS)}


async def _burst(they: Customers, count: int) -> Timings:
    now = time.perf_counter()
    timings = Timings([they.say(they.clients[0], now) for _ in range(count)])
    assert await settled(timings.sent, 60), "The burst was not answered."
    return timings
