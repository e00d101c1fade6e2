"""PostgreSQL: a few threads, one transaction for each job, repeated where the database asks for it."""

from __future__ import annotations

import random
from asyncio import get_running_loop, to_thread
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Self

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError

from bot.journal.errors import CannotOpen, Unavailable
from bot.journal.store import Job, T, patiently

THREADS = 8
QUEUE = 4096
"""Jobs that may wait; more are refused at once."""
TRIES = 8
AGAIN = {"40001", "40P01", "23505"}
"""Serialization failure, deadlock, and two that stored the same at once: the second try sees what the first stored."""
OPTIONS = "-c statement_timeout=8000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=10000"
CONNECT: dict[str, str | int] = {
    "connect_timeout": 3,
    "options": OPTIONS,
    "tcp_user_timeout": 5000,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "application_name": "frontdesk",
}
SENTENCES = {
    "53": "The database server is out of disk, memory or connections.",
    "57": "The database server is stopping or too slow.",
    "58": "The database server cannot use its disk.",
    "08": "The database server is not reachable.",
    "25006": "The database is read-only: a standby, perhaps.",
    "55P03": "The database is locked.",
    "42501": "The database's user may not do this: grant it its tables.",
}


def explained(error: DBAPIError) -> Exception:
    """The server's own failures as Unavailable; a wrong statement as it is."""
    state = _sqlstate(error)
    sentence = SENTENCES.get(state) or SENTENCES.get(state[:2])
    if sentence is None and (not state or error.connection_invalidated or state in AGAIN):
        sentence = "The database server is not reachable, or too busy."
    if sentence is None:
        return error
    unavailable = Unavailable(sentence)
    unavailable.__cause__ = error.orig
    return unavailable


def _sqlstate(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


class PostgresStore:
    """Opened and closed by the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._threads = ThreadPoolExecutor(THREADS, "journal")
        self._waiting = 0
        self._closed = False

    @classmethod
    def open(cls, url: str) -> Self:
        """Blocks until the server answers. Raises CannotOpen."""
        try:
            address = make_url(url).set(drivername="postgresql+psycopg")
        except (ArgumentError, ValueError):
            raise CannotOpen("DATABASE_URL is not a URL such as postgresql://user:password@host/database.") from None
        options = {**CONNECT, "options": f"{OPTIONS} {address.query.get('options', '')}"}
        address = address.difference_update_query(["options"])
        engine = create_engine(address, pool_size=THREADS, max_overflow=0, connect_args=options)
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except DBAPIError as error:
            engine.dispose()
            where = address.render_as_string(hide_password=True)
            raise CannotOpen(
                f"DATABASE_URL ({where}) is not reachable: start the server or correct the URL. "
                f"It said: {str(error.orig).strip()}"
            ) from None
        return cls(engine)

    async def write(self, job: Job[T], *, durable: bool = True, urgent: bool = False, endless: bool = False) -> T:
        return await self._run(job, durable, endless=endless)

    async def read(self, job: Job[T]) -> T:
        return await self._run(job, True)

    async def scrub(self) -> bool:
        """Rewriting the tables would lock the service out: it is the administrator's, and so are WAL and backups."""
        return False

    async def close(self) -> None:
        self._closed = True
        await to_thread(self._threads.shutdown)
        await to_thread(self._engine.dispose)

    async def _run(self, job: Job[T], durable: bool, *, endless: bool = False) -> T:
        if self._closed:
            raise Unavailable("The database is closed.")
        if self._waiting >= QUEUE:
            raise Unavailable("Too many jobs are waiting for the database.")
        self._waiting += 1
        try:
            work = get_running_loop().run_in_executor(self._threads, self._transact, job, durable)
            return await patiently(work, endless=endless)
        finally:
            self._waiting -= 1

    def _transact(self, job: Job[T], durable: bool) -> T:
        for remaining in reversed(range(TRIES)):
            transaction = _Transaction(self._engine, durable)
            try:
                return transaction.run(job)
            except DBAPIError as error:
                if not remaining or not transaction.may_repeat(error):
                    raise explained(error) from None
            sleep(random.uniform(0, 0.02))  # noqa: S311  no secret: those that collided part
        raise AssertionError


class _Transaction:
    """One try."""

    def __init__(self, engine: Engine, durable: bool) -> None:
        self._engine, self._durable = engine, durable
        self._committing = False

    def run(self, job: Job[T]) -> T:
        with self._engine.connect() as connection:
            if not self._durable:
                connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
            result = job(connection)
            self._committing = True
            connection.commit()
            return result

    def may_repeat(self, error: DBAPIError) -> bool:
        """A connection lost before the commit stored nothing; lost in the commit, nobody knows."""
        lost = error.connection_invalidated and not self._committing
        return lost or _sqlstate(error) in AGAIN
