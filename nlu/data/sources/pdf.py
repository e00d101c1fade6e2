"""PDF with a text layer: lines set larger or bolder than the rest are headings, the rest is paragraphs and lists."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from nlu.data.article import Article, Section, help_url, sections_of
from nlu.source import DataError

MOST_PAGES = 2000
_LARGER = 1.15
"""A heading's size against the text's."""
_LONGEST_HEADING = 150
_PAGE_NUMBER = re.compile(r"(\w+\.? )?\d+( ?(/|of|von|de|di|van) ?\d+)?", re.IGNORECASE)
_BULLET = re.compile(r"^([•‣◦▪●○*–-]|\d{1,2}[.)])\s+")
_LIGATURES = dict(zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True))
_NO_TITLE = re.compile(r"^(microsoft \w+ - .*|untitled|.*\.(docx?|odt|pdf|tex|indd|pages))$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    bold: bool
    page: int
    apart: bool
    """Whether it stands apart from the line above."""


def read_pdf(path: Path) -> Article:
    """Raises DataError for a file that is broken, locked, or a picture of text."""
    logger = logging.getLogger("pypdf")
    level, logger.level = logger.level, logging.CRITICAL  # it tells of what it mended, line by line
    try:
        lines, title = _read(path)
    finally:
        logger.level = level
    lines = list(_without_margins(lines))
    if not any(letter.isalpha() for line in lines for letter in line.text):
        raise DataError(path, None, "the PDF has no text layer.", "Run text recognition (OCR) on it first.")
    title = title or _largest(lines) or path.stem.replace("-", " ")
    sections = tuple(_sections(lines, title))
    return Article(path.stem, title, help_url(path.stem), (), (), sections or (Section("", title),))


def _read(path: Path) -> tuple[list[_Line], str]:
    from pypdf import PdfReader

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError(path, None, "the PDF is locked with a password.", "Save it without one.")
        if len(reader.pages) > MOST_PAGES:
            raise DataError(
                path, None, f"the PDF has more than {MOST_PAGES} pages.", "Part it into what customers ask about."
            )
        lines = [line for number, page in enumerate(reader.pages) for line in _lines(page, number)]
        named = reader.metadata.title if reader.metadata else None
    except DataError:
        raise
    except Exception as error:  # pypdf raises whatever a broken file makes of it
        raise DataError(
            path, None, f"the PDF cannot be read ({type(error).__name__}).", "Open it and save it as PDF again."
        ) from None
    title = " ".join(str(named or "").split())
    return lines, "" if _NO_TITLE.match(title) else title


@dataclass(slots=True)
class _Pen:
    """Follows the text as it is drawn."""

    page: int
    done: list[_Line] = field(default_factory=list)
    _parts: list[tuple[str, float, bool]] = field(default_factory=list)
    _height: float | None = None
    """Of the line that is being drawn, on the page."""
    _above: float | None = None

    def draw(self, text: str, cm: Sequence[float], tm: Sequence[float], font: Any, size: float) -> None:
        """pypdf's visitor; the matrices are those of the PDF standard, with the scale in 3 and the height in 5."""
        scale = math.hypot(tm[2], tm[3]) * math.hypot(cm[2], cm[3])
        bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
        height = tm[4] * cm[1] + tm[5] * cm[3] + cm[5]
        first, *further = text.split("\n")
        self._add(first, size * scale, bold, height)
        for part in further:
            self.end()
            self._add(part, size * scale, bold, height)

    def _add(self, part: str, size: float, bold: bool, height: float) -> None:
        if not part.strip():
            self._parts.append((" ", 0.0, False))
            return
        if self._height is None:
            self._height = height
        self._parts.append((part, size, bold))

    def end(self) -> None:
        drawn = [part for part in self._parts if part[1]]
        text = " ".join("".join(part for part, _, _ in self._parts).translate(_LIGATURES).split())
        if text and drawn:
            size = round(max(drawn, key=lambda part: len(part[0]))[1], 1)
            apart = self._above is None or self._height is None or not 0 <= self._above - self._height < 1.7 * size
            self.done.append(_Line(text, size, all(bold for _, _, bold in drawn), self.page, apart))
            self._above = self._height
        self._parts, self._height = [], None


def _lines(page: Any, number: int) -> list[_Line]:
    pen = _Pen(number)
    page.extract_text(visitor_text=pen.draw)
    pen.end()
    return pen.done


def _without_margins(lines: Sequence[_Line]) -> Iterator[_Line]:
    """Without page numbers, and without what stands on most pages alike."""
    pages = len({line.page for line in lines})
    alike = Counter(text for text, _ in {(_bare(line.text), line.page) for line in lines})
    for line in lines:
        margin = pages > 2 and alike[_bare(line.text)] > pages / 2
        if not margin and not _PAGE_NUMBER.fullmatch(line.text):
            yield line


def _bare(text: str) -> str:
    return re.sub(r"\d+", "0", text)


def _largest(lines: Sequence[_Line]) -> str:
    """The first page's largest line, if it stands out."""
    first = [line for line in lines if line.page == lines[0].page]
    best = max(first, key=lambda line: line.size)
    return best.text if _is_heading(best, *_usual(lines)) else ""


def _usual(lines: Sequence[_Line]) -> tuple[float, bool]:
    """Size and weight of most of the text."""
    weights: Counter[tuple[float, bool]] = Counter()
    for line in lines:
        weights[line.size, line.bold] += len(line.text)
    return weights.most_common(1)[0][0]


def _is_heading(line: _Line, size: float, bold: bool) -> bool:
    stands_out = line.size >= _LARGER * size or (line.bold and not bold and line.size >= size)
    return stands_out and len(line.text) <= _LONGEST_HEADING and line.text[-1] not in ".;,"


def _sections(lines: Sequence[_Line], title: str) -> Iterator[Section]:
    usual = _usual(lines)
    heading = ""
    for is_heading, group in groupby(lines, lambda line: _is_heading(line, *usual)):
        if is_heading:
            heading = " ".join(line.text for line in group).removeprefix(title).strip()
        else:
            yield from sections_of(heading, "".join(_flowing(list(group))).strip())


def _flowing(lines: Sequence[_Line]) -> Iterator[str]:
    """Lines as paragraphs and list items; a word parted at a line's end is joined."""
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        text = _BULLET.sub(lambda found: f"{found[1]} " if found[1][0].isdigit() else "- ", line.text)
        if after is None:
            yield text
        elif _BULLET.match(after.text):
            yield f"{text}\n"
        elif after.apart:
            yield f"{text}\n\n"
        elif re.search(r"\w-$", text) and after.text[:1].islower():
            yield text[:-1]
        else:
            yield f"{text} "
