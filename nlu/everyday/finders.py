"""What a line such as `<money>` among the examples of a `regex` finds, and its value in one spelling."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import phonenumbers

from nlu.everyday import quantities
from nlu.everyday.dates import DATES, IN_EVERY_DATE


class Found(NamedTuple):
    """`text[start:end]`, and what it is worth."""

    start: int
    end: int
    value: str


Finder = Callable[[str], Iterator[Found]]
_CALL = re.compile(r"<([a-z]+)(?: ([A-Z]{2}))?>")
_DIGIT = re.compile(r"\d")
_EMAIL = (r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}\b",)


def finder(line: str) -> Finder | None:
    """None if the line is an expression like any other. Raises ValueError with what is wrong, as a sentence."""
    called = _CALL.fullmatch(line)
    if not called:
        return None
    name, country = called.groups()
    if name == "phone":
        return _phones(country)
    if name in _FINDERS and not country:
        return _FINDERS[name]
    known = ", ".join(f"<{one}>" for one in (*_FINDERS, "phone DE"))
    raise ValueError(f"{line} is not known; there are {known}.")


def _by(expressions: tuple[str, ...], value: Callable[[re.Match[str]], str]) -> Finder:
    compiled = [re.compile(expression, re.IGNORECASE) for expression in expressions]

    def find(text: str) -> Iterator[Found]:
        for expression in compiled:
            for match in expression.finditer(text):
                yield Found(*match.span(), value(match))

    return find


def _where(may_hold: Callable[[str], bool], find: Finder) -> Finder:
    """One look instead of many, at texts that hold nothing of the kind."""
    return lambda text: find(text) if may_hold(text) else iter(())


def _has_digit(text: str) -> bool:
    return bool(_DIGIT.search(text))


def _has_one_of(words: tuple[str, ...]) -> Callable[[str], bool]:
    """Also of a text with a letter beyond ASCII, which may be another spelling of one: `ſ` of `s`."""

    def look(text: str) -> bool:
        small = text.lower()
        return not text.isascii() or any(word in small for word in words)

    return look


def _phones(country: str | None) -> Finder:
    """Valid numbers as dialled in that country, and everyone's with a country code; in E.164."""
    if country and country not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"<phone {country}> names no country.")

    def find(text: str) -> Iterator[Found]:
        for match in phonenumbers.PhoneNumberMatcher(text, country):
            value = phonenumbers.format_number(match.number, phonenumbers.PhoneNumberFormat.E164)
            yield Found(match.start, match.end, value)

    return _where(_has_digit, find)


_may_be_dated = _has_one_of(IN_EVERY_DATE)
_FINDERS = {
    "email": _where(_has_one_of(("@",)), _by(_EMAIL, lambda match: match[0].lower())),
    "money": _where(_has_one_of(quantities.IN_EVERY_SUM), _by(quantities.MONEY, quantities.money)),
    "number": _by(quantities.NUMBERS, quantities.number),
    "duration": _by(quantities.LENGTHS, quantities.length),
    "date": _where(lambda text: _has_digit(text) or _may_be_dated(text), _by(DATES, lambda match: match[0])),
}
