"""Takes out of a text what tells who wrote it, and leaves a placeholder: `<email>`, `<phone>`, `<name>` ..."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from nlu.learning import contacts, money, people, places
from nlu.learning.spans import Finder, Spans

KINDS = ("email", "iban", "card", "order", "phone", "address", "name")
_PLACEHOLDER = re.compile(rf"<(?:{'|'.join(KINDS)})>")


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` of the original text, `end` exclusive."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    spans: tuple[Span, ...]
    """In the order of the text; none overlaps another."""


@dataclass(frozen=True, slots=True)
class Redactor:
    """Finders are asked in turn, each about the pieces that those before it left."""

    finders: tuple[tuple[str, Finder], ...]

    @classmethod
    def of(cls, order: str = "") -> Self:
        """`order` is the expression of the order numbers; without one they stay. Raises re.error."""
        by_kind: dict[str, Finder] = {
            "email": contacts.emails,
            "iban": money.ibans,
            "card": money.cards,
            "order": _by_expression(order),
            "phone": contacts.phones,
            "address": places.addresses,
            "name": people.names,
        }
        return cls(tuple((kind, by_kind[kind]) for kind in KINDS if kind != "order" or order))

    def redact(self, text: str) -> Redacted:
        """Never raises, and finds nothing more in what it returned: the pieces between the placeholders are looked at
        until nothing is found in any of them."""
        spans: list[Span] = []
        waiting = list(_between(0, len(text), (match.span() for match in _PLACEHOLDER.finditer(text))))
        while waiting:
            piece = waiting.pop()
            if found := self._first(text, *piece):
                spans += found
                waiting += _between(*piece, ((span.start, span.end) for span in found))
        spans.sort(key=lambda span: span.start)
        return Redacted(_replaced(text, spans), tuple(spans))

    def _first(self, text: str, start: int, end: int) -> list[Span]:
        """What the first finder that finds anything finds in a piece."""
        piece = text[start:end]
        for kind, find in self.finders:
            if found := [Span(kind, start + first, start + last) for first, last in find(piece) if first < last]:
                return found
        return []


def _by_expression(expression: str) -> Finder:
    compiled = re.compile(expression, re.IGNORECASE)
    return lambda text: (match.span() for match in compiled.finditer(text))


def _between(start: int, end: int, taken: Spans) -> Spans:
    """What lies between what is taken."""
    for first, last in taken:
        yield start, first
        start = last
    yield start, end


def _replaced(text: str, spans: list[Span]) -> str:
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], f"<{span.kind}>"]
        at = span.end
    return "".join([*parts, text[at:]])
