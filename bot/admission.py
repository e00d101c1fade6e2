"""Whether one more message may come in: not if it would have to wait for long, where somebody looks at a screen, and
not if its conversation has too many that wait.

In a messaging app nobody does, and some providers send a message once: those wait in the log, whatever the pace is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bot.line import Tally

WAIT_SECONDS, ALWAYS = 0.15, 100
"""Messages are taken while those before them will be answered in so long, as answers come at the moment; and so many
whatever the pace is."""
TIMES, HICCUP_SECONDS = 4, 0.5
"""Several times as many may wait for a moment: a burst or a late disk is no flood. What lasts longer is one."""
WINDOW_SECONDS = 0.5
SHORTEST, LONGEST = 2.0, 30.0
"""Seconds after which who was refused is asked to come back."""


class Busy(Exception):
    """Too many messages are waiting; nothing was accepted."""

    def __init__(self, retry_after: float = SHORTEST) -> None:
        super().__init__(f"Too many messages are waiting; try again in {retry_after:.1f} seconds.")
        self.retry_after = retry_after


@dataclass(slots=True)
class Admission:
    """`most` may wait at any time, and `most_patient` of those that can wait."""

    most: int
    most_patient: int
    most_of_one: int
    """Of one conversation that cannot."""
    tally: Tally = field(default_factory=Tally)
    patient: Tally = field(default_factory=Tally)
    """Of those that can wait."""
    clock: Callable[[], float] = time.monotonic
    _entering: Counter[str] = field(default_factory=Counter)
    """By conversation."""
    _entering_patient: int = 0
    _answered: int = 0
    _refused: int = 0
    _since: float = 0.0
    _pace: float | None = None
    """Answers a second; None while there are none to go by."""
    _demand: float = 0.0
    """Refusals a second."""
    _full_since: float | None = None
    """Since when more wait than should, with no relief in between."""

    @contextmanager
    def entering_patient(self) -> Iterator[None]:
        """While a message is stored that can wait. Raises Busy."""
        if self.patient.waiting + self._entering_patient >= self.most_patient:
            raise Busy(LONGEST)
        self._entering_patient += 1
        try:
            yield
        finally:
            self._entering_patient -= 1

    @contextmanager
    def entering(self, conversation_id: str, before: int = 0) -> Iterator[None]:
        """While a message is stored; `before` it wait so many of its conversation. Raises Busy."""
        self._look()
        if before + self._entering[conversation_id] >= self.most_of_one:
            raise Busy(self._retry_after())
        waiting = self.tally.waiting + self._entering.total()
        if waiting >= self._room(waiting):
            self._refused += 1
            raise Busy(self._retry_after())
        with self._counted(conversation_id):
            yield

    @contextmanager
    def _counted(self, conversation_id: str) -> Iterator[None]:
        self._entering[conversation_id] += 1
        try:
            yield
        finally:
            self._entering[conversation_id] -= 1
            if not self._entering[conversation_id]:
                del self._entering[conversation_id]

    def answered(self) -> None:
        self._answered += 1

    def _look(self) -> None:
        """How it went in the last window."""
        elapsed = self.clock() - self._since
        if elapsed < WINDOW_SECONDS:
            return
        # A window much longer than planned tells of a quiet time, not of what can be done.
        self._pace = self._answered / elapsed if self._answered and elapsed < 4 * WINDOW_SECONDS else None
        self._demand = self._refused / elapsed
        self._since, self._answered, self._refused = self.clock(), 0, 0

    def _room(self, waiting: int) -> int:
        if self._pace is None:
            return self.most
        usual = max(ALWAYS, int(self._pace * WAIT_SECONDS))
        if waiting < usual / 2:
            self._full_since = None
        elif waiting >= usual and self._full_since is None:
            self._full_since = self.clock()
        lasting = self._full_since is not None and self.clock() > self._full_since + HICCUP_SECONDS
        return min(self.most, usual if lasting else TIMES * usual)

    def _retry_after(self) -> float:
        """When those who wait and those who were refused lately can have been answered."""
        if self._pace is None:
            return SHORTEST
        return min(LONGEST, SHORTEST + (self.tally.waiting + self._demand) / self._pace)
