"""Makes the tables, brings old ones up to date, and refuses those of a newer Frontdesk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

from sqlalchemy import Connection, insert, inspect, select, text, update

from bot.journal.errors import CannotOpen
from bot.journal.tables import VERSION, about, tables


def _outbox(connection: Connection) -> None:
    """Version 2: conversations have an address and a hold, deliveries what a sender has to know."""
    number = _number(connection)
    _add(connection, "conversations", "address TEXT")
    _add(connection, "conversations", f"held_until {number}")
    for column in (
        "state TEXT NOT NULL DEFAULT 'waiting'",
        f"offered_at {number} NOT NULL DEFAULT '0'",
        f"done_at {number}",
        "claimed_by TEXT",
        f"claimed_until {number}",
        "doubt INTEGER NOT NULL DEFAULT '0'",
        "parts INTEGER NOT NULL DEFAULT '0'",
        "provider_ids TEXT",
        "error TEXT",
    ):
        _add(connection, "deliveries", column)
    connection.execute(text("UPDATE deliveries SET offered_at = due_at"))
    for index in (
        "UNIQUE INDEX deliveries_once ON deliveries (conversation_id, seq)",
        "INDEX deliveries_waiting ON deliveries (conversation_id, seq) WHERE state IN ('waiting')",
        "INDEX deliveries_due ON deliveries (due_at) WHERE state IN ('waiting')",
        "INDEX deliveries_dead ON deliveries (id) WHERE state IN ('given_up', 'unknown')",
    ):
        connection.execute(text(f"CREATE {index}"))


def _links(connection: Connection) -> None:
    """Version 3: the journal knows which one-time links were used."""
    columns = f"link TEXT NOT NULL, until {_number(connection)} NOT NULL, PRIMARY KEY (link)"
    connection.execute(text(f"CREATE TABLE spent_links ({columns})"))


def _utterances(connection: Connection) -> None:
    """Version 4: what customers said is kept for learning, and how far the journal was read for it."""
    number = _number(connection)
    row_id = "BIGSERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    columns = (
        f"id {row_id} NOT NULL",
        *("source TEXT NOT NULL", "conversation TEXT NOT NULL", "message TEXT NOT NULL", "customer TEXT"),
        *(f"at {number}", "text TEXT NOT NULL", "language TEXT", "asked TEXT", "signals TEXT NOT NULL"),
        *("intent TEXT", f"confidence {number}", "verdict TEXT", "model TEXT", "PRIMARY KEY (id)"),
    )
    _add(connection, "frontdesk", "collected BIGINT NOT NULL DEFAULT '0'")
    for what in (
        f"TABLE utterances ({', '.join(columns)})",
        "UNIQUE INDEX utterances_once ON utterances (source, conversation, message)",
        "INDEX utterances_by_customer ON utterances (customer, id)",
        "INDEX utterances_by_time ON utterances (source, at)",
        "INDEX entries_rated ON entries (at) WHERE rating IS NOT NULL",
    ):
        connection.execute(text(f"CREATE {what}"))


def _reviews(connection: Connection) -> None:
    """Version 5: what people decided about utterances."""
    row_id = "BIGSERIAL" if connection.dialect.name == "postgresql" else "INTEGER"
    columns = (
        *(f"id {row_id} NOT NULL", "decision TEXT NOT NULL", "utterance_id BIGINT NOT NULL", "kind TEXT NOT NULL"),
        *("label TEXT", "reviewer TEXT NOT NULL", f"at {_number(connection)} NOT NULL", "PRIMARY KEY (id)"),
    )
    for what in (
        f"TABLE reviews ({', '.join(columns)})",
        "INDEX reviews_of_utterance ON reviews (utterance_id, id)",
        "INDEX reviews_of_decision ON reviews (decision)",
    ):
        connection.execute(text(f"CREATE {what}"))


def _erasures(connection: Connection) -> None:
    """Version 6: the journal knows a fence that no erased conversation had."""
    _add(connection, "frontdesk", "fence BIGINT NOT NULL DEFAULT '0'")


def _sent(connection: Connection) -> None:
    """Version 7: the journal knows what providers call its messages."""
    columns = (
        *("channel TEXT NOT NULL", "name TEXT NOT NULL", "conversation_id TEXT NOT NULL", "seq INTEGER NOT NULL"),
        *(f"at {_number(connection)} NOT NULL", "PRIMARY KEY (channel, name)"),
    )
    connection.execute(text(f"CREATE TABLE sent ({', '.join(columns)})"))
    connection.execute(text("CREATE INDEX sent_by_conversation ON sent (conversation_id, seq)"))


def _many(connection: Connection) -> None:
    """Version 8: in a journal of many conversations those that people have, and what is too old, are found at once."""
    for what in (
        "CREATE INDEX conversations_of_people ON conversations (owner, last_at) WHERE owner != 'bot'",
        "DROP INDEX utterances_by_time",
        "CREATE INDEX utterances_by_age ON utterances (at)",
    ):
        connection.execute(text(what))


def _never_again(connection: Connection) -> None:
    """Version 9: SQLite, too, gives the number of an erased utterance or delivery to no later one."""
    if connection.dialect.name == "postgresql":
        return
    numbered = "id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    said = (
        *("source TEXT NOT NULL", "conversation TEXT NOT NULL", "message TEXT NOT NULL", "customer TEXT"),
        *("at DOUBLE", "text TEXT NOT NULL", "language TEXT", "asked TEXT", "signals TEXT NOT NULL"),
        *("intent TEXT", "confidence DOUBLE", "verdict TEXT", "model TEXT"),
    )
    to_send = (
        *("conversation_id TEXT NOT NULL", "seq INTEGER NOT NULL", "channel TEXT NOT NULL"),
        *("attempts INTEGER NOT NULL", "due_at DOUBLE NOT NULL", "state TEXT NOT NULL DEFAULT 'waiting'"),
        *("offered_at DOUBLE NOT NULL DEFAULT '0'", "done_at DOUBLE", "claimed_by TEXT", "claimed_until DOUBLE"),
        *("doubt INTEGER NOT NULL DEFAULT '0'", "parts INTEGER NOT NULL DEFAULT '0'", "provider_ids TEXT"),
        "error TEXT",
    )
    _rebuild(connection, "utterances", (numbered, *said))
    _rebuild(connection, "deliveries", (numbered, *to_send))


def _rebuild(connection: Connection, table: str, columns: Sequence[str]) -> None:
    """Of SQLite, which cannot alter a key: the rows in a new table, with the same indexes."""
    of_table = text("SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL")
    indexes = list(connection.execute(of_table, {"name": table}).scalars())
    names = ", ".join(column.partition(" ")[0] for column in columns)
    for what in (
        f"CREATE TABLE rebuilt ({', '.join(columns)})",
        f"INSERT INTO rebuilt ({names}) SELECT {names} FROM {table}",  # noqa: S608  our own words
        f"DROP TABLE {table}",
        f"ALTER TABLE rebuilt RENAME TO {table}",
        *indexes,
    ):
        connection.exec_driver_sql(what)


def _number(connection: Connection) -> str:
    return "DOUBLE PRECISION" if connection.dialect.name == "postgresql" else "DOUBLE"


def _add(connection: Connection, table: str, column: str) -> None:
    connection.execute(text(f"ALTER TABLE {table} ADD COLUMN {column}"))


STEPS: tuple[Callable[[Connection], None], ...] = (
    *(_outbox, _links, _utterances, _reviews, _erasures, _sent, _many),
    _never_again,
)
"""`STEPS[n]` turns the tables of version n + 1 into those of version n + 2. They spell their SQL: `tables` moves on."""

LOCK = 0x46726F6E74  # any number, the same in every process


def prepare(connection: Connection) -> str:
    """Brings the schema to this version, one process at a time; returns the journal's name."""
    if connection.dialect.name == "postgresql":  # whoever comes second waits, however long the first one takes
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    if not inspect(connection).has_table(about.name):
        tables.create_all(connection, checkfirst=False)
        connection.execute(insert(about).values(version=VERSION, name=uuid4().hex))
    version, name = connection.execute(select(about.c.version, about.c.name)).one()
    if version > VERSION:
        raise CannotOpen(
            f"The database was written by a newer Frontdesk (schema {version}, this one knows {VERSION}): "
            "install that version, or point DATABASE_URL or FRONTDESK_HOME at another database."
        )
    if version < VERSION:
        for step in STEPS[version - 1 :]:
            step(connection)
        connection.execute(update(about).values(version=VERSION))
    return str(name)
