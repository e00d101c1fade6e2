"""How verbs show what they found: tables, counts, JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
import typer

from nlu.source import in_line

if TYPE_CHECKING:
    from rich.console import Console as Screen

TEXT_CHARS = 50


def print_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    wide = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, wide, strict=True)).rstrip())


def short(text: str) -> str:
    line = in_line(text)
    return line if len(line) <= TEXT_CHARS else f"{line[: TEXT_CHARS - 3]}..."


def when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


@contextmanager
def bars(screen: Screen) -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Begins a bar for what is named, which is told how many of how many are done. They go when all is done, and where
    there is no terminal they never come."""
    from rich.progress import Progress

    with Progress(console=screen, transient=True, disable=not screen.is_terminal) as shown:

        def begin(doing: str) -> Callable[[int, int], None]:
            task = shown.add_task(doing, visible=False)
            return lambda done, of: shown.update(task, completed=done, total=of, visible=True)

        yield begin


def print_json(value: Any) -> None:
    typer.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2))
