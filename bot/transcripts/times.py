"""Times as exports write them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Any

_FORMATS = (
    *("%Y-%m-%d %H:%M:%S %Z", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%d %H:%M:%S.%f %Z", "%Y/%m/%d %H:%M:%S"),
    *("%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y, %H:%M", "%d.%m.%Y"),
    *("%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p", "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M"),
    "%a %b %d %H:%M:%S %z %Y",
)
"""Not 03/04/2026: nobody knows which is the month."""
_MOST = 4e9
"""Seconds: the year 2096. Larger numbers are thousandths, or millionths."""


def seconds(value: Any) -> float | None:
    """Unix time; what has no zone is taken as UTC. None for what is no time."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return _number(float(value))
    text = str(value).strip()
    try:
        return _number(float(text))
    except ValueError:
        return _written(text)


def _number(number: float) -> float | None:
    while isfinite(number) and number > _MOST:
        number /= 1000
    return number if isfinite(number) and number > 0 else None


def _written(text: str) -> float | None:
    for read in _READERS:
        try:
            found = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return _number((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    return None


def _reader(form: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, form)


_READERS: tuple[Callable[[str], datetime], ...] = (
    datetime.fromisoformat,
    *map(_reader, _FORMATS),
    parsedate_to_datetime,
)
