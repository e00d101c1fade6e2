"""What a message costs a chat server whose model is elsewhere: `python -m benchmarks.chat_server`.

`frontdesk run` with SQLite and its own Valkey, and a stand-in for the model service, which says at once what it always
says; a hundred customers over the widget's WebSocket. In turn with it aiohttp's WebSocket, which sends the same
frames back. Both are processes of their own; what counts is the processor's time. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import aiohttp
from aiohttp import web

from benchmarks.beside_rasa import DATA
from benchmarks.elsewhere import elsewhere
from benchmarks.frontdesk import frontdesk
from benchmarks.transport.load import Customers, customers
from benchmarks.transport.processes import cpu_seconds, group
from bot import interpreter
from bot.listening import accepting, listen
from nlu.server import serving
from nlu.types import Intent, Query, Understanding, Verdict

CUSTOMERS = 100
FRAME = '{"type": "message", "id": "2f4a8b4c-7d6a-4a57-9a53-0d5f6a1f9c11", "text": "when do you open tomorrow?"}'
INTENTS = ("opening_hours", "delivery_cost", "returns", "greet", "goodbye", "thanks")
WARM_UP_SECONDS = 2.0


class StandIn:
    """Says at once that the first intent is meant."""

    model = "stand-in"
    ranking = tuple(Intent(name, 0.95 if place == 0 else 0.01) for place, name in enumerate(INTENTS))

    async def answer(self, queries: Sequence[Query], until: float) -> list[Understanding]:
        return [self._understanding(query.text) for query in queries]

    def _understanding(self, text: str) -> Understanding:
        return Understanding(text, self.ranking[0], self.ranking, Verdict.SURE, model=self.model)


async def serve_model() -> None:
    """Until it is killed. Prints its URL."""
    interpreter.tune()
    listener = listen("127.0.0.1", 0)
    async with serving(StandIn(), "", partial(accepting, listener)):
        await _served(listener.getsockname()[1])


async def serve_echo() -> None:
    async def echo(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(message.data)
        return socket

    interpreter.tune()
    app = web.Application()
    app.add_routes([web.get("/", echo)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listener = listen("127.0.0.1", 0)
    await web.SockSite(runner, listener).start()
    await _served(listener.getsockname()[1])


async def _served(port: int) -> None:
    interpreter.freeze()
    print(f"http://127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Round:
    """Messages for a second of the processor."""

    frontdesk: float
    echo: float


async def echoed(sockets: Sequence[aiohttp.ClientWebSocketResponse], seconds: float) -> int:
    until, count = time.perf_counter() + seconds, 0

    async def customer(socket: aiohttp.ClientWebSocketResponse) -> None:
        nonlocal count
        while time.perf_counter() < until:
            await socket.send_str(FRAME)
            await socket.receive_str()
            count += 1

    await asyncio.gather(*map(customer, sockets))
    return count


async def rounds(server: tuple[int, str], echo: tuple[int, str], count: int, seconds: float) -> list[Round]:
    async with customers(server[1], CUSTOMERS) as they, aiohttp.ClientSession() as session:
        sockets = [await session.ws_connect(echo[1]) for _ in range(CUSTOMERS)]
        await they.in_turn(WARM_UP_SECONDS)
        return [
            Round(await _rate(they, server[0], seconds), await _echo_rate(sockets, echo[0], seconds))
            for _ in range(count)
        ]


async def _rate(they: Customers, pid: int, seconds: float) -> float:
    before = cpu_seconds(group(pid))
    answered = len((await they.in_turn(seconds)).answered())
    return answered / (cpu_seconds(group(pid)) - before)


async def _echo_rate(sockets: Sequence[aiohttp.ClientWebSocketResponse], pid: int, seconds: float) -> float:
    before = cpu_seconds([pid])
    return await echoed(sockets, seconds) / (cpu_seconds([pid]) - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--serve", choices=("model", "echo"))
    given = parser.parse_args()
    if given.serve:
        interpreter.run(serve_model() if given.serve == "model" else serve_echo())
        return
    with ExitStack() as stack:
        home = stack.enter_context(tempfile.TemporaryDirectory())
        _, model = stack.enter_context(elsewhere("benchmarks.chat_server", "--serve", "model"))
        echo = stack.enter_context(elsewhere("benchmarks.chat_server", "--serve", "echo"))
        settings = {"DATA": str(DATA), "MODEL_URL": model, "CONNECTIONS_PER_ADDRESS": "100000"}
        service = stack.enter_context(frontdesk(Path(home), settings))
        service.await_ready()
        found = interpreter.run(rounds((service.pid, service.url), echo, given.rounds, given.seconds))
    print("| a second of one core | messages | ms a message | ratio | goal |\n|---|---|---|---|---|")
    echo_rate, rate = median(one.echo for one in found), median(one.frontdesk for one in found)
    ratio = median(one.frontdesk / one.echo for one in found)
    print(f"| aiohttp, a WebSocket's echo | {echo_rate:.0f} | {1000 / echo_rate:.3f} | 1 | |")
    print(f"| chat server, {CUSTOMERS} customers | {rate:.0f} | {1000 / rate:.3f} | {ratio:.3f} x | >= 0.25 x |")


if __name__ == "__main__":
    main()
