"""Places for turns: so many for what can wait, so that a flood of it leaves room for the others, and waits for its
actions instead of having them fail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import TracebackType


@dataclass(slots=True)
class Place:
    """`async with place:` has one of them, as long as nobody calls `leave`. `among` is None for who needs none."""

    among: asyncio.Semaphore | None = None
    _had: bool = False

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    async def take(self) -> None:
        """In the order of the calls; at once if it is had."""
        if self.among is not None and not self._had:
            await self.among.acquire()
            self._had = True

    def leave(self) -> None:
        if self.among is not None and self._had:
            self._had = False
            self.among.release()

    @property
    def is_far(self) -> bool:
        """Whether others come first."""
        return self.among is not None and not self._had and self.among.locked()
