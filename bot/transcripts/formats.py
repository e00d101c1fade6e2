"""What a file is, told from its beginning, and the reader for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.transcripts import json_values, mail, rasa_store, tables
from bot.transcripts.chat_lines import begins, conversation, said
from bot.transcripts.message import Items, LeftOut, Message, Way
from bot.transcripts.opened import head, text_of
from bot.transcripts.records import Records
from nlu.source import DataError

_HEADER = re.compile(rb"^[A-Za-z][A-Za-z0-9-]*: ?\S", re.MULTILINE)
_MAIL_HEADERS = re.compile(
    rb"^(?:From|To|Date|Subject|Message-ID|Received|Return-Path|Delivered-To|MIME-Version):", re.I | re.M
)
_PACKED = {
    b"PK\x03\x04": "a ZIP archive or an Excel sheet",
    b"%PDF": "a PDF",
    b"\xd0\xcf\x11\xe0": "an old Office file",
}
_DUMP = re.compile(rb'^COPY (?:"?\w+"?\.)?"?events"? \([^)]*\) FROM stdin;', re.MULTILINE)
LARGEST = 4 << 20
"""Characters of a conversation in one file."""
_LINES = 200
"""Lines that are looked at."""
_SQLITE = b"SQLite format 3\0"


def is_maildir(path: Path) -> bool:
    return (path / "cur").is_dir() and (path / "new").is_dir()


def files_of(path: Path) -> Iterator[Path]:
    """The path itself, or what is in the folder and below; a Maildir counts as one."""
    if path.is_file() or is_maildir(path):
        yield path
        return
    for inner in sorted(path.iterdir()):
        if not inner.name.startswith("."):
            yield from files_of(inner)


def read(path: Path, way: Way) -> tuple[str, Items]:
    """The file's format and what is in it. Raises DataError, at once or while it is read."""
    if path.is_dir():
        return "mail", mail.read_maildir(path, way)
    beginning = head(path)
    kind = way.format or _kind(path, beginning)
    return kind, _READERS[kind](path, way, beginning)


def _kind(path: Path, beginning: bytes) -> str:
    for magic, what in _PACKED.items():
        if beginning.startswith(magic):
            raise DataError(path, None, f"this is {what}.", "Unpack it, or export JSONL, CSV or mbox.")
    if not beginning.strip():
        raise DataError(path, None, "the file is empty.")
    if beginning.startswith(_SQLITE) or _DUMP.search(beginning):
        return "rasa"
    if beginning.startswith(b"From ") or _is_mail(beginning):
        return "mail"
    bare = beginning.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
    if bare[:1] == b"{" or (bare[:1] == b"[" and not begins(bare.decode("utf-8", "replace"))):
        return "rasa" if _is_rasa(beginning) else "jsonl"
    return "chat" if _is_chat(beginning.decode("utf-8", "replace")) else "csv"


def _is_mail(beginning: bytes) -> bool:
    top = beginning[: 1 << 14].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return bool(_HEADER.match(top)) and len(_MAIL_HEADERS.findall(top)) >= 2


def _is_chat(beginning: str) -> bool:
    """Whether people talk in it, line by line, and no line names columns."""
    lines = beginning.splitlines()
    return not any(map(tables.head_of, lines[: tables.BEGINNING])) and bool(conversation("\n".join(lines[:_LINES])))


def _is_rasa(beginning: bytes) -> bool:
    """Whether it looks like trackers or their events; only the name under which they are kept follows from it."""
    return bool(re.search(rb'"event"\s*:\s*"(?:action|user|session_started|slot|bot)"', beginning))


def _json(path: Path, way: Way, _: bytes) -> Items:
    records = Records(way)
    nothing = True
    with text_of(path, way) as file:
        for value in json_values.values(file):
            nothing = False
            if isinstance(value, LeftOut):
                yield value
            else:
                yield from records.read(value.value, value.line)
    if nothing:
        raise DataError(path, None, "there is nothing in the file.")


def _csv(path: Path, way: Way, _: bytes) -> Items:
    with text_of(path, way) as file:
        yield from tables.read_table(file, path, way)


def _rasa(path: Path, way: Way, beginning: bytes) -> Items:
    if beginning.startswith(_SQLITE):
        return rasa_store.read_sqlite(path)
    if _DUMP.search(beginning):
        return _dump(path, way)
    return _json(path, way, beginning) if beginning.lstrip()[:1] in (b"{", b"[") else _csv(path, way, beginning)


def _chat(path: Path, way: Way, _: bytes) -> Items:
    """The file is a conversation, and its name the customer's."""
    with text_of(path, way) as file:
        for line, writer in said(file.read(LARGEST), way.customers):
            yield Message(line.number + 1, line.text, writer, line.who, customer=path.stem)


def _dump(path: Path, way: Way) -> Items:
    with text_of(path, way) as file:
        yield from rasa_store.read_dump(file)


def _mail(path: Path, way: Way, beginning: bytes) -> Items:
    return mail.read_mbox(path, way) if beginning.startswith(b"From ") else mail.read_one(path, way)


_READERS: dict[str, Callable[[Path, Way, bytes], Items]] = {
    "jsonl": _json,
    "csv": _csv,
    "rasa": _rasa,
    "mail": _mail,
    "chat": _chat,
}
