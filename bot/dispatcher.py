"""Gives every accepted message its turn: one at a time and in order within a conversation, side by side across them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bot import metrics
from bot.hub import Hub
from bot.journal.errors import AlreadyProcessed, StaleFence, Unavailable
from bot.journal.journal import Accepted, Conversation, Journal, Waiting
from bot.messages import Entry, Inbound, Outbound, Owner, Turn
from bot.sessions import Sessions
from bot.turn import Turns

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_ORPHAN_SECONDS = 2.0  # an accepted message older than this that nobody works on has lost its worker
_MAX_ATTEMPTS = 3
_SETTLED_TYPING_SECONDS = 10


class Busy(Exception):
    """Too many messages are waiting; nothing was accepted."""

    retry_after = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    queue_size: int
    turn_seconds: float
    apology: Outbound
    """Said when a turn crashed or took too long for the last time."""


class Dispatcher:
    def __init__(self, journal: Journal, sessions: Sessions, turns: Turns, hub: Hub, bounds: Bounds) -> None:
        self._journal, self._sessions, self._turns, self._hub, self._bounds = journal, sessions, turns, hub, bounds
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._news: set[str] = set()
        self._waiting = 0
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self) -> None:
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="sweeper")

    async def close(self, grace: float) -> None:
        """Finishes the turns under way, for at most `grace` seconds; what is left is taken up at the next start."""
        self._closing = True
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        workers = list(self._workers.values())
        if workers:
            _, late = await asyncio.wait(workers, timeout=grace)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def receive(self, inbound: Inbound) -> Accepted:
        """Returns once the message is durably in the journal; the answer follows through the hub.

        Raises Busy or Unavailable when it is not, and IdConflict for another message under a known id.
        """
        if self._closing or self._waiting >= self._bounds.queue_size:
            raise Busy
        self._waiting += 1
        try:
            accepted = await self._journal.accept(inbound)
        except BaseException:
            self._waiting -= 1
            raise
        if accepted.duplicate:
            self._waiting -= 1
        else:
            metrics.ACCEPTED.labels(inbound.channel).inc()
            self._changed(inbound.conversation_id, accepted.seq)
        self._wake(inbound.conversation_id)
        return accepted

    async def replies(self, conversation_id: str, seq: int, seconds: float) -> list[Entry]:
        """The replies to an accepted message, once its turn is done. Raises TimeoutError."""
        with self._hub.follow(conversation_id) as follower:
            async with asyncio.timeout(seconds):
                while True:
                    conversation = await self._journal.conversation(conversation_id)
                    if conversation and conversation.version >= seq:
                        entries = await self._journal.entries(conversation_id, after=seq)
                        return [entry for entry in entries if entry.reply_to == seq]
                    await follower.wait()

    def _wake(self, conversation_id: str) -> None:
        self._news.add(conversation_id)
        if conversation_id not in self._workers:
            worker = asyncio.create_task(self._work(conversation_id), name=f"worker {conversation_id}")
            self._workers[conversation_id] = worker

    async def _work(self, conversation_id: str) -> None:
        try:
            async with self._owning(conversation_id) as fence:
                while fence is not None and conversation_id in self._news:
                    self._news.discard(conversation_id)
                    for waiting in await self._journal.waiting(conversation_id):
                        await self._answer(waiting, fence)
        except (Unavailable, StaleFence) as problem:
            log.warning("conversation %s is left to the sweeper: %s", conversation_id, type(problem).__name__)
        except Exception:
            log.exception("worker of conversation %s stopped", conversation_id)
        finally:
            del self._workers[conversation_id]
            if conversation_id in self._news and not self._closing:
                self._news.discard(conversation_id)

    @asynccontextmanager
    async def _owning(self, conversation_id: str) -> AsyncIterator[int | None]:
        """The fence under which this process may commit to the conversation; None when another process owns it."""
        conversation = await self._journal.conversation(conversation_id)
        floor = conversation.fence if conversation else 0
        lease = await self._sessions.lease(conversation_id, floor)
        if lease is None and self._sessions.degraded:
            yield await self._journal.fence(conversation_id)
            return
        if lease is None:
            yield None
            return
        try:
            yield lease.fence
        finally:
            await self._sessions.release(lease)

    async def _answer(self, waiting: Waiting, fence: int) -> None:
        inbound = waiting.inbound
        self._waiting = max(0, self._waiting - 1)
        attempts = await self._journal.attempt(inbound.conversation_id, waiting.seq)
        if attempts > _MAX_ATTEMPTS:
            await self._bury(waiting, fence, "crashed")
            return
        self._hub.signal(inbound.conversation_id, {"type": "typing", "on": True, "for": _SETTLED_TYPING_SECONDS})
        try:
            turn = await self._take(waiting)
            entries = await self._journal.commit(turn, fence)
        except AlreadyProcessed:
            return
        except (Unavailable, StaleFence, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("turn %s of conversation %s failed", waiting.seq, inbound.conversation_id)
            await self._bury(waiting, fence, "failed")
            return
        finally:
            self._hub.signal(inbound.conversation_id, {"type": "typing", "on": False})
        metrics.TURN_SECONDS.observe(turn.seconds)
        await self._sessions.save(inbound.conversation_id, waiting.seq, dict(turn.state))
        self._changed(inbound.conversation_id, entries[-1].seq if entries else waiting.seq)
