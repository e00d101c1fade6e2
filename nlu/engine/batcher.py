"""Batching without a timer: a batch is what gathered while the last one ran."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(Exception):
    """The queue is full: better to say so at once than to answer too late."""


class Late(Exception):
    """The answer would come after the caller's deadline, so the model was not asked."""


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    until: float
    future: asyncio.Future[Result] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Batcher(Generic[Item, Result]):
    """Runs `run` on some threads. Each caller gets its own error; callers that hung up or whose time is over are
    dropped."""

    def __init__(
        self, run: Callable[[Sequence[Item]], list[Result]], largest: int, capacity: int, threads: int = 1
    ) -> None:
        self._run = run
        self._largest = largest
        self._capacity = capacity
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._filled = asyncio.Event()
        self._idle = threads
        self._closed = False
        self._usual = 0.0
        """Seconds that the last batch took."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="model")

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work(), name="batches") for _ in range(self._idle)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        _hang_up(self._waiting)
        await asyncio.to_thread(self._threads.shutdown)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def submit(self, items: Sequence[Item], until: float = math.inf) -> list[Result]:
        """Results in order. Raises Overloaded, Late for what cannot be there by `until` on the event loop's clock, or
        what `run` raised for the first item that failed."""
        if self._closed:
            raise Overloaded("Nothing is run any more.")
        if len(self._waiting) + len(items) > self._capacity:
            raise Overloaded(f"{len(self._waiting)} texts are waiting already.")
        waiting: list[_Waiting[Item, Result]] = [_Waiting(item, until) for item in items]
        self._waiting.extend(waiting)
        self._filled.set()
        try:
            return list(await asyncio.gather(*(one.future for one in waiting)))
        finally:
            _hang_up(waiting)

    async def _work(self) -> None:
        while True:
            await self._filled.wait()
            batch = self._take()
            if not batch:
                continue
            self._idle -= 1
            loop = asyncio.get_running_loop()
            started = loop.time()
            try:
                outcomes = await loop.run_in_executor(self._threads, self._outcomes, [one.item for one in batch])
            except asyncio.CancelledError:
                _hang_up(batch)
                raise
            finally:
                self._idle += 1
            self._usual = loop.time() - started
            for one, outcome in zip(batch, outcomes, strict=True):
                _settle(one.future, outcome)

    def _take(self) -> list[_Waiting[Item, Result]]:
        """What waits, shared among the threads that have nothing to do."""
        batch: list[_Waiting[Item, Result]] = []
        ready, late = asyncio.get_running_loop().time() + self._usual, False
        most = min(self._largest, -(-len(self._waiting) // self._idle))
        while self._waiting and len(batch) < most:
            one = self._waiting.popleft()
            if one.until < ready:
                late = True
                _settle(one.future, Late("No time was left to answer."))
            elif not one.future.done():
                batch.append(one)
        if late:  # a batch that was slow once must not have everything dropped for ever
            self._usual /= 2
        if not self._waiting:
            self._filled.clear()
        return batch

    def _outcomes(self, items: list[Item]) -> list[Result | Exception]:
        """If a batch fails, each of its items is tried alone, so that one cannot fail the others."""
        try:
            found = self._run(items)
            if len(found) != len(items):
                raise RuntimeError(f"Of {len(items)} texts {len(found)} were answered.")
            return list(found)
        except BaseException as error:  # a panic in Rust is no Exception
            return [_catchable(error)] if len(items) == 1 else [self._outcomes([item])[0] for item in items]


def _hang_up(waiting: Iterable[_Waiting[Item, Result]]) -> None:
    for one in waiting:
        one.future.cancel()


def _catchable(error: BaseException) -> Exception:
    """What a future takes and `except Exception` sees."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"The model broke off ({error!r}).")


def _settle(future: asyncio.Future[Result], outcome: Result | Exception) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
