"""Long answers in parts: at paragraphs, at sentences, at words, and never within what is one sign to the eye."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from bot.channels.capabilities import Markup, Unit
from bot.channels.markup import Span, write

# The best place to part first; what stands before it stays with the first part.
_PLACES = (
    re.compile(r"\n[ \t]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"(?:[.!?…][\"'”’)\]]*\s+)|[。！？]\s*"),
    re.compile(r"\s+"),
)
_LEAST = 0.3
"""A part is at least so full, if a better place would leave it emptier."""


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
    end = max((cut for cut in range(len(text)) if measure(text[:cut] + "…", unit) <= longest), default=0)
    return text[: _whole(text, end)].rstrip() + "…"


def split(spans: Sequence[Span], longest: int, unit: Unit, markup: Markup) -> list[tuple[Span, ...]]:
    """Parts that fit as they are written. No word is lost and no part is empty; one that cannot fit is cut."""
    parts: list[tuple[Span, ...]] = []
    rest = trimmed(spans)
    while rest:
        end = _fitting(rest, longest, unit, markup)
        text = _text(rest)
        if end < len(text):
            end = _place(text, end)
        if part := trimmed(_slice(rest, 0, end)):
            parts.append(part)
        rest = trimmed(_slice(rest, end, len(text)))
    return parts


def _text(spans: Sequence[Span]) -> str:
    return "".join(span.text for span in spans)


def _slice(spans: Sequence[Span], start: int, end: int) -> tuple[Span, ...]:
    found: list[Span] = []
    at = 0
    for span in spans:
        if at >= end:
            break
        text = span.text[max(0, start - at) : end - at]
        if text and at + len(span.text) > start:
            found.append(replace(span, text=text))
        at += len(span.text)
    return tuple(found)


def trimmed(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Without blanks at the ends."""
    text = _text(spans)
    start = len(text) - len(text.lstrip())
    return _slice(spans, start, max(start, len(text.rstrip())))


def _fitting(spans: Sequence[Span], longest: int, unit: Unit, markup: Markup) -> int:
    """How many characters of it fit; at least one."""
    low, high = 1, min(len(_text(spans)), longest)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(write(_slice(spans, 0, middle), markup), unit) <= longest:
            low = middle
        else:
            high = middle - 1
    return max(1, low)


def _place(text: str, end: int) -> int:
    """The best place to part up to `end`."""
    for place in _PLACES:
        found = [match.end() for match in place.finditer(text, 0, min(len(text), end + 1)) if match.start() <= end]
        good = [cut for cut in found if cut >= end * _LEAST]
        if good:
            return good[-1]
    return max(1, _whole(text, end)) if _whole(text, end) else end


def _whole(text: str, end: int) -> int:
    """The nearest place before `end` that is between two signs."""
    while 0 < end < len(text) and _belongs(text, end):
        end -= 1
    return end


def _belongs(text: str, at: int) -> bool:
    """Whether the character continues the sign before it (the cases of UAX 29 that chats have)."""
    before, this = text[at - 1], text[at]
    if unicodedata.combining(this) or unicodedata.category(this) in ("Mn", "Mc", "Me"):
        return True
    if this in "\u200d\ufe0e\ufe0f\u20e3" or before == "\u200d" or "\U0001f3fb" <= this <= "\U0001f3ff":
        return True
    if "\U000e0020" <= this <= "\U000e007f" or (before == "\r" and this == "\n"):
        return True
    return _flags(before) and _flags(this) and _odd_before(text, at)


def _flags(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _odd_before(text: str, at: int) -> bool:
    """A flag is two letters: whether an odd number of them stand before."""
    start = at
    while start > 0 and _flags(text[start - 1]):
        start -= 1
    return (at - start) % 2 == 1
