"""A server under test: a process of its own with the service's real wiring around the stub model."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from bot import interpreter, logs, outbox
from bot.app import serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.journal.journal import Journal
from bot.language import Language
from bot.stopping import until_stopped
from tests.chaos import deaths, stub
from tests.chaos.deaths import Death
from tests.chaos.processes import PROCESSES

START_SECONDS = 60.0
ROOMY = {"rate": 1e6, "burst": 1_000_000, "connections_per_address": 100_000, "conversations_per_hour": 1_000_000}
"""One address is all our customers."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a server process is told."""

    home: Path
    redis_url: str
    effects: Path
    log: Path
    database_url: str | None = None
    action_endpoint: str | None = None
    model_seconds: float = 0.005
    settings: dict[str, Any] = field(default_factory=dict)
    death: Death | None = None
    margin: float | None = None
    """The outbox's: who is killed leaves claims, and they last as long as a call and this."""
    clock: Path | None = None
    """A file that holds the seconds by which this server's clock is wrong."""


class Server:
    """Start it, kill it, stop it, wake it. The listener is shared by all who serve its port, as in the product."""

    def __init__(self, spec: Spec, listener: socket.socket) -> None:
        self.spec, self.listener = spec, listener
        self._process: Any = None
        self._said: Connection | None = None

    @property
    def pid(self) -> int:
        return int(self._process.pid)

    @property
    def alive(self) -> bool:
        return self._process is not None and bool(self._process.is_alive())

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.exitcode

    async def start(self, death: Death | None = None) -> bool:
        """True once it listens; False if it ended before."""
        self._said, says = PROCESSES.Pipe(duplex=False)
        spec = replace(self.spec, death=death or self.spec.death)
        self._process = PROCESSES.Process(target=_main, args=(spec, self.listener, says), daemon=True)
        self._process.start()
        says.close()
        async with asyncio.timeout(START_SECONDS):
            while not self._said.poll():
                if not self.alive:
                    return False
                await asyncio.sleep(0.005)
        try:
            return bool(self._said.recv())
        except EOFError:
            return False

    async def ended(self) -> int:
        """Its exit code, once it has one."""
        while self.alive:
            await asyncio.sleep(0.005)
        return int(self._process.exitcode)

    def signal(self, number: int) -> None:
        if self.alive:
            os.kill(self.pid, number)

    async def kill(self) -> None:
        self.signal(signal.SIGKILL)
        await self.ended()

    async def terminate(self) -> int:
        self.signal(signal.SIGTERM)
        return await self.ended()

    def stopped(self) -> bool:
        """Whether it stands still after SIGSTOP."""
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return state.rpartition(")")[2].split()[0] == "T"


def _main(spec: Spec, listener: socket.socket, says: Connection) -> None:
    log = os.open(spec.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (1, 2):
        os.dup2(log, stream)
    if spec.death:
        deaths.prepare(spec.death)
    if spec.margin is not None:
        outbox.MARGIN_SECONDS = spec.margin
    if spec.clock:
        _keep_wrong_time(spec.clock)
    os.environ[stub.EFFECTS] = str(spec.effects)
    logs.set_up("info", "text")
    interpreter.run(_serve(spec, listener, says))


async def _serve(spec: Spec, listener: socket.socket, says: Connection) -> None:
    _end_with_the_parent()
    settings = Settings(
        home=spec.home,
        redis_url=spec.redis_url,
        database_url=spec.database_url,
        action_endpoint=spec.action_endpoint,
        actions="tests.chaos.stub",
        **{**ROOMY, **spec.settings},
    )
    language = Language(stub.StubModel(spec.model_seconds), ModelPage("stub", (), None), {})
    assistant = stub.assistant(spec.home.parent / f"assistant-{os.getpid()}")
    async with serving(settings, assistant, language, listener):
        says.send(True)
        await until_stopped()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    asyncio.get_running_loop().add_reader(parent.sentinel, os._exit, 1)


def _keep_wrong_time(path: Path) -> None:
    real = time.time

    def wrong() -> float:
        return real() + float(path.read_text() or 0)

    time.time = wrong
    opening = Journal.open.__func__  # type: ignore[attr-defined]  # a classmethod's function
    assert opening.__defaults__ == (real,)
    opening.__defaults__ = (wrong,)
