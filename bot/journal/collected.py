"""How far the journal was read for learning, and what there is to read next."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, and_, select, update

from bot.journal import utterances
from bot.journal.rows import Row
from bot.journal.tables import about, entries, turns
from bot.journal.values import Mark, Note, PastTurn, Thumb, Utterance
from bot.messages import Event, Owner

LAG_SECONDS = 30.0
"""PostgreSQL gives ids before the commit: a turn may appear behind one with a higher id for as long as a transaction of
ours can take."""


def _past() -> Select[tuple[object, ...]]:
    message = and_(
        entries.c.conversation_id == turns.c.conversation_id,
        entries.c.seq == turns.c.seq,
        entries.c.message_id.is_not(None),
    )
    said = (entries.c.text, entries.c.at.label("said_at"), entries.c.body)
    return select(turns, *said).join_from(turns, entries, message, isouter=True)


def mark(connection: Connection) -> Mark:
    return Mark(*connection.execute(select(about.c.collected, about.c.fence)).one())


def turns_after(connection: Connection, last: int, limit: int, now: float) -> list[PastTurn]:
    """In order; on PostgreSQL up to the first that is so young that an earlier one may still come."""
    rows = connection.execute(_past().where(turns.c.id > last).order_by(turns.c.id).limit(limit)).mappings()
    found = [_turn(row) for row in rows]
    if connection.dialect.name != "postgresql":
        return found
    young = next((place for place, turn in enumerate(found) if turn.at > now - LAG_SECONDS), len(found))
    return found[:young]


def turns_before(connection: Connection, conversation_id: str, turn_id: int, limit: int) -> list[PastTurn]:
    """The last ones of a conversation ahead of a turn, in order."""
    mine = and_(turns.c.conversation_id == conversation_id, turns.c.id < turn_id)
    rows = connection.execute(_past().where(mine).order_by(turns.c.id.desc()).limit(limit)).mappings()
    return [_turn(row) for row in rows][::-1]


def take(
    connection: Connection, mark: Mark, upto: int, found: Sequence[Utterance], notes: Sequence[Note]
) -> int | None:
    """Keeps what the turns after the mark up to `upto` told; returns how many utterances are new. None if another
    process took turns or erased some since the mark was read: then nothing was kept."""
    same = (about.c.collected == mark.turn, about.c.fence == mark.fence)
    moved = update(about).where(*same).values(collected=upto)
    if connection.execute(moved).rowcount == 0:
        return None
    added = utterances.keep(connection, found)
    utterances.note(connection, notes)
    return added


def thumbs(connection: Connection, since: float) -> list[Thumb]:
    """On answers given since then, the worse one last."""
    query = (
        select(entries.c.conversation_id, entries.c.reply_to, entries.c.rating)
        .where(entries.c.rating.is_not(None), entries.c.reply_to.is_not(None), entries.c.at >= since)
        .order_by(entries.c.rating.desc())
    )
    return [Thumb(row.conversation_id, row.reply_to, row.rating) for row in connection.execute(query)]


def _turn(row: Row) -> PastTurn:
    body = row["body"] or {}
    return PastTurn(
        id=row["id"],
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        at=row["at"],
        owner=Owner(row["owner"]),
        reason=row["reason"],
        model=row["model"],
        events=tuple(Event.from_json(data) for data in row["events"]),
        text=row["text"] or "",
        said_at=row["said_at"] or row["at"],
        metadata=body.get("metadata") or {},
    )
