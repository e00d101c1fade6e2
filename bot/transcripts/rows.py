"""The rows of a table, one after another; a quote that nobody closes costs its own row and no other."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.transcripts.message import LeftOut

BROKEN = "a broken row: a quote that is not closed, perhaps"
BEHIND = "what follows a broken row, up to the next whole one"
LONGEST = 1 << 20
"""Characters of a cell."""
_FEWEST = 2
"""Cells that tell a row from a line of words."""


@dataclass(slots=True)
class Rows:
    lines: Iterator[str]
    head: list[str]
    delimiter: str
    line: int
    """Of the file, where the next row begins."""
    _again: deque[str] = field(default_factory=deque)
    """Lines that a broken row swallowed."""
    _taken: list[str] = field(default_factory=list)
    """Those of the row that is read."""
    _cells: int = 0
    """Of the last row that was read without doubt: some exports leave blank cells at the end away."""
    _lost: bool = False
    """Whether what comes may be the rest of a broken row."""

    def __iter__(self) -> Iterator[tuple[int, dict[str, str] | LeftOut]]:
        """With the line on which each begins; rows of blank cells are passed over."""
        while (row := self._next()) is not None:
            line, self.line = self.line, self.line + len(self._taken)
            if isinstance(row, LeftOut):
                yield line, row
            elif any(cell.strip() for cell in row):
                yield line, dict(zip(self.head, row, strict=False))

    def _next(self) -> list[str] | LeftOut | None:
        """Behind a broken row nothing is believed that could be the rest of it."""
        row = self._row()
        if self._lost and row and not isinstance(row, LeftOut):
            if not self._fits(row, self._cells) or "".join(self._taken).count('"') % 2:
                return self._given_up(BEHIND)
            self._lost = not any(map(str.strip, row))
        elif row and not isinstance(row, LeftOut):
            self._cells = min(max(len(row), _FEWEST), len(self.head))
        return row

    def _row(self) -> list[str] | LeftOut | None:
        self._taken = []
        try:
            row = next(csv.reader(self._feed(), delimiter=self.delimiter, strict=True), None)
        except csv.Error:
            return self._mended()
        too_many = row and len(self._taken) > 1 and any(map(str.strip, row[len(self.head) :]))
        return self._given_up(BROKEN) if too_many else row

    def _feed(self) -> Iterator[str]:
        while (line := self._again.popleft() if self._again else next(self.lines, None)) is not None:
            self._taken.append(line)
            yield line

    def _mended(self) -> list[str] | LeftOut:
        """Quotes among words mean themselves; so do words behind a quoted cell, if their line is a row as it stands."""
        several = len(self._taken) > 1
        self._keep(0)
        try:
            row = next(csv.reader(map(self._doubled, self._feed()), delimiter=self.delimiter, strict=True))
        except csv.Error:
            row = []
        if self._fits(row) and not (len(self._taken) > 1 and all(map(self._alone, self._taken[:2]))):
            return row
        self._keep(1)
        return (not several and self._alone(self._taken[0])) or self._given_up(BROKEN)

    def _doubled(self, line: str) -> str:
        """With the quotes doubled that stand among words, and without the blanks behind a quoted cell."""
        delimiter = re.escape(self.delimiter)
        closed = re.sub(rf'(?<=[^"{delimiter}])" +(?={delimiter}|[\r\n]*$)', '"', line)
        return re.sub(rf'(?<=[^"{delimiter}])"(?![\r\n"{delimiter}]|$)', '""', closed)

    def _alone(self, line: str) -> list[str] | None:
        """A line as a row of its own, if it is one."""
        try:
            row = next(csv.reader([line], delimiter=self.delimiter))
        except csv.Error:
            return None
        return row if self._fits(row) else None

    def _fits(self, row: list[str], cells: int = 0) -> bool:
        return len(row) >= (cells or len(self.head)) and not any(map(str.strip, row[len(self.head) :]))

    def _given_up(self, why: str) -> LeftOut:
        self._keep(1)
        self._lost = True
        return LeftOut(self.line, why)

    def _keep(self, count: int) -> None:
        """The lines behind the first ones are read again."""
        self._again.extendleft(reversed(self._taken[count:]))
        del self._taken[count:]
