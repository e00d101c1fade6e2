"""Keeps several server processes running on one socket: starts, restarts, replaces and stops them.

Each is a fresh process with a line to us, a socket pair: it says when it serves, or why it cannot, and when the line
breaks it knows that we are gone, whatever killed us, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from logging import getLogger
from typing import TypeAlias

import orjson

from nlu.source import Mendable

STOP_SECONDS = 10.0
"""A drain takes eight at most; what has not ended then is killed."""
PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a worker is started again that ended at once: the first time, the second, ..."""
STEADY_SECONDS = 10.0
"""One that served for so long did not end at once."""
LOOK_SECONDS = 0.05
TRIES = 3
"""While nobody has ever served: so often a worker may end without a word."""

logger = getLogger(__name__)


Command: TypeAlias = Callable[[], Awaitable[Sequence[str]]]
"""The command line of a worker, asked for at the start and before everybody is replaced. It may raise Mendable."""


class WorkersFailed(Mendable):
    """No worker can start; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which processes are wanted."""

    workers: int
    command: Command
    environment: Mapping[str, str]
    ended: Callable[[int], None] = lambda process: None
    """Hears of every process that has ended."""


@dataclass(slots=True, eq=False)
class _Worker:
    number: int
    process: Process
    line: asyncio.StreamWriter
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    since: float = 0.0
    """When it began to serve."""
    sentence: str = ""
    """Why it cannot serve, in its words."""
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def serves(self) -> bool:
        return self.ready.is_set() and not self.over.is_set()

    async def follow(self, line: asyncio.StreamReader) -> None:
        """Listens to it until it has ended."""
        while told := await line.readline():
            self._heard(orjson.loads(told))
        await self.process.wait()
        self.line.close()
        self.over.set()

    def _heard(self, told: Mapping[str, str]) -> None:
        self.sentence = told.get("failed", "")
        if "ready" in told:
            self.since = time.monotonic()
            self.ready.set()

    async def settled(self) -> bool:
        """Waits until it serves or has ended, and tells whether it serves."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self.ready, self.over)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return self.serves

    async def end(self) -> None:
        """Asks it to go, and kills it if it does not."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.over.wait()
        except TimeoutError:
            logger.warning("Worker %s did not stop in %.0f s; it is killed.", self.number, STOP_SECONDS)
            with suppress(ProcessLookupError):
                self.process.kill()
            await self.over.wait()

    def was_steady(self) -> bool:
        return self.ready.is_set() and time.monotonic() - self.since > STEADY_SECONDS

    def how_it_ended(self) -> str:
        code = self.process.returncode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


class Supervisor:
    """`await Supervisor(plan, listener).run(until_stopped())`: the listener is shared by all workers."""

    def __init__(self, plan: Plan, listener: socket.socket) -> None:
        self._plan, self._listener = plan, listener
        self._command: Sequence[str] = ()
        self._workers: dict[int, _Worker] = {}
        self._alive: dict[_Worker, asyncio.Task[None]] = {}
        """Everybody who runs, those who come and go included, and who follows them."""
        self._changing = {number: asyncio.Lock() for number in range(1, plan.workers + 1)}
        self._served = False
        self._wanted = asyncio.Event()

    async def run(self, stopped: Awaitable[None], ready: Callable[[], None] = lambda: None) -> None:
        """Calls `ready` when all of them serve, and returns when `stopped` does. Raises WorkersFailed."""
        end = asyncio.ensure_future(stopped)
        endless: list[asyncio.Future[None]] = [end, asyncio.create_task(self._replace_when_wanted())]
        telling: asyncio.Future[None] | None = None
        try:
            self._command = await self._plan.command()
            for number in self._changing:
                self._workers[number] = await self._start(number, patient=False)
                endless.append(asyncio.create_task(self._keep(number)))
            telling = asyncio.create_task(self._tell(ready))
            done, _ = await asyncio.wait(endless, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _cancelled(*endless, *([telling] if telling else []))
            followers = list(self._alive.values())
            await asyncio.gather(*(worker.end() for worker in list(self._alive)))
            await asyncio.gather(*followers)

    def replace(self) -> None:
        """All of them, one after the other, by processes that read everything anew."""
        self._wanted.set()

    async def _tell(self, ready: Callable[[], None]) -> None:
        for number in self._changing:
            while not self._workers[number].serves:
                await self._workers[number].settled()
                await asyncio.sleep(LOOK_SECONDS)  # one that has ended is started again after a pause
        ready()

    async def _start(self, number: int, *, patient: bool) -> _Worker:
        while True:
            try:
                return await self._spawn(number, patient)
            except OSError as error:  # no memory, too many processes: those that run go on
                logger.error("Worker %s cannot be started (%s); trying again.", number, error.strerror)
                await asyncio.sleep(PAUSES[-1])

    async def _spawn(self, number: int, patient: bool) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            handles = (self._listener.fileno(), theirs.fileno())
            options = ["--number", number, "--listener", handles[0], "--line", handles[1]]
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, options),
                *(["--patient"] if patient else []),
                stdin=DEVNULL,
                env=self._plan.environment,
                pass_fds=handles,
                start_new_session=True,  # Ctrl-C is for us
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = _Worker(number, process, writer)
        self._alive[worker] = asyncio.create_task(self._follow(worker, reader))
        return worker

    async def _follow(self, worker: _Worker, line: asyncio.StreamReader) -> None:
        await worker.follow(line)
        del self._alive[worker]
        self._plan.ended(worker.process.pid)

    async def _keep(self, number: int) -> None:
        """Starts it again whenever it has ended."""
        failures = 0
        while True:
            worker = self._workers[number]
            await worker.over.wait()
            async with self._changing[number]:
                if self._workers[number] is not worker:  # replaced meanwhile
                    continue
                failures = 0 if worker.was_steady() else failures + 1
                self._judge(worker, failures)
                await asyncio.sleep(PAUSES[min(max(failures - 1, 0), len(PAUSES) - 1)])
                patient = any(other.serves for other in self._workers.values())
                self._workers[number] = await self._start(number, patient=patient)

    def _judge(self, worker: _Worker, failures: int) -> None:
        self._served = self._served or worker.ready.is_set() or any(other.serves for other in self._workers.values())
        if not self._served and worker.sentence:
            raise WorkersFailed(worker.sentence)
        if not self._served and failures >= TRIES:
            raise WorkersFailed(
                f"The workers cannot start: worker {worker.number} {worker.how_it_ended()}, and so {failures} times. "
                "What it wrote above says why."
            )
        how = worker.sentence or f"It {worker.how_it_ended()}."
        logger.warning("Worker %s (process %s) is started again. %s", worker.number, worker.process.pid, how)

    async def _replace_when_wanted(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            before = self._command
            try:
                self._command = await self._plan.command()
                await self._replace_all()
            except WorkersFailed as problem:
                logger.error("The workers are not replaced. %s", problem)
                self._command = before
            except Mendable as problem:
                logger.error("The workers are not replaced. %s", problem)

    async def _replace_all(self) -> None:
        logger.info("The workers are replaced, one after the other.")
        for number, changing in self._changing.items():
            new = await self._start(number, patient=True)
            if not await new.settled():
                raise WorkersFailed(new.sentence or f"The new worker {number} {new.how_it_ended()}.")
            async with changing:
                old, self._workers[number] = self._workers[number], new
            await old.end()
        logger.info("All workers are new.")


async def _cancelled(*tasks: asyncio.Future[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
