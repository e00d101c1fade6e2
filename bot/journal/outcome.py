"""What follows a message: a turn's outcome, a dead letter's apology, a notice of an agent or the system."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Row, bindparam, case, exists, func, insert, null, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from bot.journal import inbox, rows
from bot.journal.errors import AlreadyProcessed, NotFound, OutOfOrder
from bot.journal.holds import fenced_out
from bot.journal.prepared import Prepared
from bot.journal.tables import conversations, deliveries, entries, turns
from bot.journal.values import Notice, Passing
from bot.messages import Entry, Event, Json, Outbound, Owner, State, Turn

_this: BindParameter[str] = bindparam("conversation")
_number: BindParameter[int] = bindparam("number")
_owner = bindparam("new_owner", type_=conversations.c.owner.type)
_now = bindparam("now", type_=conversations.c.last_at.type)
_mine = bindparam("mine", type_=conversations.c.fence.type)
_earlier = entries.alias("earlier")

GROW: Json = {"last_seq": conversations.c.last_seq + bindparam("count"), "last_at": _now}
OWN: Json = {
    "owner": _owner,
    "reason": case(
        (_owner == Owner.BOT.value, null()),
        else_=func.coalesce(bindparam("new_reason", type_=conversations.c.reason.type), conversations.c.reason),
    ),
    "queued_at": case(
        (_owner != Owner.QUEUE.value, null()),
        (conversations.c.owner == Owner.QUEUE.value, conversations.c.queued_at),
        else_=_now,
    ),
}

HOLD: Json = {"fence": _mine}
# A notice may have given the state a later number than this message's; then no number fits.
COVER: Json = {"version": case((conversations.c.version < _number, _number), else_=0)}
KEEP: Json = {"state": bindparam("new_state", type_=conversations.c.state.type)}

# The address itself: in RETURNING, SQLite 3.40 takes every "IS NOT NULL" of this table for true.
_told = (conversations.c.last_seq, conversations.c.channel, conversations.c.address)
_unfenced = update(conversations).where(conversations.c.id == _this).returning(*_told)
_fenced = _unfenced.where(conversations.c.fence <= _mine)

COMMIT = Prepared(_fenced.values(**GROW, **OWN, **HOLD, **COVER, **KEEP))
SAY = _fenced.values(**GROW, **HOLD)
BURY = Prepared(_fenced.values(**GROW, **OWN, **HOLD, **COVER))
PROCESSED = Prepared(
    update(entries)
    .where(
        entries.c.conversation_id == _this,
        entries.c.seq == _number,
        entries.c.pending_since.is_not(None),
        ~exists().where(
            _earlier.c.conversation_id == _this,
            _earlier.c.seq < _number,
            _earlier.c.pending_since.is_not(None),
        ),
    )
    .values(pending_since=None, failure=bindparam("new_failure", type_=entries.c.failure.type))
)
PENDING = select(entries.c.pending_since).where(entries.c.conversation_id == _this, entries.c.seq == _number)
NEW_TURN = Prepared(insert(turns))
NEW_DELIVERIES = insert(deliveries)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is written for one message, whether the bot answered it or gave it up."""

    conversation_id: str
    seq: int
    fence: int
    replies: tuple[Outbound, ...]
    owner: Owner
    reason: str | None
    failure: str | None = None
    state: State | None = None
    events: tuple[Event, ...] = ()
    model: str = ""
    seconds: float = 0.0
    model_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Written:
    entries: tuple[Entry, ...]
    delivered: bool
    """They go to a provider, who has to be called."""


class Grown(NamedTuple):
    """A conversation to which something was added."""

    last_seq: int
    channel: str
    address: object
    """None: its answers are not delivered."""


def of_turn(turn: Turn, fence: int) -> Answer:
    return Answer(
        conversation_id=turn.inbound.conversation_id,
        seq=turn.seq,
        fence=fence,
        replies=turn.replies,
        owner=turn.owner,
        reason=turn.reason,
        state=turn.state,
        events=turn.events,
        model=turn.model,
        seconds=turn.seconds,
        model_seconds=turn.model_seconds,
    )


def answer(connection: Connection, given: Answer, now: float) -> Written:
    """Writes all of it. Raises StaleFence, AlreadyProcessed, OutOfOrder or NotFound, and then nothing is written."""
    row = _advance(connection, given, now)
    _mark_processed(connection, given)
    written = _replies(given, row.last_seq - len(given.replies) + 1, now)
    _add(connection, written)
    record(connection, given, now)
    return _written(connection, row, written, now)


def _add(connection: Connection, written: Iterable[Entry]) -> None:
    inbox.NEW_ENTRY.run_each(connection, [rows.from_outbound(entry) for entry in written])


