"""Removing a customer: every row that is theirs, at once, and nobody can write it back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, Text, delete, func, or_, select, type_coerce, update

from bot.customers import CUSTOMER, is_called
from bot.journal.tables import about, action_runs, conversations, deliveries, entries, reviews, turns, utterances
from bot.journal.values import OURS, Traces, Whose
from bot.messages import Json
from bot.text import dumps, storable

OF_CONVERSATION: tuple[Table, ...] = (entries, turns, deliveries, action_runs)
"""Go with the conversation that `conversation_id` names."""
OF_UTTERANCE: tuple[Table, ...] = (reviews,)
"""Go with the utterance that `utterance_id` names."""
_AT_ONCE = 500
"""Values in one list: databases have limits."""

Change = Callable[[Table, ColumnElement[bool]], int]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A conversation of a customer whom the page vouched for, with what it said of them."""

    conversation_id: str
    claims: Json


def named(connection: Connection, name: str) -> list[str]:
    name = storable(name)
    same = or_(conversations.c.id == name, conversations.c.id == conversations.c.channel + "-" + name)
    return list(connection.execute(select(conversations.c.id).where(same).order_by(conversations.c.id)).scalars())


def signed_in(connection: Connection, name: str) -> list[SignedIn]:
    """The whole log is read for it: a page may sign its customer in at any message."""
    found = {(one.conversation_id, dumps(one.claims)): one for one in _vouched(connection, name)}
    return [one for one in found.values() if is_called(one.claims, name)]


def _vouched(connection: Connection, name: str) -> Iterator[SignedIn]:
    began = select(conversations.c.id, conversations.c.metadata).where(_holds(conversations.c.metadata, name))
    said = select(entries.c.conversation_id, entries.c.body).where(_holds(entries.c.body, name))
    for conversation_id, metadata in connection.execute(began):
        yield SignedIn(conversation_id, metadata.get(CUSTOMER) or {})
    for conversation_id, body in connection.execute(said):
        yield SignedIn(conversation_id, (body.get("metadata") or {}).get(CUSTOMER) or {})


def _holds(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """A sieve for JSON that may name the customer; databases know the lower case of ASCII alone."""
    words = func.lower(type_coerce(column, Text))
    wanted = dumps(name.strip()).lower() if name.isascii() else f'"{CUSTOMER}":'
    return words.contains(wanted, autoescape=True)


def traces(connection: Connection, whose: Whose) -> Traces:
    """What `erase` would remove."""

    def count(table: Table, which: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()

    return _through(connection, whose, count)


def erase(connection: Connection, whose: Whose) -> Traces:
    """In one transaction. The journal's own row comes first: whoever collects does so before or after."""

    def remove(table: Table, which: ColumnElement[bool]) -> int:
        return connection.execute(delete(table).where(which)).rowcount

    _shut_out(connection, whose.conversations)
    gone = _through(connection, whose, remove)
    _lower_mark(connection)
    return gone


def _shut_out(connection: Connection, names: Sequence[str]) -> None:
    """A conversation that begins anew under one of the names has a fence that nobody at work on the old one has."""
    highest = connection.execute(select(about.c.fence).with_for_update()).scalar_one()
    for some in _lists(names):
        locked = select(conversations.c.fence).where(conversations.c.id.in_(some)).with_for_update()
        highest = max([highest, *connection.execute(locked).scalars()])
    connection.execute(update(about).values(fence=highest + 1))


def _through(connection: Connection, whose: Whose, change: Change) -> Traces:
    """Conversations first: what a turn was just writing to one is there when its other rows are looked for."""
    rows: dict[str, int] = {}

    def apply(table: Table, column: ColumnElement[Any], values: Collection[Any]) -> None:
        rows[str(table.name)] = sum(change(table, column.in_(some)) for some in _lists(values))

    apply(conversations, conversations.c.id, whose.conversations)
    for table in OF_CONVERSATION:
        apply(table, table.c.conversation_id, whose.conversations)
    said = _utterances(connection, whose)
    apply(utterances, utterances.c.id, said)
    for table in OF_UTTERANCE:
        apply(table, table.c.utterance_id, said)
    told = list(said.values())
    return Traces(rows, tuple(tuple(row[:3]) for row in told), frozenset(row.text for row in told))


def _lists(values: Collection[Any]) -> Iterator[list[Any]]:
    every = list(values)
    return (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))


def _utterances(connection: Connection, whose: Whose) -> dict[int, Any]:
    columns = (utterances.c.source, utterances.c.conversation, utterances.c.message, utterances.c.text, utterances.c.id)
    found: dict[int, Any] = {}
    of_customer, of_conversation = utterances.c.customer, utterances.c.conversation
    for which, names in (
        ((of_customer,), whose.customers),
        ((of_conversation, utterances.c.source == OURS), whose.conversations),
    ):
        for some in _lists(names):
            query = select(*columns).where(which[0].in_(some), *which[1:])
            found |= {row.id: row for row in connection.execute(query)}
    return found


def _lower_mark(connection: Connection) -> None:
    """SQLite gives the numbers of the last turns again once these are gone: what comes has to be collected too."""
    if connection.dialect.name == "sqlite":
        last = connection.execute(select(func.coalesce(func.max(turns.c.id), 0))).scalar_one()
        connection.execute(update(about).where(about.c.collected > last).values(collected=last))
