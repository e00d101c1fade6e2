"""CSV and its relatives, with a head line that names the columns."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import orjson

from bot.transcripts import columns
from bot.transcripts.message import BROKEN, NOT_UTF8, Items, LeftOut, Way
from bot.transcripts.opened import misread
from bot.transcripts.rasa import Trackers, is_event
from bot.transcripts.records import Records
from nlu.source import DataError

_DELIMITERS = ",;\t|"
_LONGEST = 1 << 20
"""Characters of a cell. A quote that is not closed swallows so much and no more."""
_TRACKER_STORE = {"sender_id", "data"}


def read_table(file: TextIO, path: Path, way: Way) -> Items:
    """Raises DataError if no column can be the text."""
    csv.field_size_limit(_LONGEST)
    first = file.readline(_LONGEST)
    head = _head(first)
    if head is None or not (columns.found("text", head, way.columns) or _is_special(head)):
        raise _no_text(path, head or [], way)
    rows = _rows(csv.reader(file, delimiter=_delimiter(first)), head)
    yield from _tracker_store(rows) if head_is_tracker_store(head) else _records(rows, way)


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


def _rows(reader: Any, head: list[str]) -> Iterator[tuple[int, dict[str, str] | LeftOut]]:
    """With the line on which each begins; rows of blank cells are passed over."""
    line = 2
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            yield line, LeftOut(line, "a broken row: a quote that is not closed, perhaps")
            row = []
        if row is None:
            return
        if any(cell.strip() for cell in row):
            yield line, dict(zip(head, row, strict=False))
        line = reader.line_num + 2


def _records(rows: Iterator[tuple[int, dict[str, str] | LeftOut]], way: Way) -> Items:
    records = Records(way)
    for line, row in rows:
        if isinstance(row, LeftOut):
            yield row
        elif any(map(misread, row.values())):
            yield LeftOut(line, NOT_UTF8)
        else:
            yield from records.read(row, line)


def _tracker_store(rows: Iterator[tuple[int, dict[str, str] | LeftOut]]) -> Items:
    trackers = Trackers()
    for line, row in rows:
        if isinstance(row, LeftOut):
            yield row
        else:
            yield from _event(trackers, row.get("data", ""), row.get("sender_id"), line)


def _event(trackers: Trackers, data: str, sender: str | None, line: int) -> Items:
    try:
        event = orjson.loads(data)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        event = None
    if isinstance(event, Mapping) and is_event(event):
        yield from trackers.read(event, line, sender)
    else:
        yield LeftOut(line, BROKEN)


def read_tracker_store(path: Path) -> Items:
    """Rasa's default tracker store, a SQLite file with a table `events`. Raises DataError for any other database."""
    trackers = Trackers()
    store = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        for number, sender, data in store.execute("SELECT id, sender_id, data FROM events ORDER BY id"):
            yield from _event(trackers, data or "", sender, number)
    except sqlite3.Error as error:
        raise DataError(path, None, f"this database is no Rasa tracker store ({error}).") from None
    finally:
        store.close()


def _no_text(path: Path, head: list[str], way: Way) -> DataError:
    if "text" in way.columns:
        problem = f"there is no column '{way.columns['text']}'; the columns are {', '.join(head)}."
        return DataError(path, 1, problem, "Correct --column.")
    if not head:
        return DataError(path, 1, "the file is empty.")
    shown = ", ".join(f"'{name[:40]}'" for name in head[:12])
    problem = f"the first line names no column that is known as one of texts: it has {shown}."
    return DataError(path, 1, problem, "Name it: --column text=NAME.")
