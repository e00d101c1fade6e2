"""A retraining at a set time: `frontdesk retrain` in a process of its own, once for all servers that share a home."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Self

from bot.config import Settings
from nlu.lock import locked

logger = logging.getLogger(__name__)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHEN = re.compile(rf"(?:(?P<day>{'|'.join(_DAYS)})\s+)?(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)", re.IGNORECASE)
_LOCK = ".scheduled"
"""In the folder of the logs: who has it runs the retraining that is due."""
LOGS = "retrain-*.log"
"""In the home folder's `logs`: what the retrainings printed, and with it what customers said."""
_NAME = "retrain-%Y%m%d-%H%M.log"
HELD = 1
"""The command's exit code where the gate held the new model."""
_ENDED = re.compile(r"It ended \((-?\d+)\)\.")
STOPPED = "It was stopped, and goes on when the service starts."
_STOPS = {code for by in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM) for code in (-by, 128 + by)}
"""Exit codes of what was stopped: Ctrl-C and systemd stop a service's processes all at once."""

Command = Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class When:
    """Every day, or every week, at a time of this machine's clock."""

    hour: int
    minute: int
    weekday: int | None = None
    """0: Monday."""

    @classmethod
    def read(cls, text: str) -> Self:
        """`03:00` or `sun 03:00`. Raises ValueError."""
        found = _WHEN.fullmatch(text.strip())
        if found is None:
            raise ValueError("must be a time such as 03:00, or a day and a time such as sun 03:00")
        day = found["day"]
        return cls(int(found["hour"]), int(found["minute"]), _DAYS.index(day.lower()) if day else None)

    def after(self, now: datetime) -> datetime:
        """The next one."""
        at = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        while at <= now or self.weekday not in (None, at.weekday()):
            at += timedelta(days=1)
        return at


@asynccontextmanager
async def scheduled(settings: Settings) -> AsyncIterator[None]:
    """While the context is open, models are retrained at the settings' time, if there is one."""
    if not settings.retrain_at:
        yield
        return
    task = asyncio.create_task(_keep_time(settings, When.read(settings.retrain_at)), name="schedule")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _keep_time(settings: Settings, when: When) -> None:
    last = Run.last(settings.home)
    if last is not None and last.code is None:
        await _begin(settings, last.at)
    while True:
        now = datetime.now()  # the operator means the clock on the wall
        at = when.after(now)
        await asyncio.sleep((at - now).total_seconds())
        await _begin(settings, at)


async def _begin(settings: Settings, at: datetime) -> None:
    try:
        await due(settings.home, at, lambda: command(settings))
    except OSError as problem:
        logger.error("The scheduled retraining could not begin: %s", problem)


def command(settings: Settings) -> Sequence[str]:
    """Turns are answered meanwhile: where the system can do that, the training takes what they leave. One that a person
    began, or that outlived the service which began it, comes first."""
    polite = ["nice", "-n", "15"] if shutil.which("nice") else []
    by_hand = ["--by-hand"] if settings.retrain_by_hand else []
    # -P: a folder `bot` beside the person is not ours
    return [*polite, sys.executable, "-P", "-m", "bot.cli", "retrain", "--wait", *by_hand]


@dataclass(frozen=True, slots=True)
class Run:
    """A scheduled retraining, as its log tells."""

    at: datetime
    code: int | None
    """The command's; None if it runs or was stopped."""
    told: str
    """What it said last."""

    @classmethod
    def of(cls, log: Path) -> Self:
        """Raises ValueError for the log of something else."""
        at = datetime.strptime(log.name, _NAME)
        lines = ["", *(line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip())]
        if ended := _ENDED.fullmatch(lines[-1]):
            return cls(at, int(ended[1]), lines[-2])
        return cls(at, None, lines[-1])

    @classmethod
    def last(cls, home: Path) -> Self | None:
        for log in sorted((home / "logs").glob(LOGS), reverse=True):
            with suppress(ValueError, OSError):  # an erasure may remove it
                return cls.of(log)
        return None


class _Elsewhere(Exception):
    """Another server has it in hand."""


async def due(home: Path, at: datetime, wanted: Command) -> bool:
    """Runs the command if no other server does or did so for this time; returns whether it ran."""
    log = home / "logs" / at.strftime(_NAME)
    try:
        with locked(log.parent / _LOCK, _leave_it):
            if log.exists() and Run.of(log).code is not None:
                return False
            await _run(log, wanted)
            return True
    except _Elsewhere:
        return False


def _leave_it(_: str) -> None:
    raise _Elsewhere


async def _run(log: Path, wanted: Command) -> None:
    with log.open("ab", buffering=0) as file:
        try:
            code = await _ended(wanted(), file)
        except asyncio.CancelledError:
            _note_end(file, log, None)
            raise
        _note_end(file, log, None if code in _STOPS else code)


def _note_end(file: BinaryIO, log: Path, code: int | None) -> None:
    """On a line of its own, wherever the command stopped writing. Without a code it was stopped."""
    file.write(f"\n{STOPPED if code is None else f'It ended ({code}).'}\n".encode())
    if code is None:
        logger.info("The scheduled retraining goes on when a service starts again; see %s", log)
    elif code in (0, HELD):
        logger.info("The scheduled retraining ended%s; see %s", " and its model is held" if code else "", log)
    else:
        logger.error("The scheduled retraining failed (exit code %s); see %s", code, log)


async def _ended(command: Sequence[str], file: BinaryIO) -> int:
    """Its exit code."""
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        return await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.terminate()
        raise
