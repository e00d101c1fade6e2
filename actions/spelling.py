"""One spelling for what customers write in many: order numbers, e-mail addresses, phone numbers, names of things."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

import phonenumbers

_ORDER = re.compile(r"(?<![\w@.])(?:lw\s*[-–—_.]?\s*|#\s*)?(\d{5})(?!\w)", re.IGNORECASE)
_TRACKING = re.compile(r"\bpx\s*-?\s*(\d{9})\b", re.IGNORECASE)
_POSTCODE = re.compile(r"(?<![\w#-])(?:\d{4,5}|[ac-fhknprtv-y]\d[\dw]\s?[\dac-fhknprtv-y]{4})(?![\w@])", re.IGNORECASE)
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}", re.IGNORECASE)
_HOME = "DE"
"""Where a phone number without a country code is dialled: at the shop."""


def order_number(text: str) -> str | None:
    """`lw 10234`, `#10234` or `it is 10234` is `LW-10234`."""
    found = _ORDER.search(text)
    return f"LW-{found[1]}" if found else None


def tracking_number(text: str) -> str | None:
    found = _TRACKING.search(text)
    return f"PX{found[1]}" if found else None


def postcode(text: str) -> str | None:
    """`20095` or `D02 X285`; of a Dutch one the digits."""
    found = _POSTCODE.search(text)
    return " ".join(found[0].upper().split()) if found else None


def email(text: str) -> str | None:
    """The address in a text, in lower case: nobody remembers how they capitalised it."""
    found = _EMAIL.search(text)
    return found[0].rstrip(".").lower() if found else None


def phone(text: str) -> str | None:
    """The first valid number, with its country code: `0049 (0)40 5550 1234` is `+494055501234`."""
    found = next(iter(phonenumbers.PhoneNumberMatcher(text, _HOME)), None)
    return phonenumbers.format_number(found.number, phonenumbers.PhoneNumberFormat.E164) if found else None


def one_of(text: str, names: Iterable[str]) -> str | None:
    """The name that a text means: whole, contained, or misspelt by a letter or two."""
    wanted = _plain(text)
    plain = {_plain(name): name for name in names}
    if wanted in plain:
        return plain[wanted]
    contained = [name for key, name in plain.items() if re.search(rf"\b{re.escape(key)}s?\b", wanted)]
    if contained:
        return max(contained, key=len)
    close = get_close_matches(wanted, plain, n=1, cutoff=0.8)
    return plain[close[0]] if close else None


def alike(text: str, names: Iterable[str]) -> list[str]:
    """Names that share the most words of four letters or more with the text: `oak chair` may be several chairs."""
    words = {word.rstrip("s") for word in re.findall(r"\w{4,}", text.casefold())}
    shared = {name: len(words & set(_plain(name).split())) for name in names}
    most = max(shared.values(), default=0)
    return [name for name, count in shared.items() if count == most and most]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
