"""What waits for the thread that writes: messages first, the others in their turn."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from bot.journal.jobs import LEAST, Jobs, Queued
from bot.journal.journal import Journal
from bot.messages import Inbound


def queued(name: str, *, urgent: bool) -> Queued:
    loop = asyncio.new_event_loop()
    loop.close()
    return Queued(lambda _: name, False, urgent, loop, asyncio.Future(loop=loop))


def names(jobs: list[Queued]) -> list[str]:
    return [one.job(None) for one in jobs]  # type: ignore[arg-type]  # they look at no connection


def put(jobs: Jobs, *given: str) -> None:
    """Capitals are urgent."""
    for name in given:
        assert jobs.put(queued(name, urgent=name.isupper()))


def group(jobs: Jobs, most: int = 64) -> str:
    return "".join(names(list(jobs.group(most, durable=False))))


def test_urgent_ones_come_first_and_keep_the_others_waiting_once() -> None:
    jobs = Jobs(20)
    put(jobs, *"abcdef", "X", "Y")
    assert group(jobs) == "XY"
    put(jobs, "Z")
    assert group(jobs) == "abcd"[:LEAST] + "Z"
    assert group(jobs) == "ef"


def test_an_urgent_one_joins_the_commit_under_way_and_ends_it() -> None:
    jobs = Jobs(20)
    put(jobs, *"abc")
    under_way = jobs.group(64, durable=False)
    assert names([next(under_way)]) == ["a"]
    put(jobs, "X")
    assert names(list(under_way)) == ["X"]
    assert group(jobs) == "bc"


def test_what_a_power_cut_may_undo_is_committed_so_only_among_its_like() -> None:
    jobs = Jobs(20)
    put(jobs, "a")
    jobs.put(replace(queued("b", urgent=False), durable=True))
    assert jobs.durable
    assert group(jobs) == "a"
    assert names(list(jobs.group(64, durable=True))) == ["b"]
    assert not jobs.durable


def test_what_waits_at_the_end_is_taken_and_more_than_may_wait_is_not() -> None:
    jobs = Jobs(3)
    put(jobs, *"abc")
    assert not jobs.put(queued("d", urgent=True))
    jobs.close()
    assert jobs.wait()
    assert group(jobs, most=2) == "ab"
    assert group(jobs) == "c"
    assert not jobs.wait()


async def test_a_message_waits_for_few_of_what_waits_longer(tmp_path: Path) -> None:
    order, begun, free = list[str](), threading.Event(), threading.Event()

    def block(_: Connection) -> None:
        begun.set()
        free.wait(60)

    async def accepted() -> None:
        await journal.accept(Inbound("web-1", "m1", "hello", "web", 1.0))
        order.append("message")

    async def other(number: int) -> None:
        await journal._store.write(lambda _: number)
        order.append("other")

    async with await Journal.open(tmp_path / "journal.db") as journal:
        first = asyncio.create_task(journal._store.write(block))
        assert await asyncio.to_thread(begun.wait, 60)
        waiting = [asyncio.create_task(other(number)) for number in range(40)]
        await asyncio.sleep(0)
        message = asyncio.create_task(accepted())
        await asyncio.sleep(0)
        free.set()
        await asyncio.gather(first, message, *waiting)
    assert order.index("message") == 0, "it joins the commit under way"
    assert len(order) == 41
