"""Rasa's SQL tracker store: its SQLite file, its table as CSV, or in a dump of PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import orjson

from bot.transcripts.message import BROKEN, Items, LeftOut
from bot.transcripts.rasa import Trackers, is_event
from nlu.source import DataError

COPY = re.compile(r'^COPY (?:"?\w+"?\.)?"?events"? \((?P<columns>[^)]*)\) FROM stdin;', re.IGNORECASE)
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


def read_rows(rows: Iterator[tuple[int, dict[str, str] | LeftOut]]) -> Items:
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


def read_sqlite(path: Path) -> Items:
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


def read_dump(file: TextIO) -> Items:
    """What `pg_dump` writes of the table `events`."""
    trackers = Trackers()
    columns: list[str] = []
    for number, line in enumerate(file, 1):
        if begins := COPY.match(line):
            columns = [name.strip(' "') for name in begins["columns"].split(",")]
        elif line.startswith("\\."):
            columns = []
        elif columns:
            row = dict(zip(columns, line.rstrip("\r\n").split("\t"), strict=False))
            yield from _event(trackers, _unescaped(row.get("data", "")), _unescaped(row.get("sender_id", "")), number)


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[1]), value)
