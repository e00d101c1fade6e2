"""Requests that gather while the last ones are answered, and go out together: few exchanges at a time, no timer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


class Gathering(Generic[Request, Answer]):
    """`exchange` takes what has gathered and answers each; an exception among the answers is that request's own, and
    one that it raises is everybody's. Who gives up waiting disturbs nobody."""

    def __init__(
        self,
        exchange: Callable[[Sequence[Request]], Awaitable[Sequence[Answer | Exception]]],
        largest: int = sys.maxsize,
        at_once: int = 1,
    ) -> None:
        self._exchange, self._largest, self._at_once = exchange, largest, at_once
        self._waiting: list[tuple[Request, asyncio.Future[Answer]]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, request: Request) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if len(self._tasks) < self._at_once:
            task = asyncio.create_task(self._work(), name="gathering")
            self._tasks.add(task)
        return answer

    async def finish(self) -> None:
        """Returns when all that was put is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """What is not answered yet never will be."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _, answer in self._waiting:
            answer.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                for (_, answer), found in zip(batch, await self._answers(batch), strict=True):
                    _settle(answer, found)
        finally:
            self._tasks.discard(asyncio.current_task())

    async def _answers(self, batch: Sequence[tuple[Request, asyncio.Future[Answer]]]) -> Sequence[Answer | Exception]:
        try:
            return await self._exchange([request for request, _ in batch])
        except Exception as error:
            return [error] * len(batch)


def _settle(answer: asyncio.Future[Answer], found: Answer | Exception) -> None:
    if answer.done():
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
