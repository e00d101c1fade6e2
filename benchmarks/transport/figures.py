"""What a figure is, and percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Measured = Mapping[str, float]
"""By the key of the figure."""


@dataclass(frozen=True, slots=True)
class Figure:
    """`name` is the target's, `key` the one under which the measurement gives it."""

    name: str
    key: str
    what: str
    limit: float | None = None
    unit: str = ""
    at_least: bool = False
    digits: int = 1

    @property
    def goal(self) -> str:
        if self.limit is None:
            return ""
        return f"{'>=' if self.at_least else '<='} {self.shown(self.limit, self.exact)}"

    @property
    def exact(self) -> int:
        return 0 if self.limit is None or self.limit == round(self.limit) else self.digits

    def shown(self, value: float, digits: int | None = None) -> str:
        digits = self.digits if digits is None else digits
        return f"{value:,.{digits}f}{' ' + self.unit if self.unit else ''}"

    def worst(self, values: Iterable[float]) -> float:
        return min(values) if self.at_least else max(values)

    def holds(self, value: float) -> bool:
        if self.limit is None:
            return True
        return value >= self.limit if self.at_least else value <= self.limit


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of them do not exceed. Not a number if there are none."""
    ordered = sorted(values)
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def milliseconds(values: Iterable[float], percent: float) -> float:
    return 1000 * percentile(values, percent)
