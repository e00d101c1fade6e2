"""Removing a customer: every row that is theirs, at once, and nobody can write it back."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)

from bot.customers import CUSTOMER, is_called
from bot.journal.rows import lists
from bot.journal.tables import about, action_runs, conversations, deliveries, entries, reviews, sent, turns, utterances
from bot.journal.values import APART, OURS, Traces, Whose
from bot.messages import Json
from bot.text import dumps, storable

OF_CONVERSATION: tuple[Table, ...] = (entries, turns, deliveries, sent, action_runs)
"""Go with the conversation that `conversation_id` names."""
OF_UTTERANCE: tuple[Table, ...] = (reviews,)
"""Go with the utterance that `utterance_id` names."""
_ASCII = re.compile(r"[\x20-\x7e]+")

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
    longest = max(_ASCII.findall(dumps(name.strip())), key=len)
    return and_(words.contains(f'"{CUSTOMER}":'), words.contains(longest.lower(), autoescape=True))


def traces(connection: Connection, whose: Whose) -> Traces:
    """What `erase` would remove."""

    def count(table: Table, which: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(table).where(which)).scalar_one()

    return _through(connection, whose, count)


def erase(connection: Connection, whose: Whose) -> Traces:
    """In one transaction."""
    shut_out(connection, conversations.c.id.in_(whose.conversations))
    gone = _through(connection, whose, lambda table, which: connection.execute(delete(table).where(which)).rowcount)
    lower_mark(connection)
    return gone


def shut_out(connection: Connection, which: ColumnElement[bool], limit: int | None = None) -> list[str]:
    """Locks the conversations, so that nobody writes to them, and returns their ids. One that begins anew under one of
    them has a fence that nobody at work on the old one has.

    The journal's own row comes first: whoever collects does so before or after.
    """
    highest = connection.execute(select(about.c.fence).with_for_update()).scalar_one()
    locked = (
        select(conversations.c.id, conversations.c.fence).where(which).order_by(conversations.c.last_at).limit(limit)
    )
    found = connection.execute(locked.with_for_update()).all()
    if found:
        connection.execute(update(about).values(fence=max(highest, *(row.fence for row in found)) + 1))
    return [row.id for row in found]


def _through(connection: Connection, whose: Whose, change: Change) -> Traces:
    rows = cleared(whose.conversations, change)
    said = _utterances(connection, whose)
    rows |= forgotten(said, change)
    told = list(said.values())
    return Traces(rows, tuple(tuple(row[:3]) for row in told), frozenset(row.text for row in told))


def cleared(names: Collection[str], change: Change) -> dict[str, int]:
    """Conversations first: what a turn was just writing to one is there when its other rows are looked for."""
    columns = [conversations.c.id, *(table.c.conversation_id for table in OF_CONVERSATION)]
    return _changed(columns, names, change)


def forgotten(ids: Collection[int], change: Change) -> dict[str, int]:
    """Utterances, and what people decided about them."""
    return _changed([utterances.c.id, *(table.c.utterance_id for table in OF_UTTERANCE)], ids, change)


def _changed(columns: Sequence[Column[Any]], values: Collection[Any], change: Change) -> dict[str, int]:
    return {
        str(column.table.name): sum(change(column.table, column.in_(some)) for some in lists(values))
        for column in columns
    }


def _utterances(connection: Connection, whose: Whose) -> dict[int, Any]:
    columns = (utterances.c.source, utterances.c.conversation, utterances.c.message, utterances.c.text, utterances.c.id)
    found = (connection.execute(select(*columns).where(which)) for which in _said_by(whose))
    return {row.id: row for rows in found for row in rows}


def _said_by(whose: Whose) -> Iterator[ColumnElement[bool]]:
    said_here, where = utterances.c.source == OURS, utterances.c.conversation
    for some in lists(whose.customers):
        yield utterances.c.customer.in_(some)
    for some in lists(whose.conversations):
        yield and_(said_here, where.in_(some))
    for name in whose.conversations:
        yield and_(said_here, where.startswith(name + APART, autoescape=True))


def lower_mark(connection: Connection) -> None:
    """SQLite gives the numbers of the last turns again once these are gone: what comes has to be collected too."""
    if connection.dialect.name == "sqlite":
        last = connection.execute(select(func.coalesce(func.max(turns.c.id), 0))).scalar_one()
        connection.execute(update(about).where(about.c.collected > last).values(collected=last))
