"""What waits for the one thread that writes: urgent jobs come first, and never keep the others waiting for long."""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition
from typing import Any

from bot.journal.store import Job


@dataclass(slots=True)
class Queued:
    job: Job[Any]
    durable: bool
    urgent: bool
    loop: AbstractEventLoop
    future: Future[Any]


class Jobs:
    """`most` may wait. Each `take` is of one kind, and takes turns with the other where both wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._urgent, self._others = deque[Queued](), deque[Queued]()
        self._came = Condition()
        self._closed = self._were_urgent = False

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    @property
    def hurry(self) -> bool:
        """Whether an urgent one waits."""
        return bool(self._urgent)

    def put(self, queued: Queued) -> bool:
        """False if there is no room."""
        with self._came:
            if len(self) >= self._most:
                return False
            (self._urgent if queued.urgent else self._others).append(queued)
            self._came.notify()
            return True

    def put_back(self, queued: Sequence[Queued]) -> None:
        """There was no time for the last ones of a `take` that was not urgent."""
        with self._came:
            self._others.extendleft(reversed(queued))

    def take(self, most: int) -> list[Queued]:
        """Waits until there are some. None are left, and none will come, where there are none."""
        with self._came:
            while not len(self) and not self._closed:
                self._came.wait()
            self._were_urgent = bool(self._urgent) and not (self._were_urgent and self._others)
            chosen = self._urgent if self._were_urgent else self._others
            return [chosen.popleft() for _ in range(min(most, len(chosen)))]

    def close(self) -> None:
        """What waits is still to be taken."""
        with self._came:
            self._closed = True
            self._came.notify()
