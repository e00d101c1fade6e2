"""The journal's public face: what the rest of the service may ask of the conversation log."""

from __future__ import annotations

import time
from asyncio import to_thread
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self

from sqlalchemy import Connection

from bot.journal import (
    collected,
    dead,
    deliveries,
    erasure,
    holds,
    inbox,
    links,
    outcome,
    queries,
    receipts,
    retention,
    reviews,
    runs,
    utterances,
)
from bot.journal.dead import Revival
from bot.journal.deliveries import Claimant
from bot.journal.erasure import SignedIn
from bot.journal.errors import CannotOpen, Unavailable
from bot.journal.outcome import Answer, Written
from bot.journal.passing import Passed, pass_over
from bot.journal.postgres import PostgresStore
from bot.journal.schema import prepare
from bot.journal.sqlite import SqliteStore
from bot.journal.store import Store, T
from bot.journal.values import (
    Accepted,
    ActionRun,
    Attached,
    Backlog,
    Beginning,
    Conversation,
    Counts,
    DeadLetter,
    Delivery,
    DeliveryState,
    Expired,
    Hold,
    Mark,
    Note,
    Notice,
    Passing,
    PastTurn,
    Rating,
    Receipt,
    Review,
    Reviewed,
    Settled,
    Step,
    Summary,
    Thumb,
    Traces,
    Utterance,
    UtteranceKey,
    Waiting,
    Whose,
)
from bot.messages import Entry, Event, Inbound, Json, Outbound, Owner, State, Turn

P = ParamSpec("P")
Function = Callable[Concatenate[Connection, P], T]
Clock = Callable[[], float]


