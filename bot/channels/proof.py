"""What channels ask of a request that proves itself: that it is of now, and shows what we expect."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

TOLERANCE = 300
"""Seconds that a request's time may be off ours."""


def is_recent(at: str, now: float) -> bool:
    """Plain digits alone: int() would take signs, spaces and other scripts' digits."""
    return at.isascii() and at.isdigit() and len(at) <= 16 and abs(now - int(at)) <= TOLERANCE


def is_one_of(given: str, wanted: Iterable[str]) -> bool:
    """In the same time for whatever is given: all are compared, each to its end."""
    shown = given.encode("utf-8", "surrogatepass")
    return any([hmac.compare_digest(one.encode(), shown) for one in wanted])  # noqa: C419  all of them