def _advance(connection: Connection, given: Answer, now: float) -> Grown:
    values = {
        "conversation": given.conversation_id,
        "count": len(given.replies),
        "now": now,
        "mine": given.fence,
        "number": given.seq,
        "new_owner": given.owner.value,
        "new_reason": given.reason,
    }
    if given.state is None:
        found = BURY.run(connection, values).rows
    else:
        found = COMMIT.run(connection, {**values, "new_state": given.state}).rows
    if not found:
        fenced_out(connection, given.conversation_id)
    return Grown(*found[0])


def _mark_processed(connection: Connection, given: Answer) -> None:
    key = {"conversation": given.conversation_id, "number": given.seq}
    if PROCESSED.run(connection, {**key, "new_failure": given.failure}).count == 1:
        return
    found = connection.execute(PENDING, key).first()
    if found is None:
        raise NotFound("There is no such message.")
    if found.pending_since is None:
        raise AlreadyProcessed("The message has its answer.")
    raise OutOfOrder("An earlier message of the conversation still waits for its answer.")


def _replies(given: Answer, first: int, now: float) -> tuple[Entry, ...]:
    return tuple(
        Entry(given.conversation_id, first + part, reply.author, now, reply, reply_to=given.seq, part=part)
        for part, reply in enumerate(given.replies)
    )


def record(connection: Connection, given: Answer, now: float) -> None:
    values = {
        "conversation_id": given.conversation_id,
        "seq": given.seq,
        "at": now,
        "owner": given.owner.value,
        "reason": given.reason,
        "model": given.model,
        "seconds": given.seconds,
        "model_seconds": given.model_seconds,
        "events": [event.written() for event in given.events],
    }
    NEW_TURN.run(connection, values)


def _written(connection: Connection, row: Grown | Row[Any], entries: tuple[Entry, ...], now: float) -> Written:
    delivered = row.address is not None and bool(entries)
    if delivered:
        connection.execute(NEW_DELIVERIES, [_delivery(entry, row.channel, now) for entry in entries])
    return Written(entries, delivered)


def _delivery(entry: Entry, channel: str, now: float) -> Json:
    return {
        "conversation_id": entry.conversation_id,
        "seq": entry.seq,
        "channel": channel,
        "attempts": 0,
        "due_at": now,
        "offered_at": now,
    }


def said(connection: Connection, given: Passing, now: float) -> Written:
    """Adds the notice, if there is one, whatever waits. Raises StaleFence and NotFound."""
    messages = () if given.notice is None else (given.notice,)
    values = {"conversation": given.conversation_id, "count": len(messages), "now": now, "mine": given.fence}
    row = connection.execute(SAY, values).first()
    if row is None:
        fenced_out(connection, given.conversation_id)
    written = tuple(
        Entry(given.conversation_id, row.last_seq, one.author, now, one, reply_to=given.upto) for one in messages
    )
    _add(connection, written)
    return _written(connection, row, written, now)


def notice(connection: Connection, conversation_id: str, given: Notice, now: float) -> Written:
    """Adds an entry that answers no message. Raises NotFound, and StaleFence if it came with a fence."""
    values = {
        "conversation": conversation_id,
        "count": 1,
        "now": now,
        "mine": given.fence,
        "new_owner": given.owner,
        "new_reason": given.reason,
        "new_state": given.state,
    }
    row = connection.execute(_growth(given), values).first()
    if row is None:
        fenced_out(connection, conversation_id)
    entry = Entry(conversation_id, row.last_seq, given.message.author, now, given.message)
    _add(connection, (entry,))
    if given.owner or given.events:
        owner = Owner(row.owner)
        record(
            connection,
            Answer(conversation_id, entry.seq, row.fence, (), owner, given.reason, events=given.events),
            now,
        )
    return _written(connection, row, (entry,), now)


def _growth(given: Notice) -> ReturningUpdate[tuple[int, str, Any, int, str]]:
    """The conversation's new row: one number more, and with it whatever the notice changes."""
    values = dict(GROW)
    if given.owner is not None:
        values |= OWN
    if given.state is not None:
        values |= KEEP | {"version": conversations.c.last_seq + 1}
    if given.fence is not None:
        values |= HOLD
    elif given.owner is not None or given.state is not None:
        values |= {"fence": conversations.c.fence + 1}
    statement = update(conversations).where(conversations.c.id == _this).values(**values)
    if given.fence is not None:
        statement = statement.where(conversations.c.fence <= _mine)
    return statement.returning(*_told, conversations.c.fence, conversations.c.owner)
