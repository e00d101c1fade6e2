"""Under which ids, addresses and names an object knows its customer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bot.transcripts import writers
from bot.transcripts.message import Writer

_PEOPLE = ("requester", "visitor", "customer", "contact", "contacts", "user", "end_user", "client", "lead")
_PEOPLE_IDS = ("requester_id", "visitor_id", "customer_id", "contact_id", "end_user_id", "client_id")
_EVERYBODY = ("users", "participants", "members")
"""Where each says whether they are a customer."""


def people_of(record: Mapping[str, Any]) -> Iterator[str]:
    yield from filter(None, (identity(record.get(key)) for key in _PEOPLE_IDS))
    for key in _PEOPLE:
        value = record.get(key)
        for person in _objects(value.get("contacts", value) if isinstance(value, Mapping) else value):
            yield from _names(person)
    for key in _EVERYBODY:
        for person in _objects(record.get(key)):
            kind = str(person.get("type") or person.get("role") or "")
            if writers.by_name(kind) is Writer.CUSTOMER:
                yield from _names(person)


def _names(person: Mapping[str, Any]) -> Iterator[str]:
    yield from filter(None, (identity(person.get(name)) for name in ("id", "email", "name")))


def identity(value: Any) -> str | None:
    """Of a text or a number, or of an object that has one."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _objects(value: Any) -> Iterator[Any]:
    """Of a list of objects, or of an object that holds one."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))
    elif isinstance(value, Mapping):
        yield value
