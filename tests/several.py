"""A service of several server processes for tests: real processes, a real Valkey, a real database, a stub model."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from sys import executable

from tests.command import environment
from tests.service import Widget

WORKER = "-P -m tests.stub_worker --model stub"
IN_TERMINAL = (
    "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGHUP, signal.SIG_DFL);"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
"""Also where the tests themselves run under nohup."""
SECONDS = 120


@dataclass(slots=True)
class Several:
    process: Process
    home: Path
    url: str = ""

    def workers(self) -> list[int]:
        """The processes of the workers, those that drain included."""
        return [child for child in children(self.process.pid) if b"stub_worker" in command_line(child)]

    def send(self, name: signal.Signals) -> None:
        self.process.send_signal(name)

    def log(self) -> str:
        return (self.home / "log").read_text()

    async def stop(self) -> int:
        with suppress(ProcessLookupError):
            self.process.terminate()
        async with asyncio.timeout(SECONDS):
            return await self.process.wait()

    def back(self, widget: Widget) -> AbstractAsyncContextManager[Widget]:
        """The same customer, who has forgotten what was said."""
        return Widget.open(self.url, token=widget.welcome["token"])

    @asynccontextmanager
    async def two_workers(self) -> AsyncIterator[tuple[Widget, Widget]]:
        """A conversation that is open at two of the workers; of many connections one goes to the other one, once it is
        there."""
        clock = asyncio.get_running_loop().time
        async with Widget.open(self.url) as first:
            end = clock() + SECONDS
            while clock() < end:
                async with self.back(first) as second:
                    if second.welcome["name"] != first.welcome["name"]:
                        yield first, second
                        return
            raise AssertionError("all connections went to one worker")


@asynccontextmanager
async def several(home: Path, workers: int = 2, command: str = WORKER, **settings: object) -> AsyncIterator[Several]:
    """Serves on a free port."""
    async with started(home, workers, command, None, **settings) as service:
        service.url = await first_line(service.process)
        assert service.url, service.log()
        yield service
        await service.stop()


@asynccontextmanager
async def started(
    home: Path, workers: int = 2, command: str = WORKER, terminal: int | None = None, **settings: object
) -> AsyncIterator[Several]:
    """The same before it serves, or though it never will; nothing of it is left afterwards."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "command").write_text(command)
    ours = {"FRONTDESK_WORKERS": workers, "FRONTDESK_PORT": 0, "FRONTDESK_RATE": 1000, "FRONTDESK_BURST": 1000}
    env = environment(home, **{**ours, **settings})
    with (home / "log").open("ab") as log:
        words = [executable, "-P", "-m", "tests.stub_service"]
        if terminal is not None:
            words = [executable, "-c", IN_TERMINAL, *words]
        process = await asyncio.create_subprocess_exec(
            *words, env=env, stdin=terminal, stdout=PIPE, stderr=log, start_new_session=terminal is not None
        )
    left = Several(process, home)
    try:
        yield left
    finally:
        alive = left.workers()
        for child in (process.pid, *alive):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        await process.wait()
        await until(lambda: not any(map(running, alive)))


async def first_line(process: Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        return (await process.stdout.readline()).decode().strip()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not true():
            await asyncio.sleep(0.01)


def children(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def command_line(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
