"""Dates as a person would say them."""

from __future__ import annotations

from datetime import UTC, date, datetime


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
