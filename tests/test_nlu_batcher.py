"""The micro-batcher: what gathers while a batch runs is the next one; no caller spoils another's answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from nlu.engine.batcher import Batcher, Late, Overloaded


class Gate:
    """A model whose batches wait until they are let through."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.started = threading.Semaphore(0)
        self.let = threading.Semaphore(0)

    def run(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        self.started.release()
        assert self.let.acquire(timeout=20)
        return [item.upper() for item in items]

    async def until_started(self) -> None:
        assert await asyncio.to_thread(self.started.acquire, timeout=20)

    def open(self) -> None:
        for _ in range(100):
            self.let.release()


async def queued(batcher: Batcher[str, str], *texts: str) -> list[asyncio.Task[list[str]]]:
    tasks = [asyncio.create_task(batcher.submit([text])) for text in texts]
    await asyncio.sleep(0)
    return tasks


async def test_what_gathers_while_one_batch_runs_is_the_next_batch() -> None:
    gate = Gate()
    async with Batcher(gate.run, largest=8, capacity=100) as batcher:
        first = await queued(batcher, "a")
        await gate.until_started()
        rest = await queued(batcher, "b", "c", "d")
        gate.open()
        assert await asyncio.gather(*first, *rest) == [["A"], ["B"], ["C"], ["D"]]
    assert gate.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_is_never_larger_than_asked() -> None:
    gate = Gate()
    gate.open()
    async with Batcher(gate.run, largest=2, capacity=100) as batcher:
        assert await batcher.submit(list("abcde")) == list("ABCDE")
    assert gate.batches == [["a", "b"], ["c", "d"], ["e"]]


async def test_each_caller_gets_its_own_error() -> None:
    def run(items: Sequence[str]) -> list[str]:
        if "bad" in items:
            raise ValueError("bad")
        return list(items)

    async with Batcher(run, largest=8, capacity=100) as batcher:
        outcomes = await asyncio.gather(
            *(batcher.submit([text]) for text in ("one", "bad", "two")), return_exceptions=True
        )
        assert await batcher.submit(["after"]) == ["after"]
    assert outcomes[0] == ["one"]
    assert isinstance(outcomes[1], ValueError)
    assert outcomes[2] == ["two"]


class Panic(BaseException):
    """As tokenizers raises for a fault of its own."""


@pytest.mark.parametrize("error", [Panic("lost"), StopIteration()])
async def test_whatever_is_raised_the_next_caller_is_answered(error: BaseException) -> None:
    def run(items: Sequence[str]) -> list[str]:
        if "bad" in items:
            raise error
        return list(items)

    async with Batcher(run, largest=8, capacity=100) as batcher:
        with pytest.raises(RuntimeError, match="broke off"):
            await asyncio.wait_for(batcher.submit(["bad"]), 20)
        assert await asyncio.wait_for(batcher.submit(["after"]), 20) == ["after"]


async def test_an_answer_too_few_is_an_error_of_those_who_asked_and_the_next_are_answered() -> None:
    def run(items: Sequence[str]) -> list[str]:
        return [item for item in items if item != "bad"]

    async with Batcher(run, largest=8, capacity=100) as batcher:
        asked = (batcher.submit([text]) for text in ("one", "bad", "two"))
        outcomes = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)
        assert await asyncio.wait_for(batcher.submit(["after"]), 20) == ["after"]
    assert (outcomes[0], outcomes[2]) == (["one"], ["two"])
    assert isinstance(outcomes[1], RuntimeError)


async def test_callers_that_hung_up_are_dropped_and_harm_nobody() -> None:
    gate = Gate()
    async with Batcher(gate.run, largest=8, capacity=100) as batcher:
        running, *_ = await queued(batcher, "running")
        await gate.until_started()
        gone, stays = await queued(batcher, "gone", "stays")
        running.cancel()
        gone.cancel()
        await asyncio.sleep(0)
        gate.open()
        assert await stays == ["STAYS"]
    assert gate.batches == [["running"], ["stays"]]


async def test_what_is_too_late_costs_the_model_nothing() -> None:
    gate, now = Gate(), asyncio.get_running_loop().time
    async with Batcher(gate.run, largest=8, capacity=100) as batcher:
        first = await queued(batcher, "a")
        await gate.until_started()
        over = asyncio.create_task(batcher.submit(["b", "c"], now() - 1))
        rest = await queued(batcher, "d")
        await asyncio.sleep(0)
        gate.open()
        assert await asyncio.gather(*first, *rest) == [["A"], ["D"]]
        with pytest.raises(Late):
            await over
    assert gate.batches == [["a"], ["d"]]


async def test_what_could_not_be_ready_in_time_is_dropped_but_not_for_ever() -> None:
    gate, now = Gate(), asyncio.get_running_loop().time
    async with Batcher(gate.run, largest=8, capacity=100) as batcher:
        slow = await queued(batcher, "slow")
        await gate.until_started()
        await asyncio.sleep(0.2)
        gate.open()
        await asyncio.gather(*slow)
        with pytest.raises(Late):
            await batcher.submit(["hurried"], now() + 0.1)
        answers: list[str] = []
        while not answers:
            with suppress(Late):
                answers = await batcher.submit(["hurried"], now() + 0.1)
    assert answers == ["HURRIED"]


async def test_a_full_queue_refuses_at_once_and_recovers() -> None:
    gate = Gate()
    async with Batcher(gate.run, largest=1, capacity=2) as batcher:
        first = await queued(batcher, "a")
        await gate.until_started()
        rest = await queued(batcher, "b", "c")
        with pytest.raises(Overloaded):
            await batcher.submit(["d"])
        gate.open()
        assert await asyncio.gather(*first, *rest) == [["A"], ["B"], ["C"]]
        assert await batcher.submit(["d"]) == ["D"]


async def test_closing_leaves_no_caller_waiting() -> None:
    gate = Gate()
    async with Batcher(gate.run, largest=1, capacity=9) as batcher:
        running, waiting = await queued(batcher, "a", "b")
        await gate.until_started()
        gate.open()
    outcomes = await asyncio.gather(running, waiting, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) or outcome in (["A"], ["B"]) for outcome in outcomes)


async def test_several_threads_share_what_waits() -> None:
    gate = Gate()
    async with Batcher(gate.run, largest=8, capacity=100, threads=2) as batcher:
        tasks = await queued(batcher, *"abcdef")
        await gate.until_started()
        await gate.until_started()
        gate.open()
        assert await asyncio.gather(*tasks) == [[letter] for letter in "ABCDEF"]
    assert sorted(gate.batches) == [["a", "b", "c"], ["d", "e", "f"]]


async def test_one_text_keeps_one_thread_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    gate.open()
    handed: list[object] = []
    loop = asyncio.get_running_loop()
    hand = loop.run_in_executor

    def counted(*call: Any) -> asyncio.Future[Any]:
        handed.append(call)
        return hand(*call)

    async with Batcher(gate.run, largest=8, capacity=100, threads=4) as batcher:
        monkeypatch.setattr(loop, "run_in_executor", counted)
        for text in "abc":
            await batcher.submit([text])
        monkeypatch.undo()
    assert len(handed) == 3
