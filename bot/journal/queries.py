"""Reading: what people see of conversations, in pages."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from bot.journal import rows
from bot.journal.deliveries import DEAD
from bot.journal.errors import NotFound
from bot.journal.tables import conversations, deliveries, entries, in_states, turns
from bot.journal.values import Attached, Counts, DeliveryState, Summary
from bot.messages import Author, Entry, Event, Owner
from bot.wire import objects


def ping(connection: Connection) -> None:
    connection.execute(select(true()))


def page(connection: Connection, conversation_id: str, after: int, before: int | None, limit: int) -> list[Entry]:
    """In order: the first `limit` entries after `after`, or with `before` the last ones ahead of it."""
    query = select(entries).where(entries.c.conversation_id == conversation_id, entries.c.seq > after)
    if before is None:
        found = connection.execute(query.order_by(entries.c.seq).limit(limit)).mappings()
        return [rows.entry(row) for row in found]
    query = query.where(entries.c.seq < before).order_by(entries.c.seq.desc()).limit(limit)
    return [rows.entry(row) for row in connection.execute(query).mappings()][::-1]


def grown(connection: Connection, since: float) -> dict[str, int]:
    """Conversations that grew since then, and their last numbers."""
    query = select(conversations.c.id, conversations.c.last_seq).where(conversations.c.last_at > since)
    return {row.id: row.last_seq for row in connection.execute(query)}


def entry(connection: Connection, conversation_id: str, seq: int) -> Entry | None:
    query = select(entries).where(entries.c.conversation_id == conversation_id, entries.c.seq == seq)
    row = connection.execute(query).mappings().first()
    return rows.entry(row) if row else None


def attached(connection: Connection, conversation_id: str, after: int, upto: int) -> dict[int, Attached]:
    """By the numbers of the messages."""
    some = type_coerce(entries.c.body, Text).contains('"attachments":')
    query = select(entries.c.seq, entries.c.body).where(
        entries.c.conversation_id == conversation_id, entries.c.seq > after, entries.c.seq <= upto, some
    )
    found = {row.seq: row.body for row in connection.execute(query)}
    return {
        seq: Attached(body["channel"], given)
        for seq, body in found.items()
        if (given := objects(body.get("metadata") or {}, "attachments"))
    }


def events(connection: Connection, conversation_id: str, limit: int | None) -> list[Event]:
    """The last `limit` events, in order."""
    some = and_(turns.c.conversation_id == conversation_id, turns.c.events != [])
    query = select(turns.c.events).where(some).order_by(turns.c.id.desc()).limit(limit)
    newest = [data for batch in connection.execute(query).scalars() for data in reversed(batch)]
    return [Event.from_json(data) for data in newest[:limit]][::-1]


def rate(connection: Connection, conversation_id: str, seq: int, value: str | None) -> None:
    query = update(entries).where(entries.c.conversation_id == conversation_id, entries.c.seq == seq)
    if connection.execute(query.values(rating=value)).rowcount == 0:
        raise NotFound("There is no such entry.")


def ratings(connection: Connection, conversation_id: str) -> dict[int, str]:
    query = select(entries.c.seq, entries.c.rating).where(
        entries.c.conversation_id == conversation_id, entries.c.rating.is_not(None)
    )
    return {row.seq: row.rating for row in connection.execute(query)}


def summaries(connection: Connection, owner: Owner | None, limit: int, before: float | None) -> list[Summary]:
    """The newest first; `before` is the `last_at` of the last one seen."""
    newest = and_(entries.c.conversation_id == conversations.c.id, entries.c.seq == conversations.c.last_seq)
    unanswered = (
        select(func.count())
        .where(entries.c.conversation_id == conversations.c.id, entries.c.pending_since.is_not(None))
        .correlate(conversations)
        .scalar_subquery()
    )
    query = (
        select(conversations, entries.c.text, entries.c.author, unanswered.label("unanswered"))
        .join_from(conversations, entries, newest, isouter=True)
        .where(_owned(owner))
        .where(conversations.c.last_at < before if before is not None else true())
        .order_by(conversations.c.last_at.desc(), conversations.c.id)
        .limit(limit)
    )
    return [
        Summary(
            conversation_id=row["id"],
            channel=row["channel"],
            owner=Owner(row["owner"]),
            reason=row["reason"],
            entries=row["last_seq"],
            last_text=row["text"] or "",
            last_author=Author(row["author"]) if row["author"] else None,
            last_at=row["last_at"],
            queued_at=row["queued_at"],
            unanswered=row["unanswered"],
            metadata=row["metadata"],
        )
        for row in connection.execute(query).mappings()
    ]


def _owned(owner: Owner | None) -> ColumnElement[bool]:
    if owner is None:
        return true()
    mine = conversations.c.owner == owner.value
    return mine if owner is Owner.BOT else and_(mine, conversations.c.owner != literal_column("'bot'"))


def queue_position(connection: Connection, conversation_id: str) -> int:
    """1 for the next to be served; 0 for who does not wait."""
    mine = connection.execute(select(conversations.c.queued_at).where(conversations.c.id == conversation_id)).scalar()
    if mine is None:
        return 0
    earlier = or_(
        conversations.c.queued_at < mine,
        and_(conversations.c.queued_at == mine, conversations.c.id <= conversation_id),
    )
    return connection.execute(select(func.count()).select_from(conversations).where(earlier)).scalar_one()


def counts(connection: Connection) -> Counts:
    def count(*conditions: object) -> int:
        return connection.execute(select(func.count()).where(*conditions)).scalar_one()  # type: ignore[arg-type]

    # How many conversations there are is not among them: a database counts them one by one.
    return Counts(
        turns=connection.execute(select(func.coalesce(func.max(turns.c.id), 0))).scalar_one(),
        unanswered=count(entries.c.pending_since.is_not(None)),
        queued=count(conversations.c.queued_at.is_not(None)),
        dead=count(entries.c.failure.is_not(None)),
        undelivered=count(deliveries.c.state == DeliveryState.WAITING.value),
        undeliverable=count(in_states(*DEAD)),
    )
