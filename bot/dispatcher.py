"""Gives every accepted message its turn: one at a time and in order within a conversation, side by side across them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from bot import metrics
from bot.admission import Admission, Busy
from bot.dialogue.tracker import Tracker
from bot.fanout import LEFT, Fanout
from bot.hub import Follower, Signal
from bot.journal.errors import AlreadyProcessed, JournalError, NotFound, OutOfOrder, StaleFence, Unavailable
from bot.journal.journal import Journal
from bot.journal.values import Accepted, Backlog, Passing, Waiting
from bot.line import Line
from bot.messages import Entry, Event, Inbound, Outbound, Owner, Turn
from bot.ownership import Claim, Owners, Ownership
from bot.places import Place
from bot.sessions import Sessions
from bot.sweeper import Sweeper
from bot.turn import Turns

log = logging.getLogger(__name__)

_CRASHES = 3
_CLAIM_SECONDS = 3.0  # longer than a lease lives: a dead owner's is taken over
_CLAIM_PAUSE = 0.05
_LINGER_SECONDS = 2.0
_PATIENT_PLACES = 16
_TYPING_AFTER = 0.2  # an answer that is there at once needs no dots


During = Callable[[Inbound, Owner], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Bounds:
    queue_size: int
    backlog: int
    """The same of messages that can wait."""
    conversation_backlog: int
    """The same of one conversation's."""
    turn_seconds: float
    apology: Outbound
    """Said when a turn took too long or failed for the last time; the conversation then waits for a person."""
    crowded: Outbound
    """Said once when a conversation's last messages alone get an answer, because they are too many."""


