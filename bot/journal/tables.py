"""The tables, once for SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    literal_column,
)
from sqlalchemy.engine import Dialect

from bot.text import dumps, loads, storable

VERSION = 9
"""Of the tables below. A change of them raises it and adds a step to `bot.journal.schema`."""


class Clean(TypeDecorator[str]):
    """Text that every database can hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else storable(value)


class JsonText(TypeDecorator[Any]):
    """JSON kept as text: written and read whole, equal on both databases."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else loads(value)


tables = MetaData()

# SQLite numbers rows by itself only if the key's type is spelled INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")


def _index_where(name: str, column: Column[Any], *columns: Column[Any], unique: bool = False) -> None:
    """An index of the rows that have a value in `column`."""
    present = column.is_not(None)
    Index(name, *columns, unique=unique, sqlite_where=present, postgresql_where=present)


about = Table(
    "frontdesk",
    tables,
    Column("version", Integer, nullable=False),
    Column("name", Text, nullable=False),  # of this journal; a cache filled from another one is not ours
    Column("collected", BigInteger, nullable=False, server_default="0"),  # the last turn that is in `utterances`
    Column("fence", BigInteger, nullable=False, server_default="0"),  # beyond those of all erased conversations
)

conversations = Table(
    "conversations",
    tables,
    Column("id", Clean, primary_key=True),
    Column("channel", Clean, nullable=False),
    Column("epoch", Text, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reason", Clean),
    Column("fence", BigInteger, nullable=False),
    Column("held_until", Double),  # by its owner, where Redis has no lease
    Column("version", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("queued_at", Double),  # set while the owner is the queue
    Column("metadata", JsonText, nullable=False),
    Column("state", JsonText, nullable=False),
    Column("address", JsonText),  # where its provider takes replies; only of channels that have to be called
)
Index("conversations_by_last", conversations.c.last_at)
# Few of many: without it whoever looks for them reads all that came later.
_not_bots = conversations.c.owner != literal_column("'bot'")
Index(
    "conversations_of_people",
    conversations.c.owner,
    conversations.c.last_at,
    sqlite_where=_not_bots,
    postgresql_where=_not_bots,
)
_index_where("conversations_queued", conversations.c.queued_at, conversations.c.queued_at)

entries = Table(
    "entries",
    tables,
    Column("conversation_id", Clean, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("author", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("text", Clean, nullable=False),
    Column("body", JsonText, nullable=False),  # the rest of the Inbound or Outbound
    Column("message_id", Clean),  # with `digest`: a customer's message
    Column("digest", Text),
    Column("reply_to", Integer),
    Column("part", Integer, nullable=False),
    Column("pending_since", Double),  # accepted and not processed
    Column("attempts", Integer, nullable=False),
    Column("failure", Clean),  # why it became a dead letter
    Column("rating", Text),
)


# The two indexes that "never lost, never twice" rests on.
_index_where(
    "entries_once",
    entries.c.message_id,
    entries.c.conversation_id,
    entries.c.message_id,
    unique=True,
)
_index_where(
    "replies_once",
    entries.c.reply_to,
    entries.c.conversation_id,
    entries.c.reply_to,
    entries.c.part,
    unique=True,
)
_index_where("entries_pending", entries.c.pending_since, entries.c.conversation_id, entries.c.seq)
_index_where("entries_dead", entries.c.failure, entries.c.conversation_id, entries.c.seq)
_index_where("entries_rated", entries.c.rating, entries.c.at)

turns = Table(
    "turns",
    tables,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", Clean, nullable=False),
    Column("seq", Integer, nullable=False),  # of the message, or of the notice
    Column("at", Double, nullable=False),
    Column("owner", Text, nullable=False),
    Column("reason", Clean),
    Column("model", Clean, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("model_seconds", Double, nullable=False),
    Column("events", JsonText, nullable=False),
)
Index("turns_by_conversation", turns.c.conversation_id, turns.c.id)

deliveries = Table(
    "deliveries",
    tables,
    Column("id", RowId, primary_key=True),
    Column("conversation_id", Clean, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("channel", Clean, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", Double, nullable=False),
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("offered_at", Double, nullable=False, server_default="0"),  # since when its provider is tried
    Column("done_at", Double),
    Column("claimed_by", Text),  # the sender that has it in hand, until ...
    Column("claimed_until", Double),
    Column("doubt", Integer, nullable=False, server_default="0"),  # 1: a call may have arrived unseen
    Column("parts", Integer, nullable=False, server_default="0"),  # calls that have arrived
    Column("provider_ids", JsonText),
    Column("error", Clean),
    sqlite_autoincrement=True,  # a sender that has an erased one in hand must not settle the next one
)


def in_states(*states: str) -> ColumnElement[bool]:
    """Deliveries in one of them, in the words of the indexes: what they are is no parameter."""
    return deliveries.c.state.in_([literal_column(f"'{state}'") for state in states])


def _deliveries_in(name: str, states: tuple[str, ...], *columns: Column[Any]) -> None:
    some = in_states(*states)
    Index(name, *columns, sqlite_where=some, postgresql_where=some)


Index("deliveries_once", deliveries.c.conversation_id, deliveries.c.seq, unique=True)
_deliveries_in("deliveries_waiting", ("waiting",), deliveries.c.conversation_id, deliveries.c.seq)
_deliveries_in("deliveries_due", ("waiting",), deliveries.c.due_at)
_deliveries_in("deliveries_dead", ("given_up", "unknown"), deliveries.c.id)

sent = Table(
    "sent",
    tables,
    Column("channel", Clean, primary_key=True),
    Column("name", Clean, primary_key=True),  # the provider's for a message of ours, or ours where it came back
    Column("conversation_id", Clean, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Double, nullable=False),
)
Index("sent_by_conversation", sent.c.conversation_id, sent.c.seq)

action_runs = Table(
    "action_runs",
    tables,
    Column("conversation_id", Clean, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("name", Clean, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("finished_at", Double),
    Column("result", JsonText),
)

spent_links = Table(
    "spent_links",
    tables,
    Column("link", Text, primary_key=True),
    Column("until", Double, nullable=False),  # when it would have been too old
)

utterances = Table(
    "utterances",
    tables,
    Column("id", RowId, primary_key=True),
    Column("source", Clean, nullable=False),  # `journal`, or what a transcript was imported as
    Column("conversation", Clean, nullable=False),
    Column("message", Clean, nullable=False),
    Column("customer", Clean),
    Column("at", Double),
    Column("text", Clean, nullable=False),  # redacted
    Column("language", Text),
    Column("asked", Clean),  # the slot that a form was waiting for
    Column("signals", JsonText, nullable=False),  # what else tells how good the answer was
    Column("intent", Clean),
    Column("confidence", Double),
    Column("verdict", Text),
    Column("model", Clean),
    sqlite_autoincrement=True,  # a page that shows an erased one must not label the next one
)
Index("utterances_once", utterances.c.source, utterances.c.conversation, utterances.c.message, unique=True)
Index("utterances_by_customer", utterances.c.customer, utterances.c.id)
Index("utterances_by_age", utterances.c.at)

reviews = Table(
    "reviews",
    tables,
    Column("id", RowId, primary_key=True),
    Column("decision", Text, nullable=False),  # one of a person's decisions; it may be about several utterances
    Column("utterance_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("label", Clean),  # the intent or article
    Column("reviewer", Clean, nullable=False),
    Column("at", Double, nullable=False),
)
Index("reviews_of_utterance", reviews.c.utterance_id, reviews.c.id)
Index("reviews_of_decision", reviews.c.decision)
