"""What waits for the thread that writes: messages first, the others in their turn."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from sqlalchemy import Connection

from bot.journal.jobs import Jobs, Queued
from bot.journal.journal import Journal
from bot.journal.sqlite import LEAST
from bot.messages import Inbound


def queued(name: str, *, urgent: bool) -> Queued:
    loop = asyncio.new_event_loop()
    loop.close()
    return Queued(lambda _: name, False, urgent, loop, asyncio.Future(loop=loop))


def names(jobs: list[Queued]) -> list[str]:
    return [one.job(None) for one in jobs]  # type: ignore[arg-type]  # they look at no connection


def test_urgent_ones_come_first_and_the_others_every_second_time() -> None:
    jobs = Jobs(10)
    for name in ("a", "b", "c"):
        jobs.put(queued(name, urgent=False))
    for name in ("x", "y"):
        jobs.put(queued(name, urgent=True))
    assert names(jobs.take(1)) == ["x"]
    assert names(jobs.take(2)) == ["a", "b"]
    assert jobs.hurry
    assert names(jobs.take(2)) == ["y"]
    assert names(jobs.take(2)) == ["c"]


def test_what_is_put_back_is_first_again_and_nothing_is_lost_at_the_end() -> None:
    jobs = Jobs(3)
    assert [jobs.put(queued(name, urgent=False)) for name in "abcd"] == [True, True, True, False]
    taken = jobs.take(3)
    jobs.put_back(taken[1:])
    jobs.close()
    assert names(jobs.take(3)) == ["b", "c"]
    assert jobs.take(3) == []


async def test_a_message_waits_for_few_of_what_waits_longer(tmp_path: Path) -> None:
    order, begun, free = list[str](), threading.Event(), threading.Event()

    def block(_: Connection) -> None:
        begun.set()
        free.wait(10)

    async def accepted() -> None:
        await journal.accept(Inbound("web-1", "m1", "hello", "web", 1.0))
        order.append("message")

    async def other(number: int) -> None:
        await journal._store.write(lambda _: number)
        order.append("other")

    async with await Journal.open(tmp_path / "journal.db") as journal:
        first = asyncio.create_task(journal._store.write(block))
        assert await asyncio.to_thread(begun.wait, 10)
        waiting = [asyncio.create_task(other(number)) for number in range(40)]
        await asyncio.sleep(0)
        message = asyncio.create_task(accepted())
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(first, message, *waiting)
    assert order.index("message") <= LEAST
    assert len(order) == 41