@dataclass(slots=True)
class _Worker:
    line: Line
    place: Place
    """Had before the conversation is claimed, because claims cost something, until the message is answered."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    told: bool = False
    """The customer knows that they write more than is answered."""
    task: asyncio.Task[None] | None = None


class Dispatcher:
    def __init__(
        self,
        journal: Journal,
        sessions: Sessions,
        turns: Turns,
        fanout: Fanout,
        bounds: Bounds,
        *,
        during: During = lambda _, __: nullcontext(),
        patient: Collection[str] = (),
    ) -> None:
        """`during` is entered for the time of each turn, with the message and who has the conversation. `patient` are
        the channels whose customers do not look at a screen that waits for an answer."""
        self._during = during
        self._journal, self._sessions, self._turns, self._fanout = journal, sessions, turns, fanout
        self._owners = Owners(journal, sessions)
        self._bounds = bounds
        self._workers: dict[str, _Worker] = {}
        self._sweeping: list[asyncio.Task[None]] = []
        self._closing = False
        self._patient = frozenset(patient)
        self._patient_places = asyncio.Semaphore(_PATIENT_PLACES)
        self._admission = Admission(bounds.queue_size, bounds.backlog, bounds.conversation_backlog)

    async def start(self) -> None:
        """From now on turns are taken, those of messages that were accepted before first."""
        sweeper = Sweeper(self._journal, self._sessions, self._fanout, self._look_at, self._workers)
        for work in (sweeper.find_orphans(), sweeper.tell_untold(), self._count()):
            self._sweeping.append(asyncio.create_task(work, name="sweeper"))
        for conversation_id in self._workers:
            self._wake(conversation_id)

    async def close(self, grace: float) -> None:
        """Finishes the turns under way, for at most `grace` seconds; what is left the other servers hear of, or the
        next start finds it."""
        self._closing = True
        for task in self._sweeping:
            task.cancel()
        await asyncio.gather(*self._sweeping, return_exceptions=True)
        for worker in self._workers.values():
            worker.news.set()
        tasks = [worker.task for worker in self._workers.values() if worker.task]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for conversation_id in self._workers:  # their turns had not begun: the model was not there yet
            self._fanout.left(conversation_id)

    async def receive(self, inbound: Inbound) -> Accepted:
        """Returns once the message is durably in the journal; the answer follows through the hub.

        Raises Busy or Unavailable when it is not, and IdConflict for another message under a known id.
        """
        if self._closing:
            raise Busy
        started = time.monotonic()
        with self._entering(inbound):
            accepted = await self._journal.accept(inbound)
        metrics.ACCEPT_SECONDS.observe(time.monotonic() - started)
        if accepted.duplicate:
            self._look_at(accepted.inbound.conversation_id)
        else:
            metrics.ACCEPTED.labels(inbound.channel).inc()
            self._take_on(accepted)
        return accepted

    def _entering(self, inbound: Inbound) -> AbstractContextManager[None]:
        if inbound.channel in self._patient:
            return self._admission.entering_patient()
        worker = self._workers.get(inbound.conversation_id)
        return self._admission.entering(inbound.conversation_id, len(worker.line) if worker else 0)

    async def replies(self, accepted: Accepted, seconds: float) -> list[Entry]:
        """The replies to an accepted message, once its turn is done. Raises TimeoutError."""
        conversation_id, seq = accepted.entry.conversation_id, accepted.seq
        follower = Follower()
        follower.news.grown = accepted.duplicate
        with self._fanout.hub.follow(conversation_id, follower):
            async with asyncio.timeout(seconds):
                found: list[Entry] = []
                while True:
                    news = await follower.wait()
                    found += [entry for entry in news.entries if entry.reply_to == seq]
                    if news.grown and not await self._waits(conversation_id, seq):
                        entries = await self._journal.entries(conversation_id, after=seq)
                        return [entry for entry in entries if entry.reply_to == seq]
                    if news.answered >= seq:
                        return found

    async def _waits(self, conversation_id: str, seq: int) -> bool:
        return any(waiting.seq <= seq for waiting in await self._journal.waiting(conversation_id))

    # -- one worker a conversation

    def _take_on(self, accepted: Accepted) -> None:
        """The message goes from hand to hand: nobody has to read it back."""
        conversation_id = accepted.inbound.conversation_id
        self._worker(conversation_id).line.accepted(Waiting(accepted.seq, accepted.inbound))
        self._wake(conversation_id)
        self._fanout.hub.grew(conversation_id, [accepted.entry])

    def _look_at(self, conversation_id: str) -> None:
        """There may be messages in the journal that another process accepted."""
        self._worker(conversation_id).line.unsure = True
        self._wake(conversation_id)

    def _worker(self, conversation_id: str) -> _Worker:
        if conversation_id not in self._workers:
            self._workers[conversation_id] = self._new_worker(conversation_id.partition("-")[0])
        return self._workers[conversation_id]

    def _new_worker(self, channel: str) -> _Worker:
        if channel in self._patient:
            return _Worker(
                Line(self._admission.patient, self._bounds.conversation_backlog), Place(self._patient_places)
            )
        return _Worker(Line(self._admission.tally), Place())

    def _wake(self, conversation_id: str) -> None:
        worker = self._worker(conversation_id)
        worker.news.set()
        if worker.task is None and self._sweeping and not self._closing:
            worker.task = asyncio.create_task(self._work(conversation_id, worker), name=f"worker {conversation_id}")

    async def _work(self, conversation_id: str, worker: _Worker) -> None:
        try:
            while await self._go_on(conversation_id, worker):
                pass
        except Exception:
            log.exception("a worker stopped; its conversation is left to the sweeper")
        finally:
            del self._workers[conversation_id]  # what is left of it is another server's, or the sweeper's
            if self._closing and worker.line:
                self._fanout.left(conversation_id)
            worker.line.leave()

    async def _go_on(self, conversation_id: str, worker: _Worker) -> bool:
        """False when there is nothing to do any more, or another process does it."""
        try:
            async with worker.place:
                return await self._take_turns(conversation_id, worker)
        except (StaleFence, OutOfOrder):  # an agent or another server came between: everything is read anew
            again = True
        except NotFound:  # it was erased
            return False
        except Unavailable as away:
            log.warning("a conversation waits for the database: %s", away)
            await asyncio.sleep(away.retry_after)
            again = not self._closing
        worker.line.unsure = True
        worker.news.set()
        return again

    async def _take_turns(self, conversation_id: str, worker: _Worker) -> bool:
        """Owns the conversation while there is something to do, and a little longer: people write again."""
        claim = await self._claim(conversation_id, worker)
        if claim is None:
            return False
        async with self._owners.owning(claim) as owned:
            worker.line.begin(owned.settled)
            worker.news.set()
            while await self._news(worker.news, _LINGER_SECONDS):
                if not await self._answer_all(conversation_id, worker, owned):
                    worker.news.set()
                    break
        return worker.news.is_set()

    async def _answer_all(self, conversation_id: str, worker: _Worker, owned: Ownership) -> bool:
        """False if there is more, and others are first: who writes on and on is no reason to wait."""
        while waiting := await self._next(conversation_id, worker, owned):
            if worker.place.is_far:
                return False
            await worker.place.take()
            await self._answer(waiting, owned, worker.line)
            worker.place.leave()
        worker.place.leave()
        worker.told = False
        return True

    async def _news(self, news: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(0 if self._closing and not news.is_set() else seconds):
                await news.wait()
        except TimeoutError:
            return False
        news.clear()
        return True

    async def _next(self, conversation_id: str, worker: _Worker, owned: Ownership) -> Waiting | None:
        waiting = worker.line.next()
        if waiting is None and (backlog := await self._read(conversation_id, worker.line)):
            if backlog.over:
                await self._pass_over(conversation_id, backlog.over, worker, owned)
            waiting = worker.line.next()
        return waiting

    async def _pass_over(self, conversation_id: str, upto: int, worker: _Worker, owned: Ownership) -> None:
        """One customer's flood: the last messages are answered, and those before them stay in the log alone."""
        notice = self._bounds.crowded if owned.owner is Owner.BOT and not worker.told else None
        passed = await self._journal.pass_over(Passing(conversation_id, upto, owned.fence, notice))
        metrics.PASSED_OVER.labels(conversation_id.partition("-")[0]).inc(passed.count)
        for entry in passed.written.entries:
            worker.told = True
            worker.line.settle(entry.seq, entry.seq)
        self._fanout.grew(conversation_id, passed.written.entries, upto)

    async def _read(self, conversation_id: str, line: Line) -> Backlog | None:
        """None if the journal had not to be asked."""
        if not line.unsure:
            return None
        backlog = await self._journal.backlog(conversation_id, line.most)
        line.read(backlog)
        return backlog

    async def _claim(self, conversation_id: str, worker: _Worker) -> Claim | None:
        """None if another process answers, or has: it was told, and the sweeper looks after it."""
        until, told = time.monotonic() + _CLAIM_SECONDS, False
        while time.monotonic() < until and not self._closing:
            claim = await self._owners.claim(conversation_id)
            if claim:
                return claim
            worker.place.leave()
            if await self._read(conversation_id, worker.line) is not None and not worker.line:
                break
            if not told:
                self._fanout.wake(conversation_id)  # whoever has it hears of the message
            told = not await self._news(worker.news, _CLAIM_PAUSE)
        if worker.line and not told:  # of what came in the last pause
            self._fanout.wake(conversation_id)
        return None

    async def _answer(self, waiting: Waiting, owned: Ownership, line: Line) -> None:
        conversation_id = waiting.inbound.conversation_id
        counted = line.take_up(waiting.seq)
        try:
            if counted:
                await self._count_crash(conversation_id, waiting.seq)
            turn, tracker = await self._turn(waiting, owned)
            entries = await self._journal.commit(turn, owned.fence)
        except AlreadyProcessed:
            line.settle(waiting.seq, waiting.seq)
            return
        except (StaleFence, OutOfOrder, asyncio.CancelledError):  # overtaken, or the server stops
            if counted:
                await self._journal.forgive(conversation_id, waiting.seq)
            raise
        except JournalError:
            raise
        except Exception as failure:
            await self._give_up(waiting, owned, failure, line)
            return
        owned.tracker = tracker
        await self._settled(turn, owned, entries, line)

    async def _count_crash(self, conversation_id: str, seq: int) -> None:
        """Another process accepted the message and did not answer it: it may have crashed on it."""
        if await self._journal.attempt(conversation_id, seq) >= _CRASHES:
            raise RuntimeError("the message crashed the service before")

    async def _turn(self, waiting: Waiting, owned: Ownership) -> tuple[Turn, Tracker]:
        inbound = waiting.inbound
        with self._typing(inbound.conversation_id, owned.owner), self._during(inbound, owned.owner):
            async with asyncio.timeout(self._bounds.turn_seconds):
                return await self._turns.take(waiting.seq, inbound, owned.tracker, owned.fence)

    @contextmanager
    def _typing(self, conversation_id: str, owner: Owner) -> Iterator[None]:
        if owner is not Owner.BOT:
            yield
            return
        on: Signal = {"type": "typing", "on": True, "for": round(self._bounds.turn_seconds)}
        loop = asyncio.get_running_loop()
        timer = loop.call_later(_TYPING_AFTER, self._fanout.signal, conversation_id, on)
        try:
            yield
        finally:
            timer.cancel()
            if loop.time() >= timer.when():
                self._fanout.signal(conversation_id, {"type": "typing", "on": False})

    async def _settled(self, turn: Turn, owned: Ownership, entries: tuple[Entry, ...], line: Line) -> None:
        conversation_id = turn.inbound.conversation_id
        metrics.TURNS.labels(turn.inbound.channel).inc()
        metrics.TURN_SECONDS.observe(turn.seconds)
        metrics.MODEL_SECONDS.observe(turn.model_seconds)
        if turn.owner is not owned.owner:
            owned.owner = turn.owner
            await self._owner_changed(conversation_id, turn.owner, turn.reason)
        self._answered(conversation_id, turn.seq, entries, line)
        self._sessions.save(conversation_id, turn.seq, turn.state)

    def _answered(self, conversation_id: str, seq: int, entries: tuple[Entry, ...], line: Line) -> None:
        line.settle(seq, seq)
        if entries:
            line.settle(entries[0].seq, entries[-1].seq)
        self._admission.answered()
        self._fanout.grew(conversation_id, entries, seq)

    async def _give_up(self, waiting: Waiting, owned: Ownership, failure: Exception, line: Line) -> None:
        """The message becomes a dead letter: an apology, and a person's turn."""
        kind = "timeout" if isinstance(failure, TimeoutError) else "crash"
        log.error("message %s of a conversation is given up (%s)", waiting.seq, kind, exc_info=failure)
        metrics.FAILED_TURNS.labels(kind).inc()
        conversation_id = waiting.inbound.conversation_id
        pause = Event("pause", time.time(), {"owner": Owner.QUEUE.value, "reason": kind})
        paused = owned.tracker.apply(pause)
        entries = await self._journal.bury(
            conversation_id,
            waiting.seq,
            kind,
            self._bounds.apology,
            owned.fence,
            state=paused.written(),
            events=(pause,),
        )
        owned.tracker, owned.owner = paused, Owner.QUEUE
        await self._owner_changed(conversation_id, Owner.QUEUE, kind)
        self._answered(conversation_id, waiting.seq, entries, line)

    async def _owner_changed(self, conversation_id: str, owner: Owner, reason: str | None) -> None:
        if owner is Owner.QUEUE:
            metrics.HAND_OVERS.labels(reason or "unknown").inc()
        await self._fanout.owner_changed(conversation_id, owner)

    async def _count(self) -> None:
        while True:
            metrics.WAITING.set(self._admission.tally.waiting + self._admission.patient.waiting)
            await asyncio.sleep(1)

    # -- other processes

    def heard(self, conversation_id: str, signal: Signal | None) -> None:
        """Another process has news of the conversation."""
        self._fanout.heard(conversation_id, signal)
        if signal == LEFT or (signal is None and conversation_id in self._workers):
            self._look_at(conversation_id)
