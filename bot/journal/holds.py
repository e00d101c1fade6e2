"""Whose a conversation is: a fence shuts out who had it before, and where Redis has no lease it is held here."""

from __future__ import annotations

from typing import NoReturn

from sqlalchemy import BindParameter, Connection, bindparam, func, or_, select, update

from bot.journal.errors import NotFound, StaleFence
from bot.journal.tables import conversations, entries
from bot.journal.values import Hold
from bot.messages import Owner

_this: BindParameter[str] = bindparam("conversation")
_now = bindparam("now", type_=conversations.c.last_at.type)
_mine = bindparam("mine", type_=conversations.c.fence.type)
_first_waiting = (
    select(func.min(entries.c.seq))
    .where(entries.c.conversation_id == _this, entries.c.pending_since.is_not(None))
    .scalar_subquery()
)
_until = bindparam("until", type_=conversations.c.held_until.type)
TAKE = (
    update(conversations)
    .where(conversations.c.id == _this)
    .values(fence=conversations.c.fence + 1, held_until=_until)
    .returning(
        conversations.c.fence,
        conversations.c.version,
        conversations.c.owner,
        func.coalesce(_first_waiting - 1, conversations.c.last_seq).label("settled"),
    )
)
TAKE_FREE = TAKE.where(
    or_(
        conversations.c.held_until.is_(None),
        conversations.c.held_until <= _now,
        conversations.c.held_until > bindparam("longest", type_=conversations.c.held_until.type),
    )
)
KEEP_HOLD = (
    update(conversations).where(conversations.c.id == _this, conversations.c.fence == _mine).values(held_until=_until)
)
KNOWN = select(conversations.c.fence).where(conversations.c.id == _this)


def take(connection: Connection, conversation_id: str) -> Hold:
    row = connection.execute(TAKE, {"conversation": conversation_id, "until": None}).first()
    if row is None:
        raise NotFound("There is no such conversation.")
    return Hold(row.fence, row.version, Owner(row.owner), row.settled)


def take_free(connection: Connection, conversation_id: str, seconds: float, now: float) -> Hold | None:
    """None while somebody else holds it. Raises NotFound."""
    # Who held it for longer than anybody may had another clock.
    values = {"conversation": conversation_id, "now": now, "until": now + seconds, "longest": now + 2 * seconds}
    row = connection.execute(TAKE_FREE, values).first()
    if row is None:
        if connection.execute(KNOWN, {"conversation": conversation_id}).first() is None:
            raise NotFound("There is no such conversation.")
        return None
    return Hold(row.fence, row.version, Owner(row.owner), row.settled)


def keep(connection: Connection, conversation_id: str, fence: int, seconds: float, now: float) -> None:
    connection.execute(KEEP_HOLD, {"conversation": conversation_id, "mine": fence, "until": now + seconds})


def fenced_out(connection: Connection, conversation_id: str) -> NoReturn:
    """Says why a conversation was not to be changed: raises NotFound or StaleFence."""
    if connection.execute(KNOWN, {"conversation": conversation_id}).first() is None:
        raise NotFound("There is no such conversation.")
    raise StaleFence("Somebody else owns the conversation by now.")
