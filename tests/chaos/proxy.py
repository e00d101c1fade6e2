"""What lies between two programs: it can be cut, made slow, or swallow everything."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Self

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_CHUNK = 16384
_READ_SECONDS = 0.01
"""Within which the target has read what was sent to it."""


class Proxy:
    """`where` it listens and the `target` are both a unix socket's path or a port of this machine."""

    def __init__(self, where: Path | int, target: Path | int) -> None:
        self._where, self._target = where, target
        self.latency = 0.0
        """Seconds that each piece is held up, in both directions."""
        self.rate = 0.0
        """Bytes a second from the target; 0 is unlimited."""
        self.cut = False
        """Nobody gets through: open connections break, new ones are closed."""
        self.swallows = False
        """Connections stay open and nothing arrives."""
        self.loses_reply_to = b""
        """The next piece with these words arrives, and its reply does not: the connection breaks instead. Once."""
        self._losing = False
        self._pipes: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        if isinstance(self._where, Path):
            self._server = await asyncio.start_unix_server(self._serve, self._where)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._where)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.break_connections()
        await asyncio.gather(*self._pipes, return_exceptions=True)

    def partition(self) -> None:
        self.cut = True
        self.break_connections()

    def heal(self) -> None:
        self.cut = self.swallows = False
        self.latency = self.rate = 0.0

    def break_connections(self) -> None:
        for pipe in self._pipes:
            pipe.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pipes.add(task)
        with suppress(OSError, asyncio.CancelledError):
            if not self.cut:
                await self._join((reader, writer), await self._reach())
        self._pipes.discard(task)
        writer.transport.abort()

    async def _reach(self) -> Streams:
        if isinstance(self._target, Path):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection("127.0.0.1", self._target)

    async def _join(self, near: Streams, far: Streams) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                both = [
                    group.create_task(self._pump(near[0], far[1])),
                    group.create_task(self._pump(far[0], near[1], True)),
                ]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for pump in both:
                    pump.cancel()
        finally:
            far[1].transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, throttled: bool = False) -> None:
        with suppress(OSError):
            while data := await source.read(self._at_once(throttled)):
                await asyncio.sleep(self.latency + (len(data) / self.rate if throttled and self.rate else 0))
                while self.swallows or (throttled and self._losing):
                    await asyncio.sleep(0.005)
                losing = not throttled and bool(self.loses_reply_to) and self.loses_reply_to in data
                if losing:
                    self.loses_reply_to, self._losing = b"", True
                sink.write(data)
                await sink.drain()
                if losing:
                    await asyncio.sleep(_READ_SECONDS)
                    self._losing = False
                    return

    def _at_once(self, throttled: bool) -> int:
        return max(1, int(self.rate / 10)) if throttled and self.rate else _CHUNK
