"""Dead letters: customers' messages that were given up, until a person has dealt with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, null, select, update

from bot.journal import rows
from bot.journal.errors import NotFound, StaleFence
from bot.journal.outcome import Answer, record
from bot.journal.tables import conversations, entries
from bot.journal.values import DeadLetter
from bot.messages import Event, Owner, State


@dataclass(frozen=True, slots=True)
class Revival:
    """A turn anew for a dead letter."""

    conversation_id: str
    seq: int
    fence: int
    """Taken before the conversation was read."""
    events: tuple[Event, ...] = ()
    state: State | None = None
    """The tracker's, if the conversation has to go back to the bot for it."""


def letters(connection: Connection) -> list[DeadLetter]:
    """The oldest first."""
    query = (
        select(entries, conversations.c.owner, conversations.c.reason)
        .join(conversations, conversations.c.id == entries.c.conversation_id)
        .where(entries.c.failure.is_not(None))
        .order_by(entries.c.at, entries.c.conversation_id, entries.c.seq)
    )
    return [
        DeadLetter(rows.entry(row), row["failure"], Owner(row["owner"]), row["reason"])
        for row in connection.execute(query).mappings()
    ]


def revive(connection: Connection, given: Revival, now: float) -> None:
    """The message waits again, with no attempt counted. Raises NotFound and StaleFence.

    The apology stays in the conversation, but answers nothing any more: the message has no answer yet.
    """
    _own(connection, given)
    dead = and_(
        entries.c.conversation_id == given.conversation_id, entries.c.seq == given.seq, entries.c.failure.is_not(None)
    )
    again = {"failure": None, "attempts": 0, "pending_since": now}
    if connection.execute(update(entries).where(dead).values(again)).rowcount == 0:
        raise NotFound("There is no such dead letter.")
    apology = and_(entries.c.conversation_id == given.conversation_id, entries.c.reply_to == given.seq)
    connection.execute(update(entries).where(apology).values(reply_to=null()))
    if given.events:
        back = Answer(given.conversation_id, given.seq, given.fence, (), Owner.BOT, None, events=given.events)
        record(connection, back, now)


def _own(connection: Connection, given: Revival) -> None:
    values: dict[str, Any] = {"fence": given.fence}
    if given.state is not None:
        values |= {"owner": Owner.BOT.value, "reason": None, "queued_at": None, "state": given.state, "version": 0}
    mine = and_(conversations.c.id == given.conversation_id, conversations.c.fence <= given.fence)
    if connection.execute(update(conversations).where(mine).values(values)).rowcount == 0:
        raise StaleFence("Somebody else owns the conversation by now.")


def bury_for_good(connection: Connection, conversation_id: str, seq: int) -> bool:
    """A person has dealt with it; False if there is no such dead letter. That it was one, its turn remembers."""
    dead = and_(entries.c.conversation_id == conversation_id, entries.c.seq == seq, entries.c.failure.is_not(None))
    return connection.execute(update(entries).where(dead).values(failure=None)).rowcount == 1
