"""T24: servers that are stopped until their leases are somebody else's, and then go on as if nothing were.

Eight of nine servers on one PostgreSQL are stopped again and again (SIGSTOP), each in the middle of whatever it does,
and woken after the leases' time; customers go on writing. What the log holds afterwards is compared with what it must:
the stub's answers count those before them, so a write from a stale state is seen.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from random import Random

from benchmarks.transport.figures import Figure, Measured
from benchmarks.transport.stage import SEED, stage
from bot.sessions import LEASE_MS
from tests.chaos.load import Crowd, Shape, judge
from tests.chaos.server import Server
from tests.chaos.world import Plan

STALLS = 200
SERVERS = 9
CONVERSATIONS, RATE = 40, 20
RUNNING_SECONDS = (0.2, 1.0)
STOPPED_SECONDS = (LEASE_MS / 1000 + 0.3, LEASE_MS / 1000 + 1.3)

FIGURES = (
    Figure("T24", "stale", f"stale writes after {STALLS} stalls", 0, "", digits=0),
    Figure("T24", "stalls", "stalls", STALLS, "", True, 0),
    Figure("T24", "messages", "messages acknowledged and answered meanwhile", None, "", True, 0),
)


async def measure(scale: float) -> Measured:
    stalls = max(8, int(STALLS * scale))
    seconds = stalls / (SERVERS - 1) * (sum(RUNNING_SECONDS) + sum(STOPPED_SECONDS)) / 2
    shape = Shape(CONVERSATIONS, max(1, int(RATE * seconds / CONVERSATIONS)), RATE, cut_every=1e6)
    rng = Random(SEED)
    async with stage(Plan("postgres", SERVERS)) as it, Crowd(lambda number: it.url, shape, rng, it.ledger) as crowd:
        load = asyncio.create_task(crowd.live())
        counts = await asyncio.gather(
            *(_stall(server, -(-stalls // (SERVERS - 1)), Random(rng.random())) for server in it.servers[1:])
        )
        await load
        settled = await crowd.settle()
        await it.restart()
        stories = await crowd.stories(it.url, it.what_actions_did, may_fail=False)
    found = judge(stories)
    for violation in found:
        print(violation, file=sys.stderr)
    return {
        "stale": len(found) + (not settled),
        "stalls": sum(counts),
        "messages": sum(len(story.acked) for story in stories),
    }


async def _stall(server: Server, times: int, rng: Random) -> int:
    for _ in range(times):
        await asyncio.sleep(rng.uniform(*RUNNING_SECONDS))
        server.signal(signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(*STOPPED_SECONDS))
        server.signal(signal.SIGCONT)
    return times
