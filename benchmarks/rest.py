"""Customers over the REST channel who cost little themselves: they share the cores with what is measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4


class NoAnswer(Exception):
    """The service said something else than 200."""


@dataclass(slots=True)
class Conversation:
    """One customer's, on a connection of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str = field(default_factory=lambda: uuid4().hex)

    async def ask(self, text: str) -> bytes:
        """The answer's body. Raises NoAnswer."""
        body = json.dumps({"sender": self.sender, "message": text}).encode()
        self.writer.write(b"POST /webhooks/rest/webhook HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        self.writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        head = await self.reader.readuntil(b"\r\n\r\n")
        answer = await self.reader.readexactly(_length(head))
        if not head.startswith(b"HTTP/1.1 200 "):
            raise NoAnswer(head.partition(b"\r\n")[0].decode("latin-1"))
        return answer


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])


@asynccontextmanager
async def conversations(port: int, count: int) -> AsyncIterator[list[Conversation]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            found.append(Conversation(reader, writer))
        yield found


async def crowd(they: Sequence[Conversation], texts: Sequence[str], seconds: float) -> float:
    """Messages a second: everybody writes, waits for the answer, and writes again."""
    began = time.perf_counter()
    answered = 0

    async def customer(number: int, one: Conversation) -> None:
        nonlocal answered
        while time.perf_counter() < began + seconds:
            await one.ask(texts[(number + answered) % len(texts)])
            answered += 1

    await asyncio.gather(*(customer(*each) for each in enumerate(they)))
    return answered / (time.perf_counter() - began)
