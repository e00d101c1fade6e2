"""Rate limits of this process: token buckets, for when no store is shared."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

LIMIT = 10_000
"""Buckets remembered; those not asked for longest are forgotten first."""


@dataclass(slots=True)
class Bucket:
    tokens: float
    at: float

    def take(self, now: float, rate: float, burst: float, cost: float = 1) -> float:
        """0.0, and `cost` tokens are taken; or the seconds until that many are there."""
        self.tokens = min(burst, self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens < cost:
            return (cost - self.tokens) / rate
        self.tokens -= cost
        return 0.0


class Buckets:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def allow(self, key: str, rate: float, burst: float, cost: float = 1) -> float:
        """As a bucket's `take`."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, Bucket(burst, now))
        self._buckets.move_to_end(key)
        if len(self._buckets) > LIMIT:
            self._buckets.popitem(last=False)
        return bucket.take(now, rate, burst, cost)
