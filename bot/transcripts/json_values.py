"""The values of a JSON file, one after another: a line each, an array, or objects written over many lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, TextIO

import orjson

from bot.transcripts.message import BROKEN, NOT_UTF8, LeftOut
from bot.transcripts.opened import misread

LARGEST = 64 << 20
"""Characters of one value: what is larger is no conversation."""
_PIECE = 1 << 16
_TRIED = 3
"""Lines at the beginning, of which one has to be a whole value if there is one a line."""


class Value:
    """A value and the line on which it begins."""

    __slots__ = ("line", "value")

    def __init__(self, line: int, value: Any) -> None:
        self.line, self.value = line, value


def values(file: TextIO) -> Iterator[Value | LeftOut]:
    beginning = [line for _, line in zip(range(_TRIED), _lines(file), strict=False)]
    if any(_is_whole(line) for line in beginning):
        yield from _by_line(chain(beginning, _lines(file)))
    else:
        yield from _Scanner("".join(beginning), file).values()


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(LARGEST):
        yield line


def _is_whole(line: str) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except ValueError:
        return False


def _by_line(lines: Iterator[str]) -> Iterator[Value | LeftOut]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield Value(number, _loaded(line))
        except (ValueError, RecursionError):
            yield LeftOut(number, NOT_UTF8 if misread(line) else BROKEN)


def _loaded(line: str) -> Any:
    """Halves of emojis, which some exports have, are read by the slower one alone."""
    try:
        return orjson.loads(line)
    except ValueError:
        if misread(line):
            raise
        return json.loads(line)


class _Scanner:
    """Decodes value after value from a buffer that grows until one is whole in it."""

    def __init__(self, buffer: str, file: TextIO) -> None:
        self._buffer, self._file = buffer, file
        self._at, self._line = 0, 1
        self._decode = json.JSONDecoder().raw_decode

    def values(self) -> Iterator[Value | LeftOut]:
        opened = False
        while self._skip(" \t\r\n," if opened else " \t\r\n,["):
            opened = True
            if self._buffer[self._at] == "]":
                return
            line = self._line
            try:
                value = self._next()
            except (ValueError, RecursionError):
                yield LeftOut(line, f"{BROKEN}: it and all behind it is left out")
                return
            yield Value(line, value)

    def _skip(self, blank: str) -> bool:
        """To the next character of a value; False at the end."""
        while True:
            while self._at < len(self._buffer) and self._buffer[self._at] in blank:
                self._line += self._buffer[self._at] == "\n"
                self._at += 1
            if self._at < len(self._buffer):
                return True
            if not self._more(_PIECE):
                return False

    def _next(self) -> Any:
        """Raises ValueError for what is no JSON, and for what is too large."""
        while True:
            try:
                value, end = self._decode(self._buffer, self._at)
            except ValueError:
                if len(self._buffer) - self._at > LARGEST or not self._more(max(_PIECE, len(self._buffer))):
                    raise
                continue
            self._line += self._buffer.count("\n", self._at, end)
            self._at = end
            return value

    def _more(self, characters: int) -> bool:
        piece = self._file.read(characters)
        self._buffer, self._at = self._buffer[self._at :] + piece, 0
        return bool(piece)
