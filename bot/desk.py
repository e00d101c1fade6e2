"""What verbs share that work on the database of the settings, whether the service runs or not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from bot.config import Settings
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from nlu.source import Mendable

T = TypeVar("T")


class DeskError(Mendable):
    """Nothing was changed; the sentence says why."""


class NoLog(DeskError):
    """Nothing was ever said here."""


def check_choice(ids: Sequence[Any] | None, every: bool) -> None:
    if bool(ids) == every:
        raise DeskError("Name the ids that `list` shows, or say --all.")


def with_journal(
    work: Callable[[Journal], Awaitable[T]],
    unsure: str = "Nothing may have been changed; look with `list`.",
    *,
    begin: bool = False,
) -> T:
    """Does the work on the conversation log of the settings, which it may `begin`. Raises DeskError if there is none,
    and with what is `unsure` then if the database goes away."""
    where = _database(Settings.read(), begin=begin)

    async def run() -> T:
        try:
            async with await Journal.open(where) as journal:
                return await work(journal)
        except Unavailable as away:
            raise DeskError(f"{away} {unsure}") from None

    return asyncio.run(run())


def _database(settings: Settings, *, begin: bool) -> str:
    url = settings.database_url
    if url is not None and not url.startswith("sqlite:///"):
        return url
    path = Path(url.removeprefix("sqlite:///")) if url else settings.home / "frontdesk.db"
    if not begin and not path.exists():
        raise NoLog(
            f"There is no conversation log {path}; name its folder with FRONTDESK_HOME, or start the service once."
        )
    return str(path)
