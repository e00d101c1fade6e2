"""T16: an action server that takes ten seconds over everything, while other customers need no action.

The stub of an action server counts its calls, so that it is seen when the service leaves it alone and when it tries
again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import Customers, Sent, customers, settled
from benchmarks.transport.stage import stage
from tests.chaos.client import Client
from tests.chaos.world import Plan

OTHERS, RATE, SECONDS = 40, 50, 15.0
ACTION_SECONDS = 10.0
FAILURES = 5
"""After so many calls without an answer nobody should be kept waiting any more."""
AT_ONCE_SECONDS = 1.0
TRIED_AGAIN_SECONDS = 20.0

FIGURES = (
    Figure("T16", "rise", "other customers' p99 while the action server hangs, over the p99 before", 20, "%"),
    Figure("T16", "answer", "who needs the action is answered after, at most", 5.5, "s", digits=2),
    Figure("T16", "calls", "calls until it is left alone", FAILURES, "", digits=0),
    Figure("T16", "again", "tried again after", 11, "s", digits=1),
)


@dataclass(slots=True)
class _ActionServer:
    """Answers every call after `seconds`."""

    seconds: float = 0.0
    calls: int = 0
    url: str = ""

    async def act(self, request: web.Request) -> web.Response:
        self.calls += 1
        await request.read()
        await asyncio.sleep(self.seconds)
        return web.json_response({"events": [], "responses": [{"text": "Done."}]})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_post("/webhook", self.act)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/webhook"
            yield
        finally:
            await runner.cleanup()


async def measure(scale: float) -> Measured:
    server, seconds = _ActionServer(), max(7.0, SECONDS * scale)
    async with (
        server.serving(),
        stage(Plan(action_endpoint=server.url)) as it,
        customers(it.url, OTHERS + FAILURES) as they,
    ):
        needy, others = they.clients[:FAILURES], they.clients[FAILURES:]
        await they.at_rate(RATE, max(1.0, 3 * scale), others)
        usual = await they.at_rate(RATE, seconds, others)
        server.seconds, server.calls = ACTION_SECONDS, 0
        load = asyncio.create_task(they.at_rate(RATE, seconds, others))
        waited = await _needing(they, needy)
        calls, opened = server.calls, time.perf_counter()
        left_alone = await _needing(they, needy[:1])
        server.seconds = 0.0
        again = await _tried_again(they, server, needy[0], opened)
        hanging = await load
    return {
        "rise": 100 * (milliseconds(hanging.answered(), 99) / milliseconds(usual.answered(), 99) - 1),
        "answer": max(waited),
        "calls": calls if left_alone[0] < AT_ONCE_SECONDS else calls + 1,
        "again": again,
    }


async def _needing(they: Customers, clients: list[Client]) -> list[float]:
    """Seconds until each, all at once, has its answer."""
    sent = [they.say(client, time.perf_counter(), "tell") for client in clients]
    assert await settled(sent, 2 * ACTION_SECONDS), "Who needed an action was never answered."
    return [_took(each) for each in sent]


def _took(sent: Sent) -> float:
    assert sent.answered is not None, "A message was refused."
    return sent.answered - sent.due


async def _tried_again(they: Customers, server: _ActionServer, client: Client, opened: float) -> float:
    calls = server.calls
    while server.calls == calls and time.perf_counter() < opened + TRIED_AGAIN_SECONDS:
        await _needing(they, [client])
        await asyncio.sleep(0.1)
    return time.perf_counter() - opened
