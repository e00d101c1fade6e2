"""A circuit breaker: what failed lately is left alone for a while, and nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BreakerOpen(Exception):
    """The dependency failed lately, so it was not asked."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"It failed lately and is left alone for {retry_after:.1f} more seconds.")
        self.retry_after = retry_after


class Breaker:
    """Closed, calls pass. After `failures` in a row it is open and refuses them. After `pause` seconds one call may
    try: it closes the breaker or opens it again."""

    def __init__(
        self,
        failures: int,
        pause: float,
        counts: tuple[type[BaseException], ...] = (Exception,),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._pause, self._counts, self._clock = failures, pause, counts, clock
        self._failed = 0
        self._until: float | None = None

    @property
    def is_open(self) -> bool:
        return self._until is not None

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Around one call. Raises BreakerOpen; an exception of `counts` is a failure, any other one an answer."""
        self._admit()
        try:
            yield
        except self._counts:
            self.failed()
            raise
        except Exception:
            self.succeeded()
            raise
        else:
            self.succeeded()

    def _admit(self) -> None:
        if self._until is None:
            return
        now = self._clock()
        if now < self._until:
            raise BreakerOpen(self._until - now)
        self._until = now + self._pause  # this call tries; the others wait for its outcome

    def succeeded(self) -> None:
        self._failed, self._until = 0, None

    def failed(self) -> None:
        self._failed += 1
        if self._until is not None or self._failed >= self._limit:
            self._until = self._clock() + self._pause
