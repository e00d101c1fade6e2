"""The demo shop's database: made and filled at first use, one transaction at a time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from actions import demo_shop
from actions.dates import today
from actions.shop import Shop
from actions.tables import answers, metadata


class Database:
    """Hands out the shop, one transaction at a time. Safe to use from several threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._day: date | None = None

    @contextmanager
    def reading(self) -> Iterator[Shop]:
        self._keep_fresh()
        with self._engine.connect() as connection:
            yield Shop(connection)

    def once(self, key: str | None, change: Callable[[Shop], dict[str, Any]]) -> dict[str, Any]:
        """Makes a change and stores its answer in one transaction; the same key again only returns the answer."""
        self._keep_fresh()
        if key is None:
            with self._engine.begin() as connection:
                return change(Shop(connection, changing=True))
        try:
            with self._engine.begin() as connection:
                # First, so that a second call with the key waits here for the first one's commit.
                connection.execute(insert(answers).values(key=key, at=time.time()))
                answer = change(Shop(connection, changing=True))
                connection.execute(update(answers).where(answers.c.key == key).values(answer=json.dumps(answer)))
                return answer
        except IntegrityError:
            stored = self._stored(key)
            if stored is None:
                raise
            return stored

    def _keep_fresh(self) -> None:
        """Once a day, so that what nobody has touched never looks old."""
        day = today()
        if self._day != day:
            demo_shop.date_from(self._engine, day)
            self._day = day

    def _stored(self, key: str) -> dict[str, Any] | None:
        with self._engine.connect() as connection:
            found = connection.scalar(select(answers.c.answer).where(answers.c.key == key))
        stored: dict[str, Any] | None = json.loads(found) if found else None
        return stored


def shop_url() -> str:
    """`SHOP_DATABASE_URL`, else a SQLite file in Frontdesk's home folder."""
    url = os.environ.get("SHOP_DATABASE_URL")
    home = Path(os.environ.get("FRONTDESK_HOME") or ".frontdesk")
    return url or f"sqlite:///{home.absolute() / 'shop.db'}"


def the_database() -> Database:
    """The database that the settings name, opened once."""
    return open_database(shop_url())


@cache
def open_database(url: str) -> Database:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
    _create_tables(engine)
    demo_shop.fill(engine, today())
    return Database(engine)


def _create_tables(engine: Engine) -> None:
    try:
        metadata.create_all(engine)
    except (OperationalError, ProgrammingError, IntegrityError):
        metadata.create_all(engine)  # another process made a table between our look and our CREATE
