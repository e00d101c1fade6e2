"""T18: clients that ask for a long log and do not read it, beside ten that write and read as ever.

What the service holds for them is what its process grows by. Then they come back as the protocol says and read all.
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
from benchmarks.transport.processes import memory
from benchmarks.transport.stage import stage
from tests.chaos.client import Client, Manners, Socket, open_session
from tests.chaos.world import World

OTHERS, RATE, SECONDS = 10, 20, 20.0
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
        deaf = [await stack.enter_async_context(_Deaf(it.url, writer)) for _ in range(count)]
        held = asyncio.create_task(_most(pid, seconds))
        beside = await they.at_rate(RATE, seconds)
        closed = await asyncio.gather(*(reader.closed() for reader in deaf))
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


async def _most(pid: int, seconds: float) -> int:
    until, most = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        most = max(most, memory(pid))
        await asyncio.sleep(0.2)
    return most


class _Deaf:
    """Says hello to a conversation and reads nothing from then on."""

    def __init__(self, url: str, other: Client) -> None:
        self._url, self._other = url, other
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> _Deaf:
        connector = aiohttp.TCPConnector(socket_factory=_small_socket, force_close=True)
        session = aiohttp.ClientSession(connector=connector, ws_response_class=Socket)
        await self._stack.enter_async_context(session)
        self._socket = await session.ws_connect(f"{self._url}/widget/ws", max_msg_size=0, autoping=False)
        hello = {"type": "hello", "token": self._other.token, "epoch": self._other.epoch, "last_seq": 0}
        await self._socket.send_str(json.dumps(hello))
        await self._socket.receive()
        transport = self._socket._conn.transport if self._socket._conn else None
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._transport, self._since = transport, time.perf_counter()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.abort()
        await self._stack.aclose()

    async def closed(self) -> float:
        """Seconds until the service has closed it. A pending reset is seen by writing nothing at all to the socket."""
        handle: socket.socket = self._transport.get_extra_info("socket")
        until = self._since + 2 * CLOSED_SECONDS
        while _open(handle) and time.perf_counter() < until:
            await asyncio.sleep(0.1)
        return time.perf_counter() - self._since


ESTABLISHED = 1


def _open(handle: socket.socket) -> bool:
    """Whether the other side has neither ended nor reset the connection."""
    return handle.fileno() >= 0 and handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


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