class Journal:
    """Every method may raise Unavailable: then nothing is promised, and the caller says so."""

    def __init__(self, store: Store, name: str, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self.name = name
        """Made with the database. What was derived from another journal is worthless here."""
        self.on_delivery: Callable[[], None] = lambda: None
        """Told when a reply was committed that a provider has to be given."""

    @classmethod
    async def open(cls, where: str | Path, clock: Clock = time.time) -> Self:
        """Opens `postgresql://...`, `sqlite:///path` or the path of a SQLite file. Raises CannotOpen."""
        store = await to_thread(_open_store, str(where))
        try:
            name = await store.write(prepare, endless=True)  # a large one is not brought up to date in seconds
        except BaseException as error:
            await store.close()
            if isinstance(error, Unavailable):
                raise CannotOpen(f"The conversation log cannot be used. {error}") from error
            raise
        return cls(store, name, clock)

    async def close(self) -> None:
        await self._store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ping(self) -> None:
        """Returns if the database answers and takes writes."""
        await self._note(queries.ping)

    # From the customer

    async def begin(
        self,
        conversation_id: str,
        channel: str,
        metadata: Mapping[str, Any] | None = None,
        address: Mapping[str, Any] | None = None,
    ) -> Conversation:
        """The conversation, made if it is not there. With an `address`, all that is said in it is to be delivered.

        Raises BadId.
        """
        inbox.check_id(conversation_id)
        return await self._write(
            inbox.begin, Beginning(conversation_id, channel, metadata or {}, address), self._clock()
        )

    async def conversation(self, conversation_id: str) -> Conversation | None:
        return await self._read(inbox.conversation, conversation_id)

    async def accept(self, inbound: Inbound) -> Accepted:
        """Once this returns, the message is stored for good and may be acknowledged. Raises IdConflict, BadId."""
        checked, now = inbox.checked(inbound), self._clock()
        return await self._store.write(lambda connection: inbox.accept(connection, checked, now), urgent=True)

    async def waiting(self, conversation_id: str) -> list[Waiting]:
        """Messages without their turn, in order."""
        return await self._read(inbox.waiting, conversation_id)

    async def backlog(self, conversation_id: str, most: int | None = None) -> Backlog:
        """With the last `most` of those that wait."""
        return await self._read(inbox.backlog, conversation_id, most)

    async def orphans(self, before: float) -> list[str]:
        """Conversations with messages that were accepted before that time and have no answer."""
        return await self._read(inbox.orphans, before, self._clock())

    async def forgive(self, conversation_id: str, seq: int) -> None:
        """Takes back what `attempt` counted: its turn did not crash, it was overtaken."""
        await self._note(inbox.forgive, conversation_id, seq)

    async def attempt(self, conversation_id: str, seq: int) -> int:
        """Counts a turn that begins after another process failed to end one; returns how many, from 1.

        Raises AlreadyProcessed.
        """
        return await self._note(inbox.attempt, conversation_id, seq)

    # What follows

    async def take(self, conversation_id: str) -> Hold:
        """Raises the fence: everybody with a lower one is shut out. Raises NotFound."""
        return await self._write(holds.take, conversation_id)

    async def take_free(self, conversation_id: str, seconds: float) -> Hold | None:
        """As `take`, and holds the conversation for so long; None while another process does. Raises NotFound."""
        return await self._write(holds.take_free, conversation_id, seconds, self._clock())

    async def keep(self, conversation_id: str, fence: int, seconds: float) -> None:
        """Goes on holding what `take_free` took, unless somebody raised the fence since; 0 seconds: no longer."""
        await self._note(holds.keep, conversation_id, fence, seconds, self._clock())

    async def fence(self, conversation_id: str) -> int:
        """The fence alone of `take`."""
        return (await self.take(conversation_id)).fence

    async def commit(self, turn: Turn, fence: int) -> tuple[Entry, ...]:
        """Writes all that the turn did; returns its replies.

        Afterwards the state's version is the message's number, or 0 if a notice changed the state meanwhile.
        Raises StaleFence, AlreadyProcessed, OutOfOrder, NotFound: then nothing was written.
        """
        return self._told(await self._write(outcome.answer, outcome.of_turn(turn, fence), self._clock()))

    async def bury(
        self,
        conversation_id: str,
        seq: int,
        reason: str,
        reply: Outbound,
        fence: int,
        *,
        state: State | None = None,
        events: tuple[Event, ...] = (),
    ) -> tuple[Entry, ...]:
        """Gives a message up: an apology, and a person takes the conversation. Raises as `commit` does."""
        given = Answer(
            conversation_id, seq, fence, (reply,), Owner.QUEUE, reason, failure=reason, state=state, events=events
        )
        return self._told(await self._write(outcome.answer, given, self._clock()))

    async def pass_over(self, passing: Passing) -> Passed:
        """Some messages get no turn of their own. Raises StaleFence and NotFound: then nothing was written."""
        passed = await self._write(pass_over, passing, self._clock())
        self._told(passed.written)
        return passed

    async def append(
        self,
        conversation_id: str,
        outbound: Outbound,
        *,
        owner: Owner | None = None,
        reason: str | None = None,
        events: tuple[Event, ...] = (),
        state: State | None = None,
        fence: int | None = None,
    ) -> Entry:
        """Adds what an agent or the system says. Raises NotFound.

        A change of owner or state raises the fence: a turn under way cannot undo it, its message is answered anew.
        Who computed `state` from an earlier one gives the `fence` taken before reading that; StaleFence means: again.
        """
        notice = Notice(outbound, owner, reason, events, state, fence)
        return self._told(await self._write(outcome.notice, conversation_id, notice, self._clock()))[0]

    def _told(self, written: Written) -> tuple[Entry, ...]:
        if written.delivered:
            self.on_delivery()
        return written.entries

    async def start_action(self, step: Step, name: str, fence: int) -> ActionRun:
        """Records that an action of the turn starts, or tells how it went before.

        Raises StaleFence, AlreadyProcessed, OutOfOrder as the turn's commit would: then the action must not run.
        """
        return await self._write(runs.start, step, name, fence, self._clock())

    async def action_runs(self, conversation_id: str, seq: int) -> list[ActionRun]:
        """The actions that were started for a message, in order."""
        return await self._read(runs.of_message, conversation_id, seq)

    async def finish_action(self, step: Step, result: Json) -> None:
        """Not lost in a crash of ours. In a power cut it may be, and then a person is asked."""
        await self._note(runs.finish, step, result, self._clock())

    # Reading

    async def entries(
        self, conversation_id: str, after: int = 0, before: int | None = None, limit: int = 200
    ) -> list[Entry]:
        """In order: the first ones after `after`, or with `before` the last ones ahead of it."""
        return await self._read(queries.page, conversation_id, after, before, limit)

    async def grown(self, seconds: float) -> dict[str, int]:
        """Conversations that grew in the last so many seconds, and their last numbers."""
        return await self._read(queries.grown, self._clock() - seconds)

    async def entry(self, conversation_id: str, seq: int) -> Entry | None:
        return await self._read(queries.entry, conversation_id, seq)

    async def attached(self, conversation_id: str, after: int, upto: int) -> dict[int, Attached]:
        """What came with the customer's messages `after` that number and up to the other, by their numbers."""
        return await self._read(queries.attached, conversation_id, after, upto)

    async def events(self, conversation_id: str, limit: int | None = None) -> list[Event]:
        """The last `limit` events, in order."""
        return await self._read(queries.events, conversation_id, limit)

    async def rate(self, conversation_id: str, seq: int, value: Rating) -> None:
        """The customer's thumb on an entry. Raises NotFound."""
        await self._write(queries.rate, conversation_id, seq, None if value == "none" else value)

    async def ratings(self, conversation_id: str) -> dict[int, str]:
        """The thumbs by the entries' numbers."""
        return await self._read(queries.ratings, conversation_id)

    async def conversations(
        self, owner: Owner | None = None, limit: int = 50, before: float | None = None
    ) -> list[Summary]:
        """The newest first; `before` is the `last_at` of the last one seen."""
        return await self._read(queries.summaries, owner, limit, before)

    async def queue_position(self, conversation_id: str) -> int:
        """1 for the next to be served; 0 for a conversation that does not wait."""
        return await self._read(queries.queue_position, conversation_id)

    async def counts(self) -> Counts:
        return await self._read(queries.counts)

    # The console

    async def spend(self, link: str, until: float) -> bool:
        """Uses a one-time link; False if it was used before. It is remembered until then."""
        return await self._write(links.spend, link, until, self._clock())

    # What customers said, for learning

    async def keep_utterances(self, found: Sequence[Utterance]) -> int:
        """Adds those that are not there; returns how many these were."""
        return await self._write(utterances.keep, found)

    async def known_utterances(self, keys: Collection[UtteranceKey]) -> set[UtteranceKey]:
        return await self._read(utterances.known, keys)

    async def note_signals(self, notes: Sequence[Note]) -> None:
        await self._write(utterances.note, notes)

    async def utterance_counts(self) -> dict[str, int]:
        """By source."""
        return await self._read(utterances.counts)

    async def newest_utterances(self, limit: int = 100, before: int | None = None) -> list[Utterance]:
        """The last kept first; `before` is the id of the last one seen."""
        return await self._read(utterances.newest, limit, before)

    async def utterances_of(self, customer: str) -> list[Utterance]:
        return await self._read(utterances.of_customer, customer)

    async def rated_utterances(self, source: str, seconds: float) -> list[Utterance]:
        """Those of the last so many seconds that have a thumb."""
        return await self._read(utterances.rated, source, self._clock() - seconds)

    async def decide(self, given: Sequence[Review]) -> str:
        """Keeps what somebody said of utterances as one decision; returns its name."""
        return await self._write(reviews.decide, given, self._clock())

    async def undo(self, reviewer: str) -> list[int]:
        """Takes the reviewer's last decision back; returns the ids of its utterances, none if there was no decision."""
        return await self._write(reviews.undo, reviewer)

    async def reviewed(self) -> list[Reviewed]:
        """The last word on each utterance."""
        return await self._read(reviews.decided)

    async def opinions(self) -> list[Reviewed]:
        """Every word of everybody, in their order."""
        return await self._read(reviews.all_words)

    async def words_on(self, ids: Collection[int]) -> list[tuple[Utterance, list[Review]]]:
        """Of those of the utterances that are there, with every word on each in their order."""
        return await self._read(reviews.words_on, ids)

    async def unreviewed(self, limit: int) -> list[Utterance]:
        """The last kept first, without answers to a form's question."""
        return await self._read(reviews.undecided, limit)

    async def review_counts(self) -> dict[str, int]:
        """By kind, and `open`."""
        return await self._read(reviews.counts)

    async def answered_for(self) -> list[Utterance]:
        """Those on which nobody decided, and of which customers said something without words, or people who took over
        what they were about; in their order."""
        return await self._read(reviews.answered_for)

    async def collected(self) -> Mark:
        return await self._read(collected.mark)

    async def turns_after(self, last: int, limit: int) -> list[PastTurn]:
        """In order, and only those before which no other can appear any more."""
        return await self._read(collected.turns_after, last, limit, self._clock())

    async def turns_before(self, conversation_id: str, turn_id: int, limit: int) -> list[PastTurn]:
        """The last ones of the conversation ahead of a turn, in order."""
        return await self._read(collected.turns_before, conversation_id, turn_id, limit)

    async def take_turns(self, mark: Mark, upto: int, found: Sequence[Utterance], notes: Sequence[Note]) -> int | None:
        """Keeps what the turns after the mark up to `upto` told, and remembers that; returns how many are new.

        None if another process took or erased turns since the mark was read: then nothing was kept.
        """
        return await self._write(collected.take, mark, upto, found, notes)

    async def thumbs(self, seconds: float) -> list[Thumb]:
        """On answers of the last so many seconds; of two on one answer's parts the worse comes last."""
        return await self._read(collected.thumbs, self._clock() - seconds)

    # Erasure

    async def named(self, name: str) -> list[str]:
        """The conversations of that id, with the channel before it or without."""
        return await self._read(erasure.named, name)

    async def signed_in(self, name: str) -> list[SignedIn]:
        """The conversations of whom the page called so, by id or address."""
        return await self._read(erasure.signed_in, name)

    async def traces(self, whose: Whose) -> Traces:
        """What `erase` would remove."""
        return await self._read(erasure.traces, whose)

    async def erase(self, whose: Whose) -> Traces:
        """Removes all of it at once. Who has one of the conversations in hand cannot commit to it any more."""
        return await self._write(erasure.erase, whose)

    async def scrub(self) -> bool:
        """Overwrites what was removed, on disk; False where that is the database server's to do."""
        return await self._store.scrub()

    # Retention

    async def expired(self, conversations: float, utterances: float, dead_letters: float) -> Expired:
        """What is older than so many seconds each; infinity keeps all."""
        now = self._clock()
        return Expired(
            await self._read(retention.count_conversations, now - conversations),
            await self._read(retention.count_utterances, now - utterances),
            await self._read(retention.count_dead_letters, now - dead_letters),
        )

    async def expire_conversations(self, seconds: float, limit: int) -> list[str]:
        """Removes some whose last entry is older, with all but their utterances; returns their ids. Those that a
        person has or is waited for, and those in which something waits, stay."""
        return await self._write(retention.expire_conversations, self._clock() - seconds, limit)

    async def expire_utterances(self, seconds: float, limit: int) -> int:
        """Removes some that were said longer ago, with what people decided about them; returns how many."""
        return await self._write(retention.expire_utterances, self._clock() - seconds, limit)

    async def expire_dead_letters(self, seconds: float) -> int:
        """Drops those that were given up longer ago; returns how many."""
        now = self._clock()
        return await self._write(retention.expire_dead_letters, now - seconds, now)

    # Dead letters

    async def dead_letters(self) -> list[DeadLetter]:
        """The oldest first."""
        return await self._read(dead.letters)

    async def revive(self, revival: Revival) -> None:
        """The message gets a turn anew, as if it had just come. Raises NotFound and StaleFence."""
        await self._write(dead.revive, revival, self._clock())

    async def bury_for_good(self, conversation_id: str, seq: int) -> bool:
        """A person has dealt with the message; False if there is no such dead letter."""
        return await self._write(dead.bury_for_good, conversation_id, seq)

    # To the providers

    async def any_due(self, claimant: Claimant) -> bool:
        return await self._read(deliveries.any_due, claimant, self._clock())

    async def claim(self, claimant: Claimant, limit: int) -> list[Delivery]:
        """Takes what is due for the claimant alone: of each conversation the first that waits."""
        return await self._write(deliveries.claim, claimant, limit, self._clock())

    async def unclaim(self, claimant: Claimant, in_hand: Collection[int]) -> None:
        """After a claim that raised: what it may have taken nevertheless is free again."""
        await self._write(deliveries.unclaim, claimant, in_hand)

    async def settle(self, delivery_id: int, claimant: Claimant, settled: Settled) -> bool:
        """What an attempt came to; False if the delivery is not the claimant's any more."""
        return await self._write(deliveries.settle, delivery_id, claimant, settled, self._clock())

    async def note_receipt(self, channel: str, receipt: Receipt) -> bool:
        """What a provider tells of a message that it took; False if that is none of ours."""
        return await self._write(receipts.note, channel, receipt, self._clock())

    async def rate_sent(self, channel: str, provider_id: str, value: Rating) -> tuple[str, int] | None:
        """As `rate`, for a message that the provider names; which entry it is, or None."""
        return await self._write(receipts.rate, channel, provider_id, None if value == "none" else value)

    async def deliveries(
        self, states: Collection[DeliveryState] = deliveries.OPEN, limit: int | None = None
    ) -> list[Delivery]:
        """The oldest first; by default those that wait and the dead letters."""
        return await self._read(deliveries.listed, states, limit)

    async def delivery_counts(self) -> dict[DeliveryState, int]:
        return await self._read(deliveries.counts)

    async def offer_again(self, ids: Collection[int] | None) -> list[int]:
        """These, or all dead letters, are due now; returns those that could be."""
        return await self._write(deliveries.offer_again, ids, self._clock())

    async def drop(self, ids: Collection[int] | None) -> list[int]:
        """These, or all dead letters, are never sent; returns those that could be stopped."""
        return await self._write(deliveries.drop, ids, self._clock())

    async def _write(self, function: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._store.write(lambda connection: function(connection, *args, **kwargs))

    async def _note(self, function: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A write whose loss in a power cut does no harm."""
        return await self._store.write(lambda connection: function(connection, *args, **kwargs), durable=False)

    async def _read(self, function: Function[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._store.read(lambda connection: function(connection, *args, **kwargs))


def _open_store(where: str) -> Store:
    if where.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
        return PostgresStore.open(where.replace("postgres:", "postgresql:", 1))
    if "://" in where and not where.startswith("sqlite:///"):
        raise CannotOpen("DATABASE_URL must begin with postgresql:// or sqlite:///.")
    return SqliteStore.open(Path(where.removeprefix("sqlite:///")))
