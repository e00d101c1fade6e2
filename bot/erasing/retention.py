"""The service removes what is older than it may be kept, by itself and a little at a time: turns do not wait for it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import typer

from bot.config import Settings
from bot.desk import with_journal
from bot.erasing.receipt import FOLDER
from bot.fanout import ERASED, Fanout
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.printed import print_json, print_table

log = logging.getLogger(__name__)

BATCH = 20
"""Conversations, or utterances, that go in one transaction."""
PAUSE_SECONDS = 0.2
"""Between two of these."""
LOOK_SECONDS = 3600.0
DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds for which each kind of data is kept; infinity: for ever."""

    conversations: float = math.inf
    utterances: float = math.inf
    dead_letters: float = math.inf
    receipts: float = math.inf

    @classmethod
    def of(cls, settings: Settings) -> Self:
        names = ("conversations", "utterances", "dead_letters", "receipts")
        return cls(*(getattr(settings, f"keep_{name}") * DAY or math.inf for name in names))


@dataclass(slots=True)
class Retention:
    """`async with Retention(...)`: from then on it looks once an hour."""

    journal: Journal
    fanout: Fanout
    periods: Periods
    home: Path
    _task: asyncio.Task[None] | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        if self.periods != Periods():
            self._task = asyncio.create_task(self._look_for_ever(), name="retention")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _look_for_ever(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as away:
                log.warning("what is too old stays for now: %s", away)
            except Exception:
                log.exception("what is too old stays for now")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Removes all that is too old. Raises Unavailable; what is left then the next look finds."""
        periods = self.periods
        limited = math.isfinite
        letters = await self.journal.expire_dead_letters(periods.dead_letters) if limited(periods.dead_letters) else 0
        conversations = await self._conversations() if limited(periods.conversations) else 0
        utterances = await self._utterances() if limited(periods.utterances) else 0
        receipts = await asyncio.to_thread(remove_receipts, self.home, periods.receipts)
        if letters or conversations or utterances or receipts:
            told = (conversations, utterances, letters, receipts)
            log.info("Too old: %s conversations, %s utterances, %s dead letters, %s receipts were removed.", *told)

    async def _conversations(self) -> int:
        number = 0
        while gone := await self.journal.expire_conversations(self.periods.conversations, BATCH):
            for conversation_id in gone:
                self.fanout.signal(conversation_id, ERASED)
            number += len(gone)
            await asyncio.sleep(PAUSE_SECONDS)
        return number

    async def _utterances(self) -> int:
        number = 0
        while gone := await self.journal.expire_utterances(self.periods.utterances, BATCH):
            number += gone
            await asyncio.sleep(PAUSE_SECONDS)
        return number


def _old_receipts(home: Path, seconds: float) -> list[Path]:
    before = time.time() - seconds
    return [path for path in (home / FOLDER).glob("*.json") if path.stat().st_mtime < before]


def remove_receipts(home: Path, seconds: float) -> int:
    """Those written longer ago; returns how many."""
    old = _old_receipts(home, seconds)
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def show(*, as_json: bool) -> None:
    """`frontdesk retention`."""
    settings = Settings.read()
    periods = Periods.of(settings)
    kept = (periods.conversations, periods.utterances, periods.dead_letters)
    found = with_journal(lambda journal: journal.expired(*kept), "Nothing was changed.")
    receipts = len(_old_receipts(settings.home, periods.receipts))
    rows = {
        "conversations": (periods.conversations, found.conversations),
        "utterances": (periods.utterances, found.utterances),
        "dead_letters": (periods.dead_letters, found.dead_letters),
        "receipts": (periods.receipts, receipts),
    }
    if as_json:
        days = {name: 0 if math.isinf(seconds) else round(seconds / DAY) for name, (seconds, _) in rows.items()}
        print_json({name: {"days": days[name], "expired": number} for name, (_, number) in rows.items()})
        return
    print_table(
        ("kept", "for", "too old now"),
        [(name.replace("_", " "), _in_days(seconds), str(number)) for name, (seconds, number) in rows.items()],
    )
    typer.echo("A running service removes what is too old once an hour.", err=True)


def _in_days(seconds: float) -> str:
    return "ever" if math.isinf(seconds) else "1 day" if seconds == DAY else f"{seconds / DAY:g} days"
