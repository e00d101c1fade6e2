"""T18: clients that ask for a long log and do not read it, beside ten that write and read as ever.

What is held for them is what the service's process grows by, and what its kernel still has to send. Then they come
back as the protocol says and read all.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack

import aiohttp

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import MANNERS, customers, settled
from benchmarks.transport.processes import connected, memory, unsent
from benchmarks.transport.stage import stage
from tests.chaos.client import Client, Manners, Socket, open_session
from tests.chaos.world import World

OTHERS, RATE, SECONDS = 10, 50, 45.0
"""Long enough that a hundredth of the messages is more than the moment in which all readers ask."""
READERS = 20
LOG_MESSAGES, TEXT_CHARS = 600, 3900
TEXT = "greet " + "長" * TEXT_CHARS
"""Twelve kilobytes: the log is seven megabytes long."""
RECEIVE_BUFFER = 4096
"""Bytes that the kernel takes for a reader: what it took, the service would not have to hold."""
CLOSED_SECONDS = 60.0

FIGURES = (
    Figure("T18", "held", f"held for each of {READERS} clients that do not read", 1000, "KB", digits=0),
    Figure("T18", "rise", "p99 of the others over the p99 before", 10, "%"),
    Figure("T18", "closed", "closed after", CLOSED_SECONDS, "s"),
    Figure("T18", "complete", "of the log read by each once it is back", 100, "%", True, 2),
)


async def measure(scale: float) -> Measured:
    count, seconds = max(3, int(READERS * scale)), max(3.0, SECONDS * scale)
    async with stage() as it, customers(it.url, OTHERS) as they, AsyncExitStack() as stack:
        writer = await _long_log(it, stack, max(200, int(LOG_MESSAGES * scale)))
        await they.at_rate(RATE, 1.0)
        usual = await they.at_rate(RATE, seconds)
        pid = it.servers[0].pid
        before = memory(pid)
        deaf = [await stack.enter_async_context(Deaf(it.url, writer.token)) for _ in range(count)]
        held = asyncio.create_task(_most(pid, it.port, seconds))
        beside = await they.at_rate(RATE, seconds)
        closed = await asyncio.gather(*(reader.closed(it.port) for reader in deaf))
        return {
            "held": (await held - before) / count / 1000,
            "rise": 100 * (milliseconds(beside.answered(), 99) / milliseconds(usual.answered(), 99) - 1),
            "closed": max(closed),
            "complete": min([await _read_all(it, writer) for _ in range(2)]),
        }


async def _long_log(it: World, stack: AsyncExitStack, messages: int) -> Client:
    they = await stack.enter_async_context(customers(it.url, 1, Manners(window=MANNERS.window)))
    now = time.perf_counter()
    sent = [they.say(they.clients[0], now, TEXT) for _ in range(messages)]
    assert await settled(sent, 120), "The log could not be written."
    return they.clients[0]


async def _most(pid: int, port: int, seconds: float) -> int:
    until, most = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        most = max(most, memory(pid) + unsent(port))
        await asyncio.sleep(0.2)
    return most


class Deaf:
    """Says hello to a conversation and reads nothing from then on."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url, self._token = url, token
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Deaf:
        connector = aiohttp.TCPConnector(socket_factory=_small_socket, force_close=True)
        session = aiohttp.ClientSession(connector=connector, ws_response_class=Socket)
        await self._stack.enter_async_context(session)
        self._socket = await session.ws_connect(f"{self._url}/widget/ws", max_msg_size=0, autoping=False)
        hello = {"type": "hello", "token": self._token, "epoch": None, "last_seq": 0}
        await self._socket.send_str(json.dumps(hello))
        await self._socket.receive()
        transport = self._socket._conn.transport if self._socket._conn else None
        assert transport is not None
        transport.pause_reading()
        self._transport, self._since = transport, time.perf_counter()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.abort()
        await self._stack.aclose()

    @property
    def port(self) -> int:
        return int(self._transport.get_extra_info("sockname")[1])

    async def closed(self, port: int) -> float:
        """Seconds until the service has left it."""
        while self.port in connected(port) and time.perf_counter() < self._since + 2 * CLOSED_SECONDS:
            await asyncio.sleep(0.5)
        return time.perf_counter() - self._since


def _small_socket(found: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = found
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    made.setblocking(False)
    return made


async def _read_all(it: World, writer: Client) -> float:
    """Percent of the log that a client of the same customer gets."""
    async with open_session() as session, Client(session, it.url, token=writer.token) as client:
        async with asyncio.timeout(60):
            await client.until(lambda: client.welcomes and client.last_seq >= client.newest)
        return 100 * sum(a == b for a, b in zip(client.entries, writer.entries, strict=False)) / len(writer.entries)
