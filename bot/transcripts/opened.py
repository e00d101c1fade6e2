"""Opens text files in whatever encoding they are, packed with gzip or not."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, TextIO, cast

from bot.transcripts.message import Way
from nlu.source import DataError

HEAD = 1 << 20
"""Bytes that are looked at to know what a file is."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_GZIP = b"\x1f\x8b"


def head(path: Path) -> bytes:
    """The beginning, unpacked. Raises DataError."""
    with _unpacked(path) as (file, _):
        return file.read(HEAD)


@contextmanager
def text_of(path: Path, way: Way) -> Iterator[TextIO]:
    """What does not fit the encoding becomes lone surrogates, to be found by `misread`. Raises DataError."""
    encoding = way.encoding or _encoding(path, head(path), way)
    strange = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with bytes_of(path, way) as file:
        yield io.TextIOWrapper(cast(BinaryIO, file), encoding, errors=strange, newline="")


def misread(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text) or "\ufffd" in text


@contextmanager
def bytes_of(path: Path, way: Way) -> Iterator[IO[bytes]]:
    with _unpacked(path) as (file, packed):
        way.file = packed
        yield file


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], BinaryIO]]:
    """The file's bytes, and the file itself."""
    try:
        packed = path.open("rb")
    except OSError as error:
        raise DataError(path, None, f"the file cannot be read ({error.strerror}).", "Check its permissions.") from None
    with packed:
        is_gzip = packed.read(2) == _GZIP
        packed.seek(0)
        try:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=packed)) if is_gzip else packed, packed
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise DataError(path, None, "the packed file is damaged or ends in the middle.", "Copy it again.") from None


def _encoding(path: Path, beginning: bytes, way: Way) -> str:
    for mark, name in _MARKS:
        if beginning.startswith(mark):
            return name
    if b"\0" in beginning:
        return _two_bytes(path, beginning)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)
    except UnicodeDecodeError:
        way.remarks.append("read as Windows-1252, because it is not UTF-8 (--encoding names another)")
        return "cp1252"
    return "utf-8"


def _two_bytes(path: Path, beginning: bytes) -> str:
    even, odd = beginning[0:2000:2].count(0), beginning[1:2000:2].count(0)
    if max(even, odd) < len(beginning[:2000]) / 4:
        raise DataError(path, None, "this is no text file.", "Export the transcripts as JSONL, CSV or mbox.")
    return "utf-16-le" if odd > even else "utf-16-be"
