"""Who wrote a message: a customer, the shop's side, or somebody of whom nobody knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.transcripts import columns
from bot.transcripts.message import Way, Writer

_CUSTOMER_NAMES = """
    customer customers user visitor client enduser human guest contact contacts incoming inbound in received
    requester lead consumer shopper buyer caller patient passenger subscriber cust kunde kundin besucher cliente
    visiteur me you
"""
_CUSTOMERS = frozenset(_CUSTOMER_NAMES.split())
_STAFF_NAMES = """
    agent agents bot chatbot assistant admin administrator operator support system staff outgoing outbound out sent
    trigger automation automated team teammate representative rep employee advisor moderator ai auto model llm gpt
    csr service helpdesk mitarbeiter agente conseiller note internal template activity
"""
_STAFF = frozenset(_STAFF_NAMES.split())
_NO_WRITER = frozenset(
    {"message", "text", "chat", "chatmsg", "comment", "msg", "chatmessage", "event", "part", "reply"}
)
"""Values of a column `type` that say what it is, not who wrote it."""
_WORD = re.compile(r"[^\W\d_]+")
_YES, _NO = frozenset({"true", "1", "yes", "y"}), frozenset({"false", "0", "no", "n"})
_NUMBERED = {"0": Writer.CUSTOMER, "1": Writer.STAFF, "2": Writer.STAFF, "3": Writer.STAFF}
"""Chatwoot's `message_type`."""


def by_name(name: str, customers: frozenset[str] = frozenset()) -> Writer:
    """`customers` are names that the person or the transcript gives, in lower case."""
    lower = name.strip().casefold()
    if lower in customers:
        return Writer.CUSTOMER
    words = {*_WORD.findall(lower), columns.bare(name)}
    if words & _STAFF:
        return Writer.STAFF
    return Writer.CUSTOMER if words & _CUSTOMERS else Writer.UNKNOWN


def by_address(address: str, own: frozenset[str]) -> Writer:
    """`own` are the shop's addresses and domains."""
    lower = address.strip().casefold()
    return Writer.STAFF if lower in own or lower.rpartition("@")[2] in own else Writer.CUSTOMER


def of_record(record: Mapping[str, Any], way: Way, known: frozenset[str] = frozenset()) -> tuple[Writer, str]:
    """The writer, and the name that the record has for them. Without any column of writers they are customers.

    `known` are the ids and names of the conversation's customer: who is another one is the shop's.
    """
    strange = ""
    for column in columns.found("author", record, way.columns):
        value = _value(record[column])
        if not value or columns.bare(value) in _NO_WRITER:
            continue
        writer = _writer(column, value, way, known)
        if writer is Writer.CUSTOMER and value.casefold() == "user" and _says_staff(record, way):
            return Writer.STAFF, value
        if writer is not Writer.UNKNOWN:
            return writer, value
        if columns.bare(column) not in columns.WEAK or "author" in way.columns:
            strange = strange or value
    return (_by_flag(record) or (Writer.UNKNOWN if strange else Writer.CUSTOMER)), strange


def _says_staff(record: Mapping[str, Any], way: Way) -> bool:
    """Some call their agents users: then another column tells."""
    strong = (name for name in columns.found("author", record, way.columns) if columns.bare(name) not in columns.WEAK)
    return any(by_name(_value(record[name])) is Writer.STAFF for name in strong)


def _writer(column: str, value: str, way: Way, known: frozenset[str]) -> Writer:
    if columns.bare(column) == "messagetype" and value in _NUMBERED:
        return _NUMBERED[value]
    writer = by_name(value, way.customers | known)
    if writer is not Writer.UNKNOWN or columns.bare(column) in columns.WEAK:
        return writer
    if way.own and "@" in value:
        return by_address(value, way.own)
    return Writer.STAFF if known else writer


def _by_flag(record: Mapping[str, Any]) -> Writer | None:
    for column, value in record.items():
        means = columns.BARE_FLAGS.get(columns.bare(column))
        said = str(value).strip().casefold()
        if means is not None and said in _YES | _NO:
            return Writer.CUSTOMER if means == (said in _YES) else Writer.STAFF
    return None


def _value(value: Any) -> str:
    """Of `{"type": "user", "name": "Ada"}` the type."""
    if isinstance(value, Mapping):
        for key in ("type", "role", "kind", "sender_type", "name", "email", "id"):
            if value.get(key) not in (None, ""):
                return str(value[key])
        return ""
    return "" if value is None or isinstance(value, bool | list) else str(value)
