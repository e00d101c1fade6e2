"""The outbox's rows: claimed by one sender at a time, in a conversation's order, until they are settled."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from bot.journal import receipts, rows
from bot.journal.tables import conversations, deliveries, entries, turns
from bot.journal.values import Delivery, DeliveryState, Settled
from bot.messages import Author, Owner

_earlier = deliveries.alias("earlier")
_waiting = deliveries.c.state == DeliveryState.WAITING.value
_first_of_its_conversation = ~exists().where(
    _earlier.c.conversation_id == deliveries.c.conversation_id,
    _earlier.c.seq < deliveries.c.seq,
    _earlier.c.state == DeliveryState.WAITING.value,
)
FREE = {"claimed_by": None, "claimed_until": None}
DEAD = (DeliveryState.GIVEN_UP, DeliveryState.UNKNOWN)
OPEN = (DeliveryState.WAITING, *DEAD)
"""What a person may still decide about."""


SLACK = 600.0
"""Seconds by which two processes may differ about the time: their clocks, and how long each waited for the database."""


@dataclass(frozen=True, slots=True)
class Claimant:
    """A sender: a process that serves these channels."""

    name: str
    channels: Collection[str]
    seconds: float
    """How long it keeps what it claimed; afterwards it counts as crashed."""
    longest_pause: float
    """Nothing is due later than that: a row that says so was written before the clock was put back."""

    def latest_due(self, now: float) -> float:
        return now + self.longest_pause + SLACK

    def latest_claim(self, now: float) -> float:
        """A claim that lasts longer was made before the clock was put back."""
        return now + self.seconds + SLACK


_now = bindparam("now", type_=deliveries.c.due_at.type)
_claimant = bindparam("claimant", type_=deliveries.c.claimed_by.type)
_until = bindparam("until", type_=deliveries.c.claimed_until.type)
_ids = deliveries.c.id.in_(bindparam("ids", expanding=True))
# Built once: to build a statement takes longer than to run it.
_due = and_(
    _waiting,
    deliveries.c.channel.in_(bindparam("channels", expanding=True)),
    or_(deliveries.c.due_at <= _now, deliveries.c.due_at > bindparam("latest_due")),
    or_(
        deliveries.c.claimed_until.is_(None),
        deliveries.c.claimed_until <= _now,
        deliveries.c.claimed_until > bindparam("latest_claim"),
    ),
    _first_of_its_conversation,
)
ANY_DUE = select(deliveries.c.id).where(_due).limit(1)
DUE = (
    select(deliveries.c.id)
    .where(_due)
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
CLAIM = (
    update(deliveries)
    .where(_ids)
    .values(
        claimed_by=_claimant,
        claimed_until=_until,
        attempts=deliveries.c.attempts + 1,
        doubt=case((deliveries.c.claimed_by.is_not(None), 1), else_=deliveries.c.doubt),
    )
)


def _when(claimant: Claimant, now: float) -> dict[str, Any]:
    latest = {"latest_due": claimant.latest_due(now), "latest_claim": claimant.latest_claim(now)}
    return {"channels": list(claimant.channels), "now": now, **latest}


def any_due(connection: Connection, claimant: Claimant, now: float) -> bool:
    return connection.execute(ANY_DUE, _when(claimant, now)).first() is not None


def claim(connection: Connection, claimant: Claimant, limit: int, now: float) -> list[Delivery]:
    """Marks what is due as this sender's. Who had it before and did not settle it may have sent it: `doubt`."""
    ids = list(connection.execute(DUE, {**_when(claimant, now), "most": limit}).scalars())
    if not ids:
        return []
    connection.execute(CLAIM, {"ids": ids, "claimant": claimant.name, "until": now + claimant.seconds})
    return [_delivery(row) for row in connection.execute(CLAIMED, {"ids": ids}).mappings()]


def unclaim(connection: Connection, claimant: Claimant, in_hand: Collection[int]) -> None:
    """Gives back what was claimed in a call whose answer was lost: nobody has begun to send it."""
    lost = and_(_waiting, deliveries.c.claimed_by == claimant.name, deliveries.c.id.not_in(in_hand))
    connection.execute(update(deliveries).where(lost).values(**FREE, attempts=deliveries.c.attempts - 1))


def settle(connection: Connection, delivery_id: int, claimant: Claimant, settled: Settled, now: float) -> bool:
    """False if the claim was lost meanwhile: to another sender, or to a person who decided."""
    statement, when = _change_of(settled, claimant, now)
    change = {
        "delivery": delivery_id,
        "claimant": claimant.name,
        "state_then": settled.state.value,
        "doubt_then": int(settled.doubt),
        "parts_then": settled.parts,
        "names_then": list(settled.provider_ids) or None,
        "error_then": settled.error,
        "untried": int(not settled.tried),
        "when": when,
    }
    found = connection.execute(statement, change).mappings().first()
    if found is None:
        return False
    receipts.remember(connection, found, settled.provider_ids[-1:], now)  # at most one since the settling before
    if settled.state is DeliveryState.UNKNOWN and receipts.came_back(connection, found["channel"], settled.key):
        receipts.arrived(connection, delivery_id, now)
    return True


