"""Requests that go out together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bot.gathering import Gathering


class Far:
    """Doubles numbers, one exchange at a time, each held until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Semaphore(0)

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        await self.go.acquire()
        if 13 in numbers:
            raise ConnectionError
        return [ValueError(n) if n < 0 else 2 * n for n in numbers]


async def test_what_comes_while_an_exchange_runs_goes_out_with_the_next_one() -> None:
    far = Far()
    gathering: Gathering[int, int] = Gathering(far)
    first = [gathering.put(n) for n in (1, 2)]
    await asyncio.sleep(0)
    later = [gathering.put(n) for n in (3, 4)]
    for _ in range(2):
        far.go.release()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8]
    assert far.batches == [[1, 2], [3, 4]]


async def test_exchanges_are_as_large_and_as_many_as_asked() -> None:
    far = Far()
    gathering: Gathering[int, int] = Gathering(far, largest=2, at_once=2)
    answers = [gathering.put(n) for n in (1, 2, 3)]
    await asyncio.sleep(0)
    answers += [gathering.put(n) for n in (4, 5, 6)]
    await asyncio.sleep(0)
    assert far.batches == [[1, 2], [3]]
    for _ in range(4):
        far.go.release()
    assert await asyncio.gather(*answers) == [2, 4, 6, 8, 10, 12]
    assert far.batches == [[1, 2], [3], [4, 5], [6]]


async def test_each_gets_its_own_error_and_a_broken_exchange_is_everybodys() -> None:
    far = Far()
    gathering: Gathering[int, int] = Gathering(far)
    good, bad = gathering.put(1), gathering.put(-1)
    far.go.release()
    assert await good == 2
    with pytest.raises(ValueError, match="-1"):
        await bad
    both = [gathering.put(13), gathering.put(1)]
    far.go.release()
    for one in both:
        with pytest.raises(ConnectionError):
            await one


async def test_who_gives_up_disturbs_nobody() -> None:
    far = Far()
    gathering: Gathering[int, int] = Gathering(far)
    patient, impatient = gathering.put(1), gathering.put(2)
    await asyncio.sleep(0)
    impatient.cancel()
    far.go.release()
    assert await patient == 2
    await gathering.finish()
    assert far.batches == [[1, 2]]


async def test_finish_waits_for_all_that_was_put() -> None:
    far = Far()
    gathering: Gathering[int, int] = Gathering(far)
    answer = gathering.put(1)
    finishing = asyncio.create_task(gathering.finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    far.go.release()
    await finishing
    assert answer.result() == 2
