"""From the customer: conversations begin, messages are accepted once, and wait in order for their turn."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from sqlalchemy import BindParameter, Connection, bindparam, exists, func, insert, or_, select, update

from bot.journal import rows
from bot.journal.errors import AlreadyProcessed, BadId, IdConflict
from bot.journal.prepared import Prepared
from bot.journal.tables import about, conversations, entries
from bot.journal.values import Accepted, Backlog, Beginning, Conversation, Waiting
from bot.messages import Inbound, Owner
from bot.text import storable

ID_CHARS = 255
"""PostgreSQL indexes nothing over 2,700 bytes, and no honest id is that long."""

_this: BindParameter[str] = bindparam("conversation")
_that: BindParameter[str] = bindparam("message")
_mine = (entries.c.conversation_id == _this) & (entries.c.seq == bindparam("number"))

CONVERSATION = select(conversations).where(conversations.c.id == _this)
KNOWN = select(entries).where(entries.c.conversation_id == _this, entries.c.message_id == _that)
# One statement for the usual case. No row: the conversation is new, or the message is not.
NEXT = Prepared(
    update(conversations)
    .where(
        conversations.c.id == _this,
        ~exists().where(entries.c.conversation_id == _this, entries.c.message_id == _that),
    )
    .values(
        last_seq=conversations.c.last_seq + 1,
        last_at=bindparam("now"),
        # Where answers go may change: with the customer's app, their number, a token that is good for one answer.
        address=func.coalesce(bindparam("address", type_=conversations.c.address.type), conversations.c.address),
    )
    .returning(conversations.c.last_seq)
)
# Whoever still has an erased conversation of this name in hand is shut out.
NEW_CONVERSATION = insert(conversations).values(fence=select(about.c.fence).scalar_subquery())
NEW_ENTRY = Prepared(insert(entries))
LAST = select(conversations.c.last_seq).where(conversations.c.id == _this)
WAITING = (
    select(entries)
    .where(entries.c.conversation_id == _this, entries.c.pending_since.is_not(None))
    .order_by(entries.c.seq)
)
NEWEST_WAITING = WAITING.order_by(None).order_by(entries.c.seq.desc())
ORPHANS = (
    select(entries.c.conversation_id)
    .distinct()
    .where(
        entries.c.pending_since.is_not(None),
        # A time to come: the clock was put back since.
        or_(entries.c.pending_since < bindparam("before"), entries.c.pending_since > bindparam("now")),
    )
    .order_by(entries.c.conversation_id)
)
ATTEMPT = (
    update(entries)
    .where(_mine, entries.c.pending_since.is_not(None))
    .values(attempts=entries.c.attempts + 1)
    .returning(entries.c.attempts)
)

FORGIVE = (
    update(entries)
    .where(_mine, entries.c.pending_since.is_not(None), entries.c.attempts > 0)
    .values(attempts=entries.c.attempts - 1)
)


def checked(inbound: Inbound) -> Inbound:
    """The message as it can be stored; the digest is of this one."""
    for what in (inbound.conversation_id, inbound.message_id):
        check_id(what)
    return replace(
        inbound,
        conversation_id=storable(inbound.conversation_id),
        message_id=storable(inbound.message_id),
        text=storable(inbound.text),
        payload=None if inbound.payload is None else storable(inbound.payload),
    )


def check_id(name: str) -> None:
    if not 0 < len(name) <= ID_CHARS:
        raise BadId(f"An id has 1 to {ID_CHARS} characters, this one {len(name)}.")


def begin(connection: Connection, given: Beginning, now: float) -> Conversation:
    found = conversation(connection, given.conversation_id)
    if found is None:
        _create(connection, given, now)
        found = conversation(connection, given.conversation_id)
    assert found is not None
    return found


def conversation(connection: Connection, conversation_id: str) -> Conversation | None:
    row = connection.execute(CONVERSATION, {"conversation": conversation_id}).mappings().first()
    return rows.conversation(row) if row else None


def _create(connection: Connection, given: Beginning, now: float) -> None:
    fresh = {
        "id": given.conversation_id,
        "channel": given.channel,
        "epoch": uuid4().hex,
        "last_seq": 0,
        "owner": Owner.BOT.value,
        "version": 0,
        "created_at": now,
        "last_at": now,
        "metadata": given.metadata,
        "state": {},
        "address": given.address,
    }
    connection.execute(NEW_CONVERSATION, fresh)


def accept(connection: Connection, inbound: Inbound, now: float) -> Accepted:
    """Stores the message under the conversation's next number, or finds it stored. Raises IdConflict."""
    key = {"conversation": inbound.conversation_id, "message": inbound.message_id}
    news = {**key, "now": now, "address": inbound.address}
    grown = NEXT.run(connection, news).rows
    if not grown:
        begin(connection, Beginning(inbound.conversation_id, inbound.channel, {}, inbound.address), now)
        grown = NEXT.run(connection, news).rows
    if not grown:
        return _repeated(connection.execute(KNOWN, key).mappings().one(), inbound)
    seq = int(grown[0][0])
    row = rows.from_inbound(inbound, seq, now)
    NEW_ENTRY.run(connection, row)
    return Accepted(seq, False, rows.entry(row), inbound)


def _repeated(known: rows.Row, inbound: Inbound) -> Accepted:
    if known["digest"] != inbound.digest():
        raise IdConflict("Another message came under this id before.")
    return Accepted(known["seq"], True, rows.entry(known), inbound)


def waiting(connection: Connection, conversation_id: str) -> list[Waiting]:
    found = connection.execute(WAITING, {"conversation": conversation_id}).mappings()
    return [rows.waiting(row) for row in found]


def backlog(connection: Connection, conversation_id: str, most: int | None) -> Backlog:
    """With the last `most` of those that wait."""
    # In this order: a message accepted between the two statements is then among those that wait.
    last = connection.execute(LAST, {"conversation": conversation_id}).scalar() or 0
    if most is None:
        return Backlog(last, waiting(connection, conversation_id))
    newest = connection.execute(NEWEST_WAITING.limit(most + 1), {"conversation": conversation_id}).mappings()
    found = [rows.waiting(row) for row in newest][::-1]
    return Backlog(last, found[-most:], over=found[0].seq if len(found) > most else 0)


def orphans(connection: Connection, before: float, now: float) -> list[str]:
    return list(connection.execute(ORPHANS, {"before": before, "now": now}).scalars())


def attempt(connection: Connection, conversation_id: str, seq: int) -> int:
    attempts = connection.execute(ATTEMPT, {"conversation": conversation_id, "number": seq}).scalar()
    if attempts is None:
        raise AlreadyProcessed("The message has its answer.")
    return int(attempts)


def forgive(connection: Connection, conversation_id: str, seq: int) -> None:
    connection.execute(FORGIVE, {"conversation": conversation_id, "number": seq})
