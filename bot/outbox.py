"""Sends what the journal holds for the providers: in order within a conversation, conversations side by side.

The journal is the queue. A delivery is claimed for one process, called, and settled. A crash leaves a claim, which
another process takes over once it has run out. What a failed call means, the channel says; what follows, this file.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import uuid4

from bot import metrics
from bot.channels.connector import Connector
from bot.channels.verdict import Call, Fate, Verdict
from bot.journal.deliveries import Claimant
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.journal.values import Delivery, DeliveryState, Settled
from bot.pacing import Pacing
from bot.sending import Sender

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
"""How often the outbox looks by itself: for what other processes left, and what is due again."""
COUNT_SECONDS = 10.0
MARGIN_SECONDS = 20.0
"""A claim outlives its calls' deadline by so much: time to store what came of it."""
FACTOR, LONGEST_PAUSE = 3.0, 900.0
REFUSED_SECONDS = 60.0
"""For how long an account that its provider refuses is left alone."""


@dataclass(frozen=True, slots=True)
class Patience:
    at_once: int
    """Calls under way at the same time."""
    seconds: float
    """A call's deadline."""
    age: float
    """Seconds after which a delivery is given up."""
    first_pause: float = 1.0

    def pause(self, attempts: int, asked: float | None) -> float:
        """Longer each time, and never what others wait: those that failed together should not come back together."""
        grown = min(LONGEST_PAUSE, self.first_pause * FACTOR ** min(attempts - 1, 20))
        jitter = random.random()  # noqa: S311  no secret
        return max(grown * (0.5 + jitter / 2), (asked or 0.0) * (1 + jitter / 10))


