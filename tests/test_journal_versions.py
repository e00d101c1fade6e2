"""Databases of earlier versions: each is brought up to date and keeps what it holds."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from bot.journal import schema
from bot.journal.journal import Journal
from bot.journal.schema import STEPS
from bot.journal.tables import VERSION
from bot.journal.values import DeliveryState, Whose
from bot.messages import Inbound, Outbound, Owner, Turn
from tests.conftest import PostgresServer
from tests.seer import said

# What version 1 wrote, spelled out: it must not follow today's tables.
VERSION_1 = """
CREATE TABLE frontdesk (version INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE conversations (id TEXT NOT NULL PRIMARY KEY, channel TEXT NOT NULL, epoch TEXT NOT NULL,
  last_seq INTEGER NOT NULL,
  owner TEXT NOT NULL, reason TEXT, fence BIGINT NOT NULL, version INTEGER NOT NULL,
  created_at DOUBLE PRECISION NOT NULL, last_at DOUBLE PRECISION NOT NULL, queued_at DOUBLE PRECISION,
  metadata TEXT NOT NULL, state TEXT NOT NULL);
CREATE INDEX conversations_by_last ON conversations (last_at);
CREATE INDEX conversations_queued ON conversations (queued_at) WHERE queued_at IS NOT NULL;
CREATE TABLE entries (conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, author TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL, text TEXT NOT NULL, body TEXT NOT NULL, message_id TEXT, digest TEXT,
  reply_to INTEGER, part INTEGER NOT NULL, pending_since DOUBLE PRECISION, attempts INTEGER NOT NULL, failure TEXT,
  rating TEXT, PRIMARY KEY (conversation_id, seq));
CREATE UNIQUE INDEX entries_once ON entries (conversation_id, message_id) WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX replies_once ON entries (conversation_id, reply_to, part) WHERE reply_to IS NOT NULL;
CREATE INDEX entries_pending ON entries (conversation_id, seq) WHERE pending_since IS NOT NULL;
CREATE INDEX entries_dead ON entries (conversation_id, seq) WHERE failure IS NOT NULL;
CREATE TABLE turns (id ROWID NOT NULL PRIMARY KEY, conversation_id TEXT NOT NULL, seq INTEGER NOT NULL,
  at DOUBLE PRECISION NOT NULL, owner TEXT NOT NULL, reason TEXT, model TEXT NOT NULL,
  seconds DOUBLE PRECISION NOT NULL, model_seconds DOUBLE PRECISION NOT NULL, events TEXT NOT NULL);
CREATE INDEX turns_by_conversation ON turns (conversation_id, id);
CREATE TABLE deliveries (id ROWID NOT NULL PRIMARY KEY, conversation_id TEXT NOT NULL, seq INTEGER NOT NULL,
  channel TEXT NOT NULL, attempts INTEGER NOT NULL, due_at DOUBLE PRECISION NOT NULL);
CREATE TABLE action_runs (conversation_id TEXT NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, name TEXT NOT NULL,
  started_at DOUBLE PRECISION NOT NULL, finished_at DOUBLE PRECISION, result TEXT,
  PRIMARY KEY (conversation_id, seq, n));
INSERT INTO frontdesk VALUES (1, 'the journal');
INSERT INTO conversations VALUES ('c1', 'web', 'e1', 2, 'queue', 'crash', 3, 1, 10, 20, 20, '{}', '{"n":1}');
INSERT INTO entries VALUES ('c1', 1, 'user', 10, 'hello', '{"channel":"web","payload":null,"metadata":{}}', 'm1',
  'digest', NULL, 0, 10, 0, NULL, NULL);
INSERT INTO entries VALUES ('c1', 2, 'bot', 20, 'a person comes', '{}', NULL, NULL, NULL, 0, NULL, 0, NULL, NULL);
INSERT INTO deliveries (conversation_id, seq, channel, attempts, due_at) VALUES ('c1', 2, 'signed', 0, 20);
"""


def raw(url: str) -> Any:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def write_version_1(url: str) -> None:
    row_id = "BIGSERIAL" if url.startswith("postgresql") else "INTEGER"
    with raw(url).begin() as connection:
        for statement in VERSION_1.replace("ROWID", row_id).split(";\n"):
            if statement.strip():
                connection.execute(text(statement.replace(":", r"\:")))


def shape(connection: Connection) -> dict[str, Any]:
    """Columns and indexes of every table, in the words of both databases."""
    seen = inspect(connection)
    return {
        table: (
            {column["name"]: column["nullable"] for column in seen.get_columns(table)},
            {index["name"]: (index["column_names"], bool(index["unique"])) for index in seen.get_indexes(table)},
        )
        for table in seen.get_table_names()
    }


async def test_a_database_of_version_1_keeps_what_it_holds(database_url: str) -> None:
    write_version_1(database_url)

    async with await Journal.open(database_url) as journal:
        assert journal.name == "the journal"
        conversation = await journal.conversation("c1")
        assert conversation is not None
        assert (conversation.owner, conversation.state, conversation.address) == (Owner.QUEUE, {"n": 1}, None)
        (delivery,) = await journal.deliveries()
        assert (delivery.entry.message.text, delivery.state, delivery.offered_at) == (
            "a person comes",
            DeliveryState.WAITING,
            20,
        )
        (waiting,) = await journal.waiting("c1")
        await journal.commit(Turn(waiting.inbound, 1, (), (Outbound("here"),), Owner.BOT), 3)
        begun = Inbound("c2", "m1", "hi", "signed", 1.0, address={"to": "c2"})
        await journal.accept(begun)
        await journal.commit(Turn(begun, 1, (), (Outbound("here"),), Owner.BOT), 0)
        assert len(await journal.deliveries()) == 2


async def test_a_number_that_was_erased_is_not_given_again(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in a database of version 8, whose rows keep theirs."""
    write_version_1(database_url)
    with monkeypatch.context() as before:
        before.setattr(schema, "VERSION", 8)
        before.setattr(schema, "STEPS", STEPS[:7])
        async with await Journal.open(database_url) as journal:
            await journal.keep_utterances([said("one", 1), said("two", 2)])
            kept = await journal.newest_utterances()
    async with await Journal.open(database_url) as journal:
        assert await journal.newest_utterances() == kept
        (delivery,) = await journal.deliveries()
        await journal.erase(Whose(("c1", "c2"), customers=("c1", "c2")))
        await journal.keep_utterances([said("three", 3)])
        (later,) = await journal.newest_utterances()
        assert later.id > max(one.id for one in kept)

        begun = Inbound("c1", "m1", "hi", "signed", 1.0, address={"to": "c1"})
        await journal.accept(begun)
        await journal.commit(Turn(begun, 1, (), (Outbound("here"),), Owner.BOT), 4)
        assert [one.id > delivery.id for one in await journal.deliveries()] == [True]


async def test_a_large_database_may_take_its_time_to_be_brought_up_to_date(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else would end what takes longer, start after start."""

    def slow(connection: Connection) -> None:
        STEPS[-1](connection)
        time.sleep(0.5)
        if connection.dialect.name == "postgresql":
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "0"

    write_version_1(database_url)
    monkeypatch.setattr(schema, "STEPS", (*STEPS[:-1], slow))
    monkeypatch.setattr("bot.journal.store.PATIENCE", 0.1)
    async with await Journal.open(database_url) as journal:
        assert journal.name == "the journal"


async def test_a_server_waits_while_another_one_brings_the_database_up_to_date(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[float] = []

    def slow(connection: Connection) -> None:
        STEPS[-1](connection)
        time.sleep(1.0)
        steps.append(time.monotonic())

    url = postgres_server.new_database()
    write_version_1(url)
    monkeypatch.setattr(schema, "STEPS", (*STEPS[:-1], slow))
    monkeypatch.setattr("bot.journal.postgres.OPTIONS", "-c statement_timeout=200 -c lock_timeout=200")
    for opened in await asyncio.gather(Journal.open(url), Journal.open(url)):
        async with opened as journal:
            assert journal.name == "the journal"
    assert len(steps) == 1


async def test_a_database_brought_up_to_date_is_as_a_new_one(
    database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    write_version_1(database_url)
    new_url = f"sqlite:///{tmp_path / 'new.db'}"
    if database_url.startswith("postgresql"):
        new_url = request.getfixturevalue("postgres_server").new_database()
    for url in (database_url, new_url):
        await (await Journal.open(url)).close()

    with raw(database_url).connect() as old, raw(new_url).connect() as new:
        assert shape(old) == shape(new)
        assert old.execute(text("SELECT version FROM frontdesk")).scalar() == VERSION == len(STEPS) + 1
