"""A conversation in one text, as chat tools mail it: `[12:01] Visitor: hello`, `Anna (12:02): how can I help?`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bot.transcripts import writers
from bot.transcripts.message import Writer

_CLOCK = r"\d{1,2}[:.]\d{2}(?:[:.]\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?"
_DAY = r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4})"
_WHEN = rf"(?:{_DAY},?[\sT]+)?{_CLOCK}(?:\s?(?:UTC|GMT|Z))?"
_WHO = r"(?P<who>[^\s:\[\](){}<>][^:\[\](){}<>\n]{0,39}?)"
_WHO_AND_WHAT = r"(?P<who>[^\s:\[\](){}<>][^:\[\]{}<>\n]{0,39}?)"
"""`Kim (Support)`."""
_LINES = (
    re.compile(rf"^\s*[\[(]?{_WHEN}[\])]?\s*[-–|]?\s*{_WHO_AND_WHAT}\s*:\s+(?P<text>.*)$"),
    re.compile(rf"^\s*{_WHO}\s*[\[(]{_WHEN}[\])]\s*:?\s*(?P<text>.*)$"),
)
_NO_TIME = re.compile(rf"^\s*{_WHO}\s*:\s+(?P<text>\S.*)$")
LEAST = 2
"""Lines that make a text a conversation."""


@dataclass(slots=True)
class Line:
    number: int
    who: str
    text: str


def conversation(text: str) -> list[Line]:
    """What each said; empty for a text that is none. A line that names nobody goes on with the one before."""
    found: list[Line] = []
    for number, line in enumerate(text.splitlines()):
        if match := _named(line):
            found.append(Line(number, match["who"].strip(), match["text"].strip()))
        elif found and line.strip():
            found[-1].text = f"{found[-1].text}\n{line.strip()}".strip()
    return found if len(found) >= LEAST and _has_sides(found) else []


def begins(text: str) -> bool:
    """Whether the first line tells when it was said, and by whom: `[12:01] Visitor: hello` is no JSON."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return any(form.match(first) for form in _LINES)


def _named(line: str) -> re.Match[str] | None:
    for form in _LINES:
        if match := form.match(line):
            return match
    match = _NO_TIME.match(line)
    return match if match and writers.by_name(match["who"]) is not Writer.UNKNOWN else None


def said(text: str, customers: frozenset[str]) -> list[tuple[Line, Writer]]:
    """`customers` are names of customers, in lower case."""
    lines = conversation(text)
    sides = _sides({line.who for line in lines}, customers)
    return [(line, sides[line.who]) for line in lines]


def _sides(names: set[str], customers: frozenset[str]) -> dict[str, Writer]:
    """Whoever is alone with the shop's people is the customer, and who talks with a customer is the shop's."""
    sides = {name: writers.by_name(name, customers) for name in names}
    unknown = [name for name, side in sides.items() if side is Writer.UNKNOWN]
    if Writer.CUSTOMER in sides.values():
        return sides | dict.fromkeys(unknown, Writer.STAFF)
    if len(unknown) == 1 and Writer.STAFF in sides.values():
        return sides | {unknown[0]: Writer.CUSTOMER}
    return sides


def _has_sides(lines: list[Line]) -> bool:
    """Two people talk, or one of whom it is known what they are."""
    names = {line.who for line in lines}
    return len(names) > 1 or any(writers.by_name(name) is not Writer.UNKNOWN for name in names)