def _settling(**more: Any) -> ReturningUpdate[Any]:
    mine = and_(deliveries.c.id == bindparam("delivery"), deliveries.c.claimed_by == _claimant, _waiting)
    common = {
        "state": bindparam("state_then"),
        "doubt": bindparam("doubt_then"),
        "parts": bindparam("parts_then"),
        "provider_ids": bindparam("names_then", type_=deliveries.c.provider_ids.type),
        "error": bindparam("error_then", type_=deliveries.c.error.type),
        "attempts": deliveries.c.attempts - bindparam("untried", type_=deliveries.c.attempts.type),
    }
    changed = update(deliveries).where(mine).values(**common, **more)
    return changed.returning(deliveries.c.channel, deliveries.c.conversation_id, deliveries.c.seq)


_at = bindparam("when", type_=deliveries.c.due_at.type)
ENDED, POSTPONED, BEGUN = _settling(**FREE, done_at=_at), _settling(**FREE, due_at=_at), _settling(claimed_until=_at)


def _change_of(settled: Settled, claimant: Claimant, now: float) -> tuple[ReturningUpdate[Any], float]:
    """The statement, and the time that it sets."""
    if settled.state is not DeliveryState.WAITING:
        return ENDED, now
    if settled.due_at is not None:
        return POSTPONED, settled.due_at
    return BEGUN, now + claimant.seconds


def listed(connection: Connection, states: Collection[DeliveryState], limit: int | None) -> list[Delivery]:
    """The oldest first."""
    some = deliveries.c.state.in_([state.value for state in states])
    return _read(connection, _all().where(some).limit(limit))


def counts(connection: Connection) -> dict[DeliveryState, int]:
    some = deliveries.c.state.in_([state.value for state in OPEN])
    query = select(deliveries.c.state, func.count()).where(some).group_by(deliveries.c.state)
    found = {DeliveryState(state): number for state, number in connection.execute(query)}
    return {state: found.get(state, 0) for state in OPEN}


def offer_again(connection: Connection, ids: Collection[int] | None, now: float) -> list[int]:
    """A person's wish: these, or all dead letters, are due now, and what was in doubt is not any more."""
    fresh = {
        **FREE,
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "doubt": 0,
        "due_at": now,
        "offered_at": now,
        "done_at": None,
    }
    return _change(connection, ids, fresh, now)


def drop(connection: Connection, ids: Collection[int] | None, now: float) -> list[int]:
    """A person's wish: these, or all dead letters, are not sent."""
    return _change(connection, ids, {**FREE, "state": DeliveryState.DROPPED.value, "done_at": now}, now)


def _change(connection: Connection, ids: Collection[int] | None, values: dict[str, Any], now: float) -> list[int]:
    """Of the named ones also those that wait, unless a sender has them in hand."""
    which: ColumnElement[bool] = deliveries.c.state.in_([state.value for state in DEAD])
    if ids is not None:
        idle = and_(_waiting, or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= now))
        which = and_(or_(which, idle), deliveries.c.id.in_(ids))
    changed = connection.execute(update(deliveries).where(which).values(values).returning(deliveries.c.id))
    return sorted(changed.scalars())


def _all() -> Select[Any]:
    columns = [column for column in deliveries.c if column.name not in ("conversation_id", "seq", "attempts")]
    same = and_(entries.c.conversation_id == deliveries.c.conversation_id, entries.c.seq == deliveries.c.seq)
    tried = deliveries.c.attempts.label("tried")
    return (
        select(entries, *columns, tried, conversations.c.epoch, conversations.c.address, _owner, _heard_at)
        .join_from(deliveries, entries, same)
        .join(conversations, conversations.c.id == deliveries.c.conversation_id)
        .order_by(deliveries.c.id)
    )


_owner = (
    select(turns.c.owner)
    .where(
        turns.c.conversation_id == deliveries.c.conversation_id,
        turns.c.seq == func.coalesce(entries.c.reply_to, entries.c.seq),
    )
    .order_by(turns.c.id.desc())
    .limit(1)
    .scalar_subquery()
    .label("owner_then")
)
_said = entries.alias("said")
_heard_at = (
    select(_said.c.at)
    .where(_said.c.conversation_id == deliveries.c.conversation_id, _said.c.author == Author.USER.value)
    .order_by(_said.c.seq.desc())
    .limit(1)
    .scalar_subquery()
    .label("heard_at")
)


CLAIMED = _all().where(_ids)


def _read(connection: Connection, query: Select[Any]) -> list[Delivery]:
    return [_delivery(row) for row in connection.execute(query).mappings()]


def _delivery(row: rows.Row) -> Delivery:
    return Delivery(
        id=row["id"],
        channel=row["channel"],
        entry=rows.entry(row),
        epoch=row["epoch"],
        address=row["address"] or {},
        state=DeliveryState(row["state"]),
        offered_at=row["offered_at"],
        due_at=row["due_at"],
        attempts=row["tried"],
        doubt=bool(row["doubt"]),
        parts=row["parts"],
        provider_ids=tuple(row["provider_ids"] or ()),
        error=row["error"],
        owner=Owner(row["owner_then"] or Owner.BOT),
        heard_at=row["heard_at"],
    )
