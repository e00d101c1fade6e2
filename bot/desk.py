"""What verbs share that work on the database of the settings, whether the service runs or not, and show it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import orjson
import typer

from bot.config import Settings
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from nlu.source import Mendable

T = TypeVar("T")

TEXT_CHARS = 50


class DeskError(Mendable):
    """Nothing was changed; the sentence says why."""


def check_choice(ids: Sequence[Any] | None, every: bool) -> None:
    if bool(ids) == every:
        raise DeskError("Name the ids that `list` shows, or say --all.")


def with_journal(
    work: Callable[[Journal], Awaitable[T]], unsure: str = "Nothing may have been changed; look with `list`."
) -> T:
    """Does the work on the conversation log of the settings. Raises DeskError if there is none, and with what is
    `unsure` then if the database goes away."""
    where = _database(Settings.read())

    async def run() -> T:
        try:
            async with await Journal.open(where) as journal:
                return await work(journal)
        except Unavailable as away:
            raise DeskError(f"{away} {unsure}") from None

    return asyncio.run(run())


def _database(settings: Settings) -> str:
    url = settings.database_url
    if url is not None and not url.startswith("sqlite:///"):
        return url
    path = Path(url.removeprefix("sqlite:///")) if url else settings.home / "frontdesk.db"
    if not path.exists():
        raise DeskError(
            f"There is no conversation log {path}; name its folder with FRONTDESK_HOME, or start the service once."
        )
    return str(path)


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip())


def short(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= TEXT_CHARS else f"{line[: TEXT_CHARS - 3]}..."


def when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def print_json(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))
