"""T1, T6: what arrives, and when, at clients that lose their connection again and again; the server is killed once.

Fifty conversations, each followed by ten clients and written to by one more: two entries a second. Each of the 500
followers is torn off eight times for two seconds. What it was shown is compared with the log.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from random import Random
from typing import Any

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import CONNECT_SECONDS, TEXT
from benchmarks.transport.stage import SEED, stage
from tests.chaos.client import Client, Json, Manners, open_session
from tests.chaos.world import World

CONVERSATIONS, FOLLOWERS = 50, 10
SECONDS = 60.0
DROPS, AWAY = 8, 2.0
SETTLE_SECONDS = 30.0
SPEAKER = Manners(keep=False, window=100)

FIGURES = (
    Figure("T1", "delivered", "delivered to 500 clients, 8 drops of 2 s each, one kill -9", 100, "%", True, 3),
    Figure("T1", "odd", "entries shown twice, out of order or with a gap", 0, "", digits=0),
    Figure("T6", "p50", "from commit to arrival, drops included, p50", 50, "ms"),
    Figure("T6", "p99", "from commit to arrival, drops included, p99", 3000, "ms", digits=0),
    Figure("T6", "deliveries", "deliveries measured", None, "", True, 0),
)


class _Audience:
    """The followers, and what they saw."""

    def __init__(self) -> None:
        self.speakers: list[Client] = []
        self.followers: list[Client] = []
        self.late: list[float] = []
        self.odd = 0

    def watch(self, what: str, client: Client, **fields: Any) -> None:
        if what == "entry":
            self.late.append(time.time() - fields["entry"]["at"])
        elif what in ("gap", "changed", "odd", "epoch"):
            self.odd += 1

    async def gather(self, stack: AsyncExitStack, url: str, conversations: int) -> None:
        session = await stack.enter_async_context(open_session())
        for _ in range(conversations):
            speaker = await stack.enter_async_context(Client(session, url, manners=SPEAKER))
            await _connected(speaker)
            self.speakers.append(speaker)
            fresh = [Client(session, url, watch=self.watch, token=speaker.token) for _ in range(FOLLOWERS)]
            for follower in fresh:
                self.followers.append(await stack.enter_async_context(follower))
            await asyncio.gather(*map(_connected, fresh))

    async def lose_connections(self, seconds: float, rng: Random) -> None:
        """Each of them at moments of its own."""
        drops = max(1, round(DROPS * seconds / SECONDS))
        share = seconds / drops

        async def lose(follower: Client, moments: list[float]) -> None:
            began = time.monotonic()
            for moment in moments:
                await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
                follower.cut(AWAY)

        async with asyncio.TaskGroup() as group:
            for follower in self.followers:
                moments = [share * (n + 0.6 * rng.random()) for n in range(drops)]
                group.create_task(lose(follower, moments))

    async def speak(self, seconds: float) -> None:
        """One message a second in each conversation, evenly spread."""
        began, count = time.monotonic(), int(len(self.speakers) * seconds)
        for n in range(count):
            await asyncio.sleep(max(0.0, began + n / len(self.speakers) - time.monotonic()))
            self.speakers[n % len(self.speakers)].say(TEXT)

    async def settle(self) -> None:
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                for speaker in self.speakers:
                    await speaker.until(lambda speaker=speaker: _answered(speaker))  # type: ignore[misc]  # bound now
                for number, follower in enumerate(self.followers):
                    newest = self.speakers[number // FOLLOWERS]
                    await follower.until(
                        lambda follower=follower, newest=newest: follower.last_seq >= newest.last_seq  # type: ignore[misc]  # bound now
                    )
        except TimeoutError:
            return  # what is missing is counted

    async def delivered(self) -> float:
        """Percent of the log's entries that the followers were shown."""
        there = shown = 0
        for number, speaker in enumerate(self.speakers):
            log = [_what(entry) for entry in await speaker.history()]
            for follower in self.followers[number * FOLLOWERS : (number + 1) * FOLLOWERS]:
                seen = {_what(entry) for entry in follower.entries}
                there += len(log)
                shown += sum(entry in seen for entry in log)
        return 100 * shown / there


def _what(entry: Json) -> tuple[int, str, int | None, str]:
    return entry["seq"], entry["author"], entry["reply_to"], entry["text"]


def _answered(speaker: Client) -> bool:
    return not speaker.unacknowledged and speaker.last_seq == 2 * len(speaker.messages)


async def _connected(client: Client) -> None:
    async with asyncio.timeout(CONNECT_SECONDS):
        await client.until(lambda: client.connected)


async def _kill(it: World, after: float) -> None:
    await asyncio.sleep(after)
    await it.servers[0].kill()


async def measure(scale: float) -> Measured:
    seconds, audience = max(8.0, SECONDS * scale), _Audience()
    async with stage() as it, AsyncExitStack() as stack:
        await audience.gather(stack, it.url, max(2, int(CONVERSATIONS * scale)))
        async with asyncio.TaskGroup() as group:
            group.create_task(audience.speak(seconds))
            group.create_task(audience.lose_connections(seconds, Random(SEED)))
            group.create_task(_kill(it, seconds / 2))
        await audience.settle()
        return {
            "delivered": await audience.delivered(),
            "odd": audience.odd,
            "p50": milliseconds(audience.late, 50),
            "p99": milliseconds(audience.late, 99),
            "deliveries": len(audience.late),
        }
