"""Where the SQL functions run: a store takes plain functions of a connection and gives their results back, durably."""

from __future__ import annotations

from asyncio import timeout
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from bot.journal.errors import Unavailable

T = TypeVar("T")
Job = Callable[[Connection], T]

PATIENCE = 10.0
"""Seconds until a caller is told that the database does not answer."""


class Store(Protocol):
    """A job may run twice if its transaction failed for no fault of its own; it never runs half."""

    async def write(self, job: Job[T], *, durable: bool = True, urgent: bool = False, endless: bool = False) -> T:
        """The job's result, after its commit. Not `durable`: a power cut, but no crash of ours, may undo it. `urgent`:
        where jobs wait for each other, before those that are not. `endless`: it may take longer than callers wait.
        """

    async def read(self, job: Job[T]) -> T: ...

    async def scrub(self) -> bool:
        """Leaves no bytes of removed rows on the disk; False where that is not ours to do."""

    async def close(self) -> None: ...


async def patiently(answer: Awaitable[T], *, endless: bool = False) -> T:
    try:
        async with timeout(None if endless else PATIENCE):
            return await answer
    except TimeoutError:
        raise Unavailable(f"The database did not answer within {PATIENCE:g} seconds.") from None
