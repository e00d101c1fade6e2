"""What customers said, kept for learning: each utterance once, and the signals that come after it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from bot.journal.rows import Row
from bot.journal.tables import utterances
from bot.journal.values import Note, Utterance, UtteranceKey

_COLUMNS = tuple(field.name for field in fields(Utterance) if field.name != "id")
ONE = select(utterances.c.id, utterances.c.signals).where(
    utterances.c.source == bindparam("source"),
    utterances.c.conversation == bindparam("conversation"),
    utterances.c.message == bindparam("message"),
)


def keep(connection: Connection, found: Sequence[Utterance]) -> int:
    """Adds those that are not there; returns how many these were."""
    if not found:
        return 0
    rows = [{name: getattr(utterance, name) for name in _COLUMNS} for utterance in found]
    once = _insert(connection, utterances).on_conflict_do_nothing().returning(utterances.c.id)
    return len(connection.execute(once, rows).all())


def _insert(connection: Connection, table: Table) -> Any:
    """Both say it in the same words, each in its own class."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table)


def known(connection: Connection, keys: Collection[UtteranceKey]) -> set[UtteranceKey]:
    """Those of the keys that are there. One after another: for a list of keys SQLite would read the whole table."""
    return {key for key in keys if connection.execute(ONE, _named(key)).first()}


def note(connection: Connection, notes: Iterable[Note]) -> None:
    """Of an utterance that is not there a note is dropped."""
    for one in notes:
        row = connection.execute(ONE, _named(one.key)).first()
        if row is not None:
            merged = {name: value for name, value in {**row.signals, **one.signals}.items() if value is not None}
            if merged != row.signals:
                connection.execute(update(utterances).where(utterances.c.id == row.id).values(signals=merged))


def _named(key: UtteranceKey) -> dict[str, str]:
    return dict(zip(("source", "conversation", "message"), key, strict=True))


def counts(connection: Connection) -> dict[str, int]:
    """How many there are of each source."""
    query = select(utterances.c.source, func.count()).group_by(utterances.c.source).order_by(utterances.c.source)
    return {row.source: row[1] for row in connection.execute(query)}


def newest(connection: Connection, limit: int, before: int | None) -> list[Utterance]:
    """The last kept first; `before` is the id of the last one seen."""
    earlier = true() if before is None else utterances.c.id < before
    query = select(utterances).where(earlier).order_by(utterances.c.id.desc()).limit(limit)
    return [as_utterance(row) for row in connection.execute(query).mappings()]


def of_customer(connection: Connection, customer: str) -> list[Utterance]:
    """In the order in which they were kept."""
    query = select(utterances).where(utterances.c.customer == customer).order_by(utterances.c.id)
    return [as_utterance(row) for row in connection.execute(query).mappings()]


def rated(connection: Connection, source: str, since: float) -> list[Utterance]:
    """Those said since then that have a thumb."""
    some = (utterances.c.source == source, utterances.c.at >= since)
    query = select(utterances).where(*some).order_by(utterances.c.id)
    return [as_utterance(row) for row in connection.execute(query).mappings() if "rating" in row["signals"]]


def as_utterance(row: Row) -> Utterance:
    return Utterance(**row)
