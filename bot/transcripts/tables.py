"""CSV and its relatives, with a head line that names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import TextIO

from bot.transcripts import columns, rasa_store
from bot.transcripts.message import NOT_UTF8, Items, LeftOut, Way
from bot.transcripts.opened import misread
from bot.transcripts.records import Records
from bot.transcripts.rows import LONGEST, Rows
from nlu.source import DataError

_DELIMITERS = ",;\t|"
BEGINNING = 10
"""Lines in which the columns are named: reports have a title first."""
_TRACKER_STORE = {"sender_id", "data"}


def read_table(file: TextIO, path: Path, way: Way) -> Items:
    """Raises DataError if no column can be the text."""
    csv.field_size_limit(LONGEST)
    beginning = [line for line in (file.readline(LONGEST) for _ in range(BEGINNING)) if line]
    heads = ((place, _head(line) or []) for place, line in enumerate(beginning))
    place, head = next(((p, h) for p, h in heads if columns.found("text", h, way.columns) or _is_special(h)), (0, []))
    if not head:
        raise _no_text(path, (_head(beginning[0]) if beginning else None) or [], way)
    rows = iter(Rows(_whole(chain(beginning[place + 1 :], file)), head, _delimiter(beginning[place]), place + 2))
    yield from rasa_store.read_rows(rows) if head_is_tracker_store(head) else _records(rows, way)


def _whole(pieces: Iterable[str]) -> Iterator[str]:
    """The lines: the beginning was read in pieces, as far as one is very long."""
    held = ""
    for piece in pieces:
        held += piece
        if held.endswith(("\n", "\r")):
            yield held
            held = ""
    if held:
        yield held


def head_of(line: str) -> list[str]:
    """The columns that a first line names, if they are some that exports have."""
    head = _head(line) or []
    return head if columns.found("text", head, {}) or _is_special(head) else []


def head_is_tracker_store(head: list[str]) -> bool:
    """Rasa's SQL tracker store, dumped: the event is in `data`."""
    return set(head) >= _TRACKER_STORE


def _is_special(head: list[str]) -> bool:
    return head_is_tracker_store(head) or any(columns.bare(name) in columns.BARE_TRANSCRIPTS for name in head)


def _head(line: str) -> list[str] | None:
    try:
        row = next(csv.reader([line.lstrip("\ufeff")], delimiter=_delimiter(line)), None)
    except csv.Error:
        return None
    return [name.strip() for name in row] if row else None


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _records(rows: Iterator[tuple[int, dict[str, str] | LeftOut]], way: Way) -> Items:
    records = Records(way)
    for line, row in rows:
        if isinstance(row, LeftOut):
            yield row
        elif any(map(misread, row.values())):
            yield LeftOut(line, NOT_UTF8)
        else:
            yield from records.read(row, line)


def _no_text(path: Path, head: list[str], way: Way) -> DataError:
    if "text" in way.columns:
        problem = f"there is no column '{way.columns['text']}'; the columns are {', '.join(head)}."
        return DataError(path, 1, problem, "Correct --column.")
    if not head:
        return DataError(path, 1, "the file is empty.")
    shown = ", ".join(f"'{name[:40]}'" for name in head[:12])
    problem = f"the first line names no column that is known as one of texts: it has {shown}."
    return DataError(path, 1, problem, "Name it: --column text=NAME.")
