"""A retraining at a set time: `frontdesk retrain` in a process of its own, once for all servers that share a home."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from bot.config import Settings

logger = logging.getLogger(__name__)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WHEN = re.compile(rf"(?:(?P<day>{'|'.join(_DAYS)})\s+)?(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)", re.IGNORECASE)
_CLAIMS = "scheduled-*"
LOGS = "retrain-*.log"
"""In the home folder's `logs`: what the retrainings printed, and with it what customers said."""
HELD = 1
"""The command's exit code where the gate held the new model."""

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
    while True:
        now = datetime.now()  # the operator means the clock on the wall
        at = when.after(now)
        await asyncio.sleep((at - now).total_seconds())
        try:
            await due(settings.home, at, lambda: command(settings))
        except OSError as problem:
            logger.error("The scheduled retraining could not begin: %s", problem)


def command(settings: Settings) -> Sequence[str]:
    """Turns are answered meanwhile: where the system can do that, the training takes what they leave."""
    polite = ["nice", "-n", "15"] if shutil.which("nice") else []
    by_hand = ["--by-hand"] if settings.retrain_by_hand else []
    # -P: a folder `bot` beside the person is not ours
    return [*polite, sys.executable, "-P", "-m", "bot.cli", "retrain", *by_hand]


async def due(home: Path, at: datetime, wanted: Command) -> bool:
    """Runs the command if no other server did so for this time; returns whether it ran."""
    logs = home / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    if not _claimed(logs, at):
        return False
    log = logs / f"retrain-{at:%Y%m%d-%H%M}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *wanted(), stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            raise
    if code in (0, HELD):
        logger.info("The scheduled retraining ended%s; see %s", " and its model is held" if code else "", log)
    else:
        logger.error("The scheduled retraining failed (exit code %s); see %s", code, log)
    return True


def _claimed(folder: Path, at: datetime) -> bool:
    """Whether this server is the first to come; what was claimed before is forgotten."""
    mine = folder / f"scheduled-{at:%Y%m%d-%H%M}"
    try:
        os.close(os.open(mine, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return False
    for old in folder.glob(_CLAIMS):
        if old.name < mine.name:
            old.unlink(missing_ok=True)
    return True
