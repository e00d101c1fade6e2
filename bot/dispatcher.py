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
from bot.journal.errors import AlreadyProcessed, JournalError, OutOfOrder, StaleFence, Unavailable
from bot.journal.journal import Journal
from bot.journal.values import Accepted, Conversation, Waiting
from bot.messages import Entry, Inbound, Json, Outbound, Owner, Turn
from bot.sessions import Held, Lease, Sessions
from bot.turn import Turns

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0
_ORPHAN_SECONDS = 2.0  # an accepted message older than this that nobody works on has lost its worker
_MAX_ATTEMPTS = 3
_LEASE_TRIES = 40
_LEASE_PAUSE = 0.05
_LINGER_SECONDS = 2.0


class Busy(Exception):
    """Too many messages are waiting; nothing was accepted."""

    retry_after = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    queue_size: int
    turn_seconds: float
    apology: Outbound
    """Said when a turn took too long or failed for the last time; the conversation then waits for a person."""


@dataclass(frozen=True, slots=True)
class _Worker:
    task: asyncio.Task[None]
    news: asyncio.Event


@dataclass(slots=True)
class _Ownership:
    """A conversation in this process's hands: nobody else may commit to it under a lower fence."""

    fence: int
    state: Json
    owner: Owner


class Dispatcher:
    def __init__(self, journal: Journal, sessions: Sessions, turns: Turns, hub: Hub, bounds: Bounds) -> None:
        self._journal, self._sessions, self._turns, self._hub, self._bounds = journal, sessions, turns, hub, bounds
        self._workers: dict[str, _Worker] = {}
        self._in_hand: dict[str, set[int]] = {}
        self._sweeper: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self) -> None:
        """From now on turns are taken, those of messages that were accepted before first."""
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="sweeper")

    async def close(self, grace: float) -> None:
        """Finishes the turns under way, for at most `grace` seconds; what is left is taken up at the next start."""
        self._closing = True
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        for worker in self._workers.values():
            worker.news.set()
        tasks = [worker.task for worker in self._workers.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def receive(self, inbound: Inbound) -> Accepted:
        """Returns once the message is durably in the journal; the answer follows through the hub.

        Raises Busy or Unavailable when it is not, and IdConflict for another message under a known id.
        """
        if self._closing or self._waiting() >= self._bounds.queue_size:
            raise Busy
        started = time.monotonic()
        accepted = await self._journal.accept(inbound)
        metrics.ACCEPT_SECONDS.observe(time.monotonic() - started)
        if not accepted.duplicate:
            metrics.ACCEPTED.labels(inbound.channel).inc()
            self._in_hand.setdefault(inbound.conversation_id, set()).add(accepted.seq)
        self._wake(inbound.conversation_id)
        self._hub.grew(inbound.conversation_id)
        return accepted

    async def replies(self, conversation_id: str, seq: int, seconds: float) -> list[Entry]:
        """The replies to an accepted message, once its turn is done. Raises TimeoutError."""
        with self._hub.follow(conversation_id) as follower:
            async with asyncio.timeout(seconds):
                while any(waiting.seq <= seq for waiting in await self._journal.waiting(conversation_id)):
                    await follower.wait()
            entries = await self._journal.entries(conversation_id, after=seq)
            return [entry for entry in entries if entry.reply_to == seq]

    # -- one worker a conversation

    def _wake(self, conversation_id: str) -> None:
        if self._sweeper is None:  # its first look at the journal finds the message
            return
        if conversation_id not in self._workers:
            news = asyncio.Event()
            task = asyncio.create_task(self._work(conversation_id, news), name=f"worker {conversation_id}")
            self._workers[conversation_id] = _Worker(task, news)
        self._workers[conversation_id].news.set()

    async def _work(self, conversation_id: str, news: asyncio.Event) -> None:
        try:
            while await self._take_turns(conversation_id, news):
                pass
        except JournalError as problem:
            log.warning("a conversation is left to the sweeper: %s", problem)
        except Exception:
            log.exception("a worker stopped; its conversation is left to the sweeper")
        finally:
            del self._workers[conversation_id]
            self._in_hand.pop(conversation_id, None)  # what is left of it is another server's, or the sweeper's

    async def _take_turns(self, conversation_id: str, news: asyncio.Event) -> bool:
        """Owns the conversation while there is something to do, and a little longer: people write again.

        True when an agent or another server came between: then everything has to be read anew.
        """
        async with self._owning(conversation_id) as owned:
            try:
                while owned and await self._news(news):
                    for waiting in await self._journal.waiting(conversation_id):
                        await self._answer(waiting, owned)
            except (StaleFence, OutOfOrder):
                news.set()
                return True
        return news.is_set() and owned is not None

    async def _news(self, news: asyncio.Event) -> bool:
        try:
            async with asyncio.timeout(0 if self._closing and not news.is_set() else _LINGER_SECONDS):
                await news.wait()
        except TimeoutError:
            return False
        news.clear()
        return True

    @asynccontextmanager
    async def _owning(self, conversation_id: str) -> AsyncIterator[_Ownership | None]:
        """None when another process holds the conversation; its worker, or the sweeper, will answer.

        The lease keeps others from working in vain; the fence, raised before anything is read, keeps them from
        committing. It is the journal's, so that no two owners ever have the same one.
        """
        lease = await self._lease(conversation_id)
        if isinstance(lease, Held):
            yield None
            return
        try:
            fence = await self._journal.fence(conversation_id)
            conversation = await self._journal.conversation(conversation_id)
            assert conversation is not None
            yield _Ownership(fence, await self._state(conversation), conversation.owner)
        finally:
            if lease:
                await lease.release()

    async def _lease(self, conversation_id: str) -> Lease | Held | None:
        """None without Redis: then the journal's fence decides alone."""
        for attempt in range(_LEASE_TRIES):
            lease = await self._sessions.lease(conversation_id)
            if not isinstance(lease, Held):
                return lease
            if attempt == 0:
                await self._sessions.publish(conversation_id, 0)  # whoever has it hears of the message
            await asyncio.sleep(_LEASE_PAUSE)
        return Held()

    async def _state(self, conversation: Conversation) -> Json:
        return await self._sessions.load(conversation.id, conversation.version) or conversation.state

    async def _answer(self, waiting: Waiting, owned: _Ownership) -> None:
        conversation_id = waiting.inbound.conversation_id
        attempts = await self._journal.attempt(conversation_id, waiting.seq)
        try:
            if attempts > _MAX_ATTEMPTS:
                raise RuntimeError("the message crashed the service before")
            turn = await self._turn(waiting, owned)
            entries = await self._journal.commit(turn, owned.fence)
        except AlreadyProcessed:
            self._done(conversation_id, waiting.seq)
            return
        except JournalError:
            raise
        except Exception as failure:
            await self._give_up(waiting, owned, failure)
            return
        owned.state = dict(turn.state)
        await self._settled(turn, owned, entries)

    async def _turn(self, waiting: Waiting, owned: _Ownership) -> Turn:
        conversation_id = waiting.inbound.conversation_id
        if owned.owner is Owner.BOT:
            self._hub.signal(conversation_id, {"type": "typing", "on": True, "for": round(self._bounds.turn_seconds)})
        try:
            async with asyncio.timeout(self._bounds.turn_seconds):
                return await self._turns.take(waiting.seq, waiting.inbound, owned.state)
        finally:
            if owned.owner is Owner.BOT:
                self._hub.signal(conversation_id, {"type": "typing", "on": False})

    async def _settled(self, turn: Turn, owned: _Ownership, entries: tuple[Entry, ...]) -> None:
        conversation_id = turn.inbound.conversation_id
        self._done(conversation_id, turn.seq)
        metrics.TURNS.labels(turn.inbound.channel).inc()
        metrics.TURN_SECONDS.observe(turn.seconds)
        metrics.MODEL_SECONDS.observe(turn.model_seconds)
        if turn.owner is not owned.owner:
            owned.owner = turn.owner
            await self._owner_changed(conversation_id, turn.owner, turn.reason)
        await self._changed(conversation_id, entries[-1].seq if entries else turn.seq)
        await self._sessions.save(conversation_id, turn.seq, owned.state)

    async def _give_up(self, waiting: Waiting, owned: _Ownership, failure: Exception) -> None:
        """The message becomes a dead letter: an apology, and a person's turn."""
        kind = "timeout" if isinstance(failure, TimeoutError) else "crash"
        log.error("message %s of a conversation is given up (%s)", waiting.seq, kind, exc_info=failure)
        metrics.FAILED_TURNS.labels(kind).inc()
        conversation_id = waiting.inbound.conversation_id
        entries = await self._journal.bury(conversation_id, waiting.seq, kind, self._bounds.apology, owned.fence)
        self._done(conversation_id, waiting.seq)
        await self._owner_changed(conversation_id, Owner.QUEUE, kind)
        await self._changed(conversation_id, entries[-1].seq)
        raise StaleFence("The conversation changed hands.")

    async def _owner_changed(self, conversation_id: str, owner: Owner, reason: str | None) -> None:
        signal: Json = {"type": "owner", "owner": owner.value}
        if owner is Owner.QUEUE:
            metrics.HAND_OVERS.labels(reason or "unknown").inc()
            signal["position"] = await self._journal.queue_position(conversation_id)
        self._hub.signal(conversation_id, signal)

    async def _changed(self, conversation_id: str, seq: int) -> None:
        self._hub.grew(conversation_id)
        await self._sessions.publish(conversation_id, seq)

    def _waiting(self) -> int:
        """Messages that this process has accepted and still has to answer."""
        waiting = sum(map(len, self._in_hand.values()))
        metrics.WAITING.set(waiting)
        return waiting

    def _done(self, conversation_id: str, seq: int) -> None:
        self._in_hand.get(conversation_id, set()).discard(seq)

    # -- other processes, and what a crash left behind

    def heard(self, conversation_id: str) -> None:
        """Another process has written to the conversation."""
        self._hub.grew(conversation_id)
        if conversation_id in self._workers:
            self._workers[conversation_id].news.set()

    async def _sweep_forever(self) -> None:
        patience = 0.0 if not self._sessions.degraded else _ORPHAN_SECONDS  # at the start nobody may be at work on them
        while True:
            try:
                for conversation_id in await self._journal.orphans(time.time() - patience):
                    self._wake(conversation_id)
                patience = _ORPHAN_SECONDS
            except Unavailable as away:
                log.warning("the sweeper found no database: %s", away)
            except Exception:
                log.exception("the sweeper stumbled")
            await asyncio.sleep(_SWEEP_SECONDS)
