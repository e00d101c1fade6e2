"""What providers call our messages, and what they tell of them later."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, and_, bindparam, insert, select, update

from bot.journal import rows
from bot.journal.tables import conversations, deliveries, entries, sent
from bot.journal.values import Arrival, DeliveryState, Receipt

_UNSURE = (DeliveryState.WAITING.value, DeliveryState.UNKNOWN.value)
"""Whether a call of it arrived may still be in doubt."""


_named = (bindparam("on", type_=sent.c.channel.type), bindparam("named", type_=sent.c.name.type))
_known = select(sent.c.name).where(sent.c.channel == _named[0], sent.c.name == _named[1]).exists()
KNOWN = select(_known)
REMEMBER = insert(sent).from_select(
    (sent.c.channel, sent.c.name, sent.c.conversation_id, sent.c.seq, sent.c.at),
    select(
        *_named,
        bindparam("conversation", type_=sent.c.conversation_id.type),
        bindparam("number", type_=sent.c.seq.type),
        bindparam("now", type_=sent.c.at.type),
    ).where(~_known),
)


def remember(connection: Connection, whose: rows.Row, names: Collection[str], now: float) -> None:
    """The names under which a provider keeps an entry; `whose` has its channel, conversation and number."""
    about = {"on": whose["channel"], "conversation": whose["conversation_id"], "number": whose["seq"], "now": now}
    for name in names:
        connection.execute(REMEMBER, {**about, "named": name})


def came_back(connection: Connection, channel: str, key: str) -> bool:
    return bool(connection.execute(KNOWN, {"on": channel, "named": key}).scalar())


def arrived(connection: Connection, delivery_id: int, now: float) -> None:
    """The call that nobody knew about did arrive: what is left of the delivery goes on."""
    values = {
        "state": DeliveryState.WAITING.value,
        "doubt": 0,
        "parts": deliveries.c.parts + 1,
        "due_at": now,
        "done_at": None,
        "error": None,
        "claimed_by": None,
        "claimed_until": None,
    }
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(values))


def note(connection: Connection, channel: str, receipt: Receipt, now: float) -> bool:
    """Whether it is about a message of ours."""
    found = _by_key(connection, channel, receipt, now) if receipt.key else _by_name(connection, channel, receipt)
    if found is None:
        return False
    if receipt.arrival is Arrival.FAILED:
        failed = {"state": DeliveryState.GIVEN_UP.value, "error": receipt.error, "done_at": now}
        ended = deliveries.c.state.in_([DeliveryState.DELIVERED.value, DeliveryState.UNKNOWN.value])
        connection.execute(update(deliveries).where(deliveries.c.id == found["id"], ended).values(failed))
    elif found["state"] == DeliveryState.UNKNOWN.value and receipt.key and _part(receipt.key) == found["parts"]:
        arrived(connection, found["id"], now)
    return True


def _by_name(connection: Connection, channel: str, receipt: Receipt) -> rows.Row | None:
    mine = and_(sent.c.channel == channel, sent.c.name == receipt.provider_id)
    row = connection.execute(select(sent.c.conversation_id, sent.c.seq).where(mine)).first()
    return _delivery(connection, row.conversation_id, row.seq) if row else None


def _by_key(connection: Connection, channel: str, receipt: Receipt, now: float) -> rows.Row | None:
    """A key that is not of the conversation's own log is nobody's."""
    epoch, _, rest = str(receipt.key).partition("-")
    seq = rest.partition("-")[0]
    mine = and_(conversations.c.id == receipt.conversation_id, conversations.c.epoch == epoch)
    row = connection.execute(select(conversations.c.id).where(mine)).first()
    if row is None or not seq.isascii() or not seq.isdigit() or len(seq) > 9:
        return None
    found = _delivery(connection, row.id, int(seq))
    if found is not None and found["state"] in _UNSURE and receipt.arrival is not Arrival.FAILED:
        names = [name for name in (receipt.key, receipt.provider_id) if name]
        remember(connection, {"channel": channel, "conversation_id": row.id, "seq": int(seq)}, names, now)
    return found


def _delivery(connection: Connection, conversation_id: str, seq: int) -> rows.Row | None:
    mine = and_(deliveries.c.conversation_id == conversation_id, deliveries.c.seq == seq)
    columns = (deliveries.c.id, deliveries.c.state, deliveries.c.parts)
    return connection.execute(select(*columns).where(mine)).mappings().first()


def _part(key: str) -> int:
    part = key.rpartition("-")[2]
    return int(part) if part.isascii() and part.isdigit() and len(part) < 9 else -1


def rate(connection: Connection, channel: str, provider_id: str, value: str | None) -> tuple[str, int] | None:
    """The conversation and number of the entry that was rated; None if it is not one of ours."""
    mine = and_(sent.c.channel == channel, sent.c.name == provider_id)
    row = connection.execute(select(sent.c.conversation_id, sent.c.seq).where(mine)).first()
    if row is None:
        return None
    this = and_(entries.c.conversation_id == row.conversation_id, entries.c.seq == row.seq)
    connection.execute(update(entries).where(this).values(rating=value))
    return row.conversation_id, row.seq
