"""The few statements of every message: SQLAlchemy writes each out once, and SQLite is then asked without it.

Between SQLAlchemy's call and SQLite's stand 25 µs of Python, three times what SQLite needs for all its work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import UpdateBase

Values = Mapping[str, Any]
Bound = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class Done:
    rows: Sequence[Sequence[Any]]
    """What it returns; JSON may be text still."""
    count: int
    """Rows that it changed, if it returns none."""


class Prepared:
    """An INSERT or UPDATE that is always given the same names."""

    def __init__(self, statement: UpdateBase) -> None:
        self._statement = statement
        self._written: _Written | None = None

    def run(self, connection: Connection, values: Values) -> Done:
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            return self._by_itself(connection, raw, values)
        found = connection.execute(self._statement, values)
        return Done(found.fetchall() if found.returns_rows else (), found.rowcount)

    def run_each(self, connection: Connection, rows: Sequence[Values]) -> None:
        if rows and connection.dialect.name != "sqlite":  # all in one exchange
            connection.execute(self._statement, rows)
            return
        for values in rows:
            self.run(connection, values)

    def _by_itself(self, connection: Connection, raw: sqlite3.Connection, values: Values) -> Done:
        if self._written is None:
            self._written = _Written.of(self._statement, values, connection.dialect)
        sql, parameters = self._written.sql, self._written.parameters(values)
        # Who listens to SQLAlchemy hears of these statements, too.
        connection.engine.dispatch.before_cursor_execute(connection, raw, sql, parameters, None, False)
        cursor = raw.execute(sql, parameters)
        return Done(cursor.fetchall(), cursor.rowcount)


@dataclass(frozen=True, slots=True)
class _Written:
    sql: str
    places: Sequence[tuple[str, Bound]]
    """Of each parameter its name, and what makes of a value what the driver takes."""
    constants: Values

    @classmethod
    def of(cls, statement: UpdateBase, values: Values, dialect: Dialect) -> Self:
        compiled = statement.compile(dialect=dialect, column_keys=list(values))
        assert isinstance(compiled, SQLCompiler)
        types = {name: bound.type.dialect_impl(dialect) for name, bound in compiled.binds.items()}
        places = [(name, types[name].bind_processor(dialect)) for name in compiled.positiontup or ()]
        return cls(str(compiled), places, compiled.params)

    def parameters(self, values: Values) -> Sequence[Any]:
        given = {**self.constants, **values}
        return [bound(given[name]) if bound else given[name] for name, bound in self.places]
