"""The rows of a table, one after another; a quote that nobody closes costs its own row and no other."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.transcripts.message import LeftOut

BROKEN = "a broken row: a quote that is not closed, perhaps"
LONGEST = 1 << 20
"""Characters of a cell."""


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

    def __iter__(self) -> Iterator[tuple[int, dict[str, str] | LeftOut]]:
        """With the line on which each begins; rows of blank cells are passed over."""
        while (row := self._next()) is not None:
            line, self.line = self.line, self.line + len(self._taken)
            if isinstance(row, LeftOut):
                yield line, row
            elif any(cell.strip() for cell in row):
                yield line, dict(zip(self.head, row, strict=False))

    def _next(self) -> list[str] | LeftOut | None:
        self._taken = []
        try:
            row = next(csv.reader(self._feed(), delimiter=self.delimiter, strict=True), None)
        except csv.Error:
            return self._mended()
        return self._mended() if row and len(self._taken) > 1 and len(row) > len(self.head) else row

    def _feed(self) -> Iterator[str]:
        while (line := self._again.popleft() if self._again else next(self.lines, None)) is not None:
            self._taken.append(line)
            yield line

    def _mended(self) -> list[str] | LeftOut:
        """A line with words behind its quotes means them; of several the first one's quote had no end."""
        self._again.extendleft(reversed(self._taken[1:]))
        alone, self._taken = len(self._taken) == 1, self._taken[:1]
        try:
            return next(csv.reader(self._taken, delimiter=self.delimiter)) if alone else LeftOut(self.line, BROKEN)
        except csv.Error:
            return LeftOut(self.line, BROKEN)
