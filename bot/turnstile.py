"""Lets through one at a time, and the event loop look at its sockets in between.

A hundred turns ready at the same moment would leave all new messages unread until the last of them is done.
"""

from __future__ import annotations

import asyncio
from collections import deque


class Turnstile:
    __slots__ = ("_moving", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._moving = False

    async def enter(self) -> None:
        """Returns in the order of the calls, at most once in a round of the event loop."""
        loop = asyncio.get_running_loop()
        if not self._moving:
            self._moving = True
            loop.call_soon(self._next)
            return
        mine = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next(self) -> None:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():  # cancelled
                first.set_result(None)
                asyncio.get_running_loop().call_soon(self._next)
                return
        self._moving = False
