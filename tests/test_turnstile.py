"""One turn a round of the event loop, in the order of arrival."""

from __future__ import annotations

import asyncio

from bot.turnstile import Turnstile


async def test_who_comes_first_goes_first_and_the_event_loop_looks_around_in_between() -> None:
    turnstile, rounds = Turnstile(), [0]
    passed: list[tuple[int, int]] = []

    async def look_around() -> None:
        while len(passed) < 20:
            rounds[0] += 1
            await asyncio.sleep(0)

    async def turn(number: int) -> None:
        await turnstile.enter()
        passed.append((number, rounds[0]))

    async with asyncio.TaskGroup() as group:
        group.create_task(look_around())
        for number in range(20):
            group.create_task(turn(number))

    assert [number for number, _ in passed] == list(range(20))
    assert len({when for _, when in passed}) == 20


async def test_alone_nobody_waits() -> None:
    turnstile = Turnstile()
    for _ in range(3):
        entering = asyncio.ensure_future(turnstile.enter())
        await asyncio.sleep(0)
        assert entering.done()
        await asyncio.sleep(0)


async def test_who_gives_up_holds_up_nobody() -> None:
    turnstile = Turnstile()
    first, second, third = (asyncio.ensure_future(turnstile.enter()) for _ in range(3))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait_for(third, 60)
    assert first.done()
    await turnstile.enter()