class Outbox:
    """Open between `start` and `close`."""

    def __init__(
        self,
        journal: Journal,
        sender: Sender,
        connectors: Mapping[str, Connector],
        patience: Patience,
        *,
        pacing: Pacing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._journal, self._sender, self._connectors = journal, sender, connectors
        self._patience, self._pacing, self._clock = patience, pacing, clock
        self._claimant = Claimant(
            uuid4().hex, tuple(connectors), patience.seconds + MARGIN_SECONDS, max(patience.age, LONGEST_PAUSE * 2)
        )
        self._under_way: dict[int, asyncio.Task[None]] = {}
        self._busy = Counter[str]()
        """Calls under way, by channel."""
        self._woken = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._closing = self._unsure = False
        self._counted = 0.0

    def start(self) -> None:
        if self._connectors:
            self._journal.on_delivery = self.wake
            self._loop = asyncio.create_task(self._run(), name="outbox")

    def wake(self) -> None:
        """Something was committed that has to be sent, or there is room for more."""
        self._woken.set()

    async def close(self, grace: float) -> None:
        """Calls under way may end, for at most `grace` seconds; what is left stays in the journal."""
        self._closing = True
        self.wake()
        if self._loop:
            await self._loop
        tasks = list(self._under_way.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- what is due

    async def _run(self) -> None:
        while not self._closing:
            self._woken.clear()
            try:
                await self._take_up()
                await self._count()
            except Unavailable as away:
                log.warning("the outbox found no database: %s", away)
            except Exception:
                log.exception("the outbox stumbled")
            with suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):
                    await self._woken.wait()

    async def _take_up(self) -> None:
        if self._unsure:
            await self._journal.unclaim(self._claimant, tuple(self._under_way))
            self._unsure = False
        while await self._take_some():
            pass

    async def _take_some(self) -> bool:
        """Whether there may be more, and room for it."""
        rooms = {channel: room for channel in self._pacing.open(self._connectors) if (room := self._room(channel)) > 0}
        claimant = replace(self._claimant, channels=tuple(rooms))
        if not rooms or not await self._journal.any_due(claimant):
            return False
        until, most = self._clock() + self._claimant.seconds, min(rooms.values())
        self._unsure = True  # until the answer is here: a claim whose answer is lost would wait for nothing
        claimed = await self._journal.claim(claimant, most)
        self._unsure = False
        for delivery in claimed:
            self._busy[delivery.channel] += 1
            task = asyncio.create_task(self._deliver(delivery, until), name=f"delivery {delivery.id}")
            self._under_way[delivery.id] = task
        return len(claimed) == most

    def _room(self, channel: str) -> int:
        """For how many more calls of it. A channel has at most half of what the others leave: one whose provider does
        not answer must not hold up all."""
        others = len(self._under_way) - self._busy[channel]
        left = self._patience.at_once - others
        return (left if len(self._connectors) == 1 else (left + 1) // 2) - self._busy[channel]

    async def _count(self) -> None:
        if time.monotonic() - self._counted < COUNT_SECONDS:
            return
        self._counted = time.monotonic()
        for state, number in (await self._journal.delivery_counts()).items():
            metrics.DELIVERIES_OPEN.labels(state.value).set(number)

    # -- one delivery

    async def _deliver(self, delivery: Delivery, until: float) -> None:
        try:
            await self._attempt(delivery, until)
        except Exception:
            log.exception("delivery %s is left to be taken over", delivery.id)
        finally:
            del self._under_way[delivery.id]
            self._busy[delivery.channel] -= 1
            self.wake()

    async def _attempt(self, delivery: Delivery, until: float) -> None:
        try:
            calls = self._rendered(delivery)[delivery.parts :]
        except _Closed:
            await self._settle(delivery, until, _left(delivery, DeliveryState.GIVEN_UP, _CLOSED))
        except Exception:
            log.exception("delivery %s cannot be rendered", delivery.id)
            error = "It cannot be put into the channel's form; the log says why."
            await self._settle(delivery, until, _left(delivery, DeliveryState.GIVEN_UP, error))
        else:
            if delivery.doubt and calls and not calls[0].repeatable:
                error = "The server stopped while it sent this; it may have arrived."
                await self._settle(delivery, until, _left(delivery, DeliveryState.UNKNOWN, error))
            else:
                await self._send(delivery, until, calls)

    def _rendered(self, delivery: Delivery) -> tuple[Call, ...]:
        """Raises _Closed where the channel takes nothing any more."""
        connector = self._connectors[delivery.channel]
        window, heard_at = connector.capabilities.window, delivery.heard_at
        if window is None or heard_at is None or self._clock() - heard_at < window:
            return connector.render(delivery)
        if calls := connector.render_late(delivery):
            return calls
        raise _Closed

    async def _send(self, delivery: Delivery, until: float, calls: tuple[Call, ...]) -> None:
        """The calls that are left. Each one that arrived is stored before the next one leaves."""
        for left in range(len(calls), 0, -1):
            call = calls[-left]
            if wait := await self._wait(delivery):
                await self._settle(delivery, until, self._later(delivery, wait))
                return
            verdict = await self._call(delivery, call, until)
            if verdict is None:
                late = replace(_left(delivery, DeliveryState.WAITING, delivery.error), due_at=self._clock())
                await self._settle(delivery, until, late)
                return
            if verdict.fate is not Fate.ARRIVED:
                await self._settle(delivery, until, self._after(delivery, call, verdict))
                return
            ids = (*delivery.provider_ids, *([verdict.provider_id] if verdict.provider_id else []))
            delivery = replace(delivery, parts=delivery.parts + 1, provider_ids=ids, doubt=False, error=None)
            if left > 1 and not await self._settle(delivery, until, _left(delivery, DeliveryState.WAITING, None)):
                return
            until = self._clock() + self._claimant.seconds
        await self._settle(delivery, until, _left(delivery, DeliveryState.DELIVERED, None))

    async def _wait(self, delivery: Delivery) -> float:
        capabilities = self._connectors[delivery.channel].capabilities
        return await self._pacing.wait(delivery.channel, capabilities, delivery.entry.conversation_id)

    def _later(self, delivery: Delivery, seconds: float) -> Settled:
        """Its turn has not come: the channel is used as fast as it may be."""
        asyncio.get_running_loop().call_later(seconds, self.wake)
        left = _left(delivery, DeliveryState.WAITING, delivery.error)
        return replace(left, due_at=self._clock() + seconds, tried=False)

    async def _call(self, delivery: Delivery, call: Call, until: float) -> Verdict | None:
        """None if the claim has all but run out (the process was stopped, say): somebody else may be sending."""
        for last in (False, True):
            if self._clock() > until - self._patience.seconds:
                return None
            verdict = await self._sender.send(self._connectors[delivery.channel], call, delivery.key)
            if verdict.fate is not Fate.EXPIRED or last:
                return verdict
        return None

    def _after(self, delivery: Delivery, call: Call, verdict: Verdict) -> Settled:
        """What follows a call that failed: another one, or a dead letter."""
        doubt = delivery.doubt or verdict.fate is Fate.AMBIGUOUS
        again = verdict.fate in _LATER or (verdict.fate is Fate.AMBIGUOUS and call.repeatable)
        now, end = self._clock(), delivery.offered_at + self._patience.age
        if again and now < end:
            pause = self._patience.pause(delivery.attempts, verdict.after)
            self._hold(delivery, verdict, pause)
            left = _left(delivery, DeliveryState.WAITING, verdict.error)
            return replace(left, due_at=min(end, now + pause), doubt=doubt)
        state = DeliveryState.UNKNOWN if doubt else DeliveryState.GIVEN_UP
        return replace(_left(delivery, state, verdict.error), key=delivery.key)

    def _hold(self, delivery: Delivery, verdict: Verdict, pause: float) -> None:
        """What one call met, the account's others would meet too. The conversation's wait for this one anyhow."""
        channel = delivery.channel
        if verdict.fate in (Fate.REFUSED, Fate.EXPIRED):
            log.error("channel %s: its provider refuses the account: %s", channel, verdict.error)
            self._pacing.hold(channel, REFUSED_SECONDS)
        elif verdict.account:
            self._pacing.hold(channel, pause)
        elif verdict.account is None:
            self._pacing.asked(channel, delivery.entry.conversation_id, pause)

    async def _settle(self, delivery: Delivery, until: float, settled: Settled) -> bool:
        """Stores what came of it, however often the database has to be asked while the claim lasts."""
        while True:
            try:
                ours = await self._journal.settle(delivery.id, self._claimant, settled)
                break
            except Unavailable as away:
                if self._clock() + away.retry_after > until:
                    raise
                await asyncio.sleep(away.retry_after)
        if ours:
            self._tell(delivery, settled)
        return ours

    def _tell(self, delivery: Delivery, settled: Settled) -> None:
        if settled.state is DeliveryState.WAITING and (settled.due_at is None or not settled.tried):
            return  # a part of it, or nothing yet
        outcome = "retry" if settled.state is DeliveryState.WAITING else settled.state.value
        metrics.DELIVERIES.labels(delivery.channel, outcome).inc()
        if settled.state is DeliveryState.DELIVERED:
            metrics.DELIVERY_SECONDS.labels(delivery.channel).observe(max(0.0, self._clock() - delivery.offered_at))
        elif settled.state is not DeliveryState.WAITING:
            log.error("delivery %s on %s is a dead letter: %s", delivery.id, delivery.channel, settled.error)


_LATER = (Fate.RETRY, Fate.EXPIRED, Fate.REFUSED)
_CLOSED = "The customer wrote too long ago: the channel takes no answer any more."


class _Closed(Exception):
    """The channel takes nothing for this customer until they write again."""


def _left(delivery: Delivery, state: DeliveryState, error: str | None) -> Settled:
    return Settled(state, doubt=delivery.doubt, parts=delivery.parts, provider_ids=delivery.provider_ids, error=error)
