"""Removing what is older than it may be kept, a little at a time."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, and_, case, delete, exists, func, select, update

from bot.journal.deliveries import DEAD
from bot.journal.erasure import cleared, forgotten, lower_mark, shut_out
from bot.journal.tables import conversations, deliveries, entries, in_states, utterances
from bot.journal.values import APART, OURS, DeliveryState
from bot.messages import Owner


def _over(before: float) -> ColumnElement[bool]:
    """Nobody works on it, and nothing waits in it. SQL is asked in this order: few are so old."""
    unanswered = exists().where(entries.c.conversation_id == conversations.c.id, entries.c.pending_since.is_not(None))
    undelivered = exists().where(
        deliveries.c.conversation_id == conversations.c.id, deliveries.c.state == DeliveryState.WAITING.value
    )
    bots = conversations.c.owner == Owner.BOT.value
    return and_(conversations.c.last_at < before, bots, ~unanswered, ~undelivered)


def _said(before: float) -> ColumnElement[bool]:
    return utterances.c.at < before


def _given_up(before: float) -> ColumnElement[bool]:
    return and_(entries.c.failure.is_not(None), entries.c.at < before)


def _undeliverable(before: float) -> ColumnElement[bool]:
    return and_(in_states(*DEAD), func.coalesce(deliveries.c.done_at, deliveries.c.offered_at) < before)


def count_conversations(connection: Connection, before: float) -> int:
    return _count(connection, conversations, _over(before))


def count_utterances(connection: Connection, before: float) -> int:
    return _count(connection, utterances, _said(before))


def count_dead_letters(connection: Connection, before: float) -> int:
    return _count(connection, entries, _given_up(before)) + _count(connection, deliveries, _undeliverable(before))


def _count(connection: Connection, table: Table, which: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()


def expire_conversations(connection: Connection, before: float, limit: int) -> list[str]:
    """Removes some whose last entry is older, all but their utterances; returns their ids."""
    gone = shut_out(connection, _over(before), limit)
    for conversation_id in gone:
        _set_apart(connection, conversation_id)
    cleared(gone, lambda table, which: connection.execute(delete(table).where(which)).rowcount)
    lower_mark(connection)
    return gone


def _set_apart(connection: Connection, conversation_id: str) -> None:
    """A conversation that begins anew under the id counts its messages from 1 again: the old ones get another name."""
    epoch = select(conversations.c.epoch).where(conversations.c.id == conversation_id)
    name = f"{conversation_id}{APART}{connection.execute(epoch).scalar_one()}"
    theirs = and_(utterances.c.source == OURS, utterances.c.conversation == conversation_id)
    unnamed = case((utterances.c.customer == conversation_id, name), else_=utterances.c.customer)
    connection.execute(update(utterances).where(theirs).values(conversation=name, customer=unnamed))


def expire_utterances(connection: Connection, before: float, limit: int) -> int:
    """Those of which nobody knows when they were said stay."""
    old = select(utterances.c.id).where(_said(before)).order_by(utterances.c.at).limit(limit)
    ids = list(connection.execute(old).scalars())
    forgotten(ids, lambda table, which: connection.execute(delete(table).where(which)).rowcount)
    return len(ids)


def expire_dead_letters(connection: Connection, before: float, now: float) -> int:
    """As if a person had dropped them: they stay in their conversations."""
    messages = connection.execute(update(entries).where(_given_up(before)).values(failure=None)).rowcount
    dropped = {"state": DeliveryState.DROPPED.value, "done_at": now}
    return messages + connection.execute(update(deliveries).where(_undeliverable(before)).values(dropped)).rowcount
