"""Long answers in parts: at paragraphs, at sentences, at words, and never within what is one sign to the eye."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from bot.channels.capabilities import Markup, Unit
from bot.channels.markup import Span, plain, write

# The best place to part first. `kept` stays with the first part, the blanks after it are dropped.
_PLACES = (
    re.compile(r"(?P<kept>)\n[ \t]*\n\s*"),
    re.compile(r"(?P<kept>)\n\s*"),
    re.compile(r"(?P<kept>[.!?…][\"'”’)\]]*(?=\s)|[。！？][」』”’）]*)\s*"),
    re.compile(r"(?P<kept>)\s+"),
)
_LEAST = (0.3, 0.3, 0.3, 0.0)
"""How full such a place has to leave a part; else the next kind is tried. A word that fits is never cut."""
_BLANKS = re.compile(r"\s*")


def measure(text: str, unit: Unit) -> int:
    if unit is Unit.BYTES:
        return len(text.encode("utf-8", "replace"))
    if unit is Unit.UTF16:
        return len(text.encode("utf-16-le", "replace")) // 2
    return len(text)


def shortened(text: str, longest: int, unit: Unit) -> str:
    """As much of it as fits, with an ellipsis if that is not all."""
    if measure(text, unit) <= longest:
        return text
    end = min(len(text) - 1, longest)
    while end and measure(text[:end] + "…", unit) > longest:
        end -= 1
    while end and _belongs(text, end, 0):
        end -= 1
    return text[:end].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Limit:
    """Of a text as it is written."""

    longest: int
    unit: Unit
    markup: Markup

    def fits(self, spans: Sequence[Span]) -> bool:
        return measure(write(spans, self.markup), self.unit) <= self.longest


@dataclass(frozen=True, slots=True)
class _Flow:
    """Spans as one text."""

    spans: tuple[Span, ...]
    text: str
    ends: tuple[int, ...]

    @classmethod
    def of(cls, spans: Sequence[Span]) -> _Flow:
        text = "".join(span.text for span in spans)
        return cls(tuple(spans), text, tuple(accumulate(len(span.text) for span in spans)))

    def part(self, start: int, end: int) -> tuple[Span, ...]:
        found: list[Span] = []
        place = bisect_right(self.ends, start)
        while start < end:
            span, stop = self.spans[place], min(end, self.ends[place])
            begin = self.ends[place] - len(span.text)
            found.append(replace(span, text=span.text[start - begin : stop - begin]))
            start, place = stop, place + 1
        return tuple(found)

    def before_link(self, at: int) -> int:
        """The place itself, or where the link begins that it would cut."""
        if at == len(self.text):
            return at
        place = bisect_right(self.ends, at)
        begin = self.ends[place] - len(self.spans[place].text)
        return begin if self.spans[place].url else at

    def after_link(self, at: int) -> int:
        return at if self.before_link(at) == at else self.ends[bisect_right(self.ends, at)]


def split(
    spans: Sequence[Span], longest: int, unit: Unit, markup: Markup, last: int | None = None
) -> list[tuple[Span, ...]]:
    """Parts that fit as they are written; the last one may have to be shorter. No word is lost and no part is empty."""
    limit, ending = Limit(longest, unit, markup), Limit(min(last or longest, longest), unit, markup)
    flow = _Flow.of([_followable(span, ending) for span in spans if span.text])
    found = list(_ranges(flow, len(flow.text), limit))
    if found and not ending.fits(flow.part(*found[-1])):
        *_, tail = _ranges(flow, len(flow.text), ending)
        found = [*_ranges(flow, tail[0], limit), tail]
    return [flow.part(*place) for place in found]


def _followable(span: Span, limit: Limit) -> Span:
    """A link stays whole; one that is longer than a part is only its text and its address."""
    return replace(span, text=plain(span), url="") if span.url and not limit.fits((span,)) else span


def _ranges(flow: _Flow, end: int, limit: Limit) -> Iterator[tuple[int, int]]:
    start = _after_blanks(flow.text, 0)
    end = len(flow.text[:end].rstrip())
    while start < end:
        cut = start + _fitting(flow, start, end, limit)
        if cut < end:
            cut = _place(flow, start, cut)
        yield start, start + len(flow.text[start:cut].rstrip())
        start = _after_blanks(flow.text, cut)


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _fitting(flow: _Flow, start: int, end: int, limit: Limit) -> int:
    """How many characters of it fit; at least one."""
    low, high = 1, min(end - start, limit.longest)
    while low < high:
        middle = (low + high + 1) // 2
        if limit.fits(flow.part(start, flow.after_link(start + middle))):
            low = middle
        else:
            high = middle - 1
    return low


def _place(flow: _Flow, start: int, stop: int) -> int:
    """The best place to part up to `stop`."""
    for place, least in zip(_PLACES, _LEAST, strict=True):
        found = (match for match in place.finditer(flow.text, start, stop + 1) if match.end("kept") <= stop)
        cuts = [match.end("kept") for match in found if match.end("kept") >= start + (stop - start) * least]
        good = [cut for cut in cuts if start < cut == flow.before_link(cut)]
        if good:
            return good[-1]
    before = flow.before_link(stop)
    return before if before > start and before < stop else _whole(flow.text, start, stop)


def _whole(text: str, start: int, stop: int) -> int:
    """The nearest place before `stop` that is between two signs; `stop` if there is only one."""
    at = stop
    while at > start and _belongs(text, at, start):
        at -= 1
    return at if at > start else stop


def _belongs(text: str, at: int, start: int) -> bool:
    """Whether the character continues the sign before it (the cases of UAX 29 that chats have)."""
    before, this = text[at - 1], text[at]
    if unicodedata.combining(this) or unicodedata.category(this) in ("Mn", "Mc", "Me"):
        return True
    if this in "\u200d\ufe0e\ufe0f\u20e3" or before == "\u200d" or "\U0001f3fb" <= this <= "\U0001f3ff":
        return True
    if "\U000e0020" <= this <= "\U000e007f" or (before == "\r" and this == "\n"):
        return True
    return _flags(before) and _flags(this) and _odd_before(text, at, start)


def _flags(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _odd_before(text: str, at: int, first: int) -> bool:
    """A flag is two letters: whether an odd number of them stand before."""
    start = at
    while start > first and _flags(text[start - 1]):
        start -= 1
    return (at - start) % 2 == 1
