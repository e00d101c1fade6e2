"""Rows to values and back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from bot.journal.values import Conversation, Waiting
from bot.messages import Author, Entry, Inbound, Json, Outbound, Owner

T = TypeVar("T")
Row = Mapping[Any, Any]
_AT_ONCE = 500
"""Values in one list: databases have limits."""
IN_COLUMNS = {"text", "author"}
"""Fields of an Outbound that have columns of their own."""


def lists(values: Collection[T]) -> Iterator[list[T]]:
    every = list(values)
    return (every[start : start + _AT_ONCE] for start in range(0, len(every), _AT_ONCE))


def conversation(row: Row) -> Conversation:
    known = {name: value for name, value in row.items() if name != "held_until"}
    return Conversation(**{**known, "owner": Owner(row["owner"])})


def entry(row: Row) -> Entry:
    return Entry(
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        author=Author(row["author"]),
        at=row["at"],
        message=_message(row),
        message_id=row["message_id"],
        reply_to=row["reply_to"],
        part=row["part"],
        rating=row.get("rating"),  # a new one has none
    )


def _message(row: Row) -> Outbound:
    if row["message_id"] is not None:
        return Outbound(text=row["text"], author=Author.USER)
    return Outbound.from_json({**row["body"], "text": row["text"], "author": row["author"]})


def waiting(row: Row) -> Waiting:
    inbound = Inbound(row["conversation_id"], row["message_id"], row["text"], at=row["at"], **row["body"])
    return Waiting(row["seq"], inbound)


def from_inbound(inbound: Inbound, seq: int, now: float) -> Json:
    return {
        "conversation_id": inbound.conversation_id,
        "seq": seq,
        "author": Author.USER.value,
        "at": inbound.at,
        "text": inbound.text,
        "body": {"channel": inbound.channel, "payload": inbound.payload, "metadata": inbound.metadata},
        "message_id": inbound.message_id,
        "digest": inbound.digest(),
        "reply_to": None,
        "part": 0,
        "pending_since": now,
        "attempts": 0,
    }


def from_outbound(entry: Entry) -> Json:
    return {
        "conversation_id": entry.conversation_id,
        "seq": entry.seq,
        "author": entry.author.value,
        "at": entry.at,
        "text": entry.message.text,
        "body": _body(entry.message),
        "message_id": None,
        "digest": None,
        "reply_to": entry.reply_to,
        "part": entry.part,
        "pending_since": None,
        "attempts": 0,
    }


def _body(message: Outbound) -> dict[str, Any]:
    return {key: value for key, value in message.to_json().items() if value and key not in IN_COLUMNS}
