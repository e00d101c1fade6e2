"""What waits for the one thread that writes: urgent jobs come first, and never keep the others waiting for long."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from threading import Condition
from typing import Any

from bot.journal.store import Job

LEAST = 4
"""Jobs that are not urgent and go before those that are, if none went the last time."""


@dataclass(slots=True)
class Queued:
    job: Job[Any]
    durable: bool
    urgent: bool
    loop: AbstractEventLoop
    future: Future[Any]


class Jobs:
    """`most` may wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._urgent, self._others = deque[Queued](), deque[Queued]()
        self._came = Condition()
        self._closed = self._starved = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def put(self, queued: Queued) -> bool:
        """False if there is no room."""
        with self._came:
            if len(self) >= self._most:
                return False
            (self._urgent if queued.urgent else self._others).append(queued)
            self._came.notify()
            return True

    def wait(self) -> bool:
        """Whether there are some; False once none are left and none will come."""
        with self._came:
            while not len(self) and not self._closed:
                self._came.wait()
            return len(self) > 0

    @property
    def durable(self) -> bool:
        with self._came:
            return any(queued.durable for queued in chain(self._urgent, self._others))

    def group(self, most: int, *, durable: bool) -> Iterator[Queued]:
        """The jobs of one commit, taken one by one: an urgent one joins as soon as it comes, and then the commit does
        not wait for others. If the last group had none of these, some go first."""
        owed, others, urgent = LEAST if self._starved else 0, 0, 0
        while others + urgent < most:
            with self._came:
                first = self._urgent and (others >= owed or not self._others)
                if not first and urgent and others >= owed:
                    break
                chosen = self._urgent if first else self._others
                if not chosen or (chosen[0].durable and not durable):
                    break
                queued = chosen.popleft()
            urgent, others = urgent + queued.urgent, others + (not queued.urgent)
            yield queued
        self._starved = not others and bool(self._others)

    def close(self) -> None:
        """What waits is still to be taken."""
        with self._came:
            self._closed = True
            self._came.notify()
