"""Dates as a person says them, and as a person writes them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time

from dateparser.date import DateDataParser

_NOT_A_TIME = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.")
"""`14.12.` is a day, not twelve minutes past two."""


def today() -> date:
    return datetime.now(UTC).date()


def spoken(day: date) -> str:
    """`today`, `tomorrow`, `Thursday 27 November`, or with the year when it is another."""
    days = (day - today()).days
    near = {-1: "yesterday", 0: "today", 1: "tomorrow", 2: "the day after tomorrow"}
    if days in near:
        return near[days]
    return f"{day:%A} {day.day} {day:%B}" if abs(days) < 180 else f"{day.day} {day:%B %Y}"


def on(day: date) -> str:
    """`spoken`, with `on` where English wants it."""
    said = spoken(day)
    return f"on {said}" if said[0].isupper() or said[0].isdigit() else said


def meant(words: str, now: date) -> date | None:
    """The day that `tomorrow`, `next Friday`, `24.12.` or `the 3rd of May` is; None for a week, or what is no date."""
    settings = {"RELATIVE_BASE": datetime.combine(now, time(12)), "PREFER_DATES_FROM": "future", "DATE_ORDER": "DMY"}
    found = DateDataParser(languages=["en"], settings=settings).get_date_data(_NOT_A_TIME.sub(r"\1/\2", words))
    return found.date_obj.date() if found.date_obj and found.period == "day" else None
