"""A Valkey of the test's own: it can be killed, hung and flushed apart from the servers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import redis.asyncio as redis

from bot.embedded import LAUNCHER, find_binary


class Valkey:
    """Keeps nothing on disk: killed is forgotten."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "valkey.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"
        self.taken: Counter[str] = Counter()
        """How often each lease was written; its token is new for every try, so twice means that a call was repeated."""

    async def start(self) -> None:
        self._spawn()
        async with redis.Redis.from_url(self.url) as client, asyncio.timeout(60):
            while True:
                with suppress(redis.RedisError, OSError):
                    await client.ping()
                    return
                await asyncio.sleep(0.01)

    def _spawn(self) -> None:
        self._socket.unlink(missing_ok=True)
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid())]
        self._process = subprocess.Popen(
            [*launcher, str(find_binary()), *options], stdout=subprocess.DEVNULL, start_new_session=True
        )

    async def flush(self) -> None:
        async with redis.Redis.from_url(self.url) as client:
            await client.flushall()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Counts `taken` meanwhile."""
        watch = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            with suppress(redis.RedisError, OSError):
                async with redis.Redis.from_url(self.url).monitor() as monitor:
                    async for line in monitor.listen():
                        self._count(line["command"].split())
            await asyncio.sleep(0.05)

    def _count(self, words: list[str]) -> None:
        if words[0] == "SET" and words[1].endswith(":lease") and "NX" in words:
            self.taken[words[2]] += 1

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)
