"""SQLite: one thread writes and commits in groups, a few read."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import threading
from asyncio import AbstractEventLoop, Future, get_running_loop, to_thread
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from logging import getLogger
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Self

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from bot.journal.errors import CannotOpen, Unavailable
from bot.journal.jobs import Jobs, Queued
from bot.journal.store import Job, T, patiently

GROUP = 64
"""Jobs in one commit: one fsync serves them all."""
QUEUE = 4096
"""Jobs that may wait; more are refused at once."""
READERS = 3
CHECKPOINT_IDLE, CHECKPOINT_BUSY = 1000, 2000
"""Jobs after which the log is folded into the file: when nothing waits, and at any rate. Nobody can write meanwhile,
and it takes little longer after more jobs: they change the same pages."""
LOCK_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
SCRUB_PATIENCE = 30.0
"""Seconds to wait for a moment in which nobody reads."""

SENTENCES = {
    sqlite3.SQLITE_FULL: "The disk is full: make room where the database is.",
    sqlite3.SQLITE_IOERR: "The database's disk cannot be read or written: look at the disk.",
    sqlite3.SQLITE_READONLY: "The database is read-only: give the service write access to its folder.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened: look at the folder's permissions.",
    sqlite3.SQLITE_BUSY: "Another process holds the database.",
    sqlite3.SQLITE_LOCKED: "Another process holds the database.",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged: restore it from a backup.",
    sqlite3.SQLITE_NOTADB: "The database file is not a database: move it away or restore it from a backup.",
    sqlite3.SQLITE_PERM: "The database file may not be opened: look at its permissions.",
    sqlite3.SQLITE_NOMEM: "The database has no memory left.",
}

logger = getLogger(__name__)


def explained(error: BaseException) -> BaseException:
    """The database's own failures as Unavailable; a job's failure as it is."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code not in SENTENCES:
        return error
    unavailable = Unavailable(SENTENCES[code])
    unavailable.__cause__ = cause
    return unavailable


class SqliteStore:
    """Opened and closed by the journal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs = Jobs(QUEUE)
        self._closed = False
        self._writer = _Writer(path)
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._readers = ThreadPoolExecutor(READERS, "journal-reader")
        self._local = threading.local()
        self._connections: list[Connection] = []

    @classmethod
    def open(cls, path: Path) -> Self:
        """Blocks for a moment. Raises CannotOpen."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
            store = cls(path)
        except OSError as error:
            raise CannotOpen(
                f"The conversation log {path} cannot be written ({error.strerror}): make its folder writable, "
                "or set FRONTDESK_HOME to a folder that is."
            ) from None
        except (sqlite3.Error, Unavailable) as error:
            sentence = explained(error)
            raise CannotOpen(f"The conversation log {path} cannot be used. {sentence}") from error
        store._thread.start()
        return store

    async def write(self, job: Job[T], *, durable: bool = True, urgent: bool = False, endless: bool = False) -> T:
        loop = get_running_loop()
        waiting = Queued(job, durable, urgent, loop, loop.create_future())
        if self._closed:
            raise Unavailable("The database is closed.")
        if not self._jobs.put(waiting):
            raise Unavailable("Too many writes are waiting for the database.")
        result: T = await patiently(waiting.future, endless=endless)
        return result

    async def read(self, job: Job[T]) -> T:
        if self._closed:
            raise Unavailable("The database is closed.")
        return await patiently(get_running_loop().run_in_executor(self._readers, self._read, job))

    def _read(self, job: Job[T]) -> T:
        try:
            connection = self._reader()
            with _transaction(connection, "BEGIN"):
                return job(connection)
        except Exception as error:
            raise explained(error) from None

    def _reader(self) -> Connection:
        if not hasattr(self._local, "connection"):
            raw = _connect(self._path)
            raw.execute("PRAGMA query_only = 1")
            self._local.connection = _sqlalchemy(raw)
            self._connections.append(self._local.connection)
        connection: Connection = self._local.connection
        return connection

    async def scrub(self) -> bool:
        """Takes as long as the file is large; until then nobody can write, and who waits too long is told so."""
        try:
            await to_thread(_scrub, self._path)
        except sqlite3.Error as error:
            raise explained(error) from None
        return True

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._jobs.close()
        await to_thread(self._thread.join)
        await to_thread(self._readers.shutdown)
        for connection in self._connections:
            _close(connection)

    def _run(self) -> None:
        while self._jobs.wait():
            _settle(self._writer.commit(self._jobs))
            self._writer.checkpoint(busy=len(self._jobs) > 0)
        self._writer.close()


Outcome = tuple[Any, BaseException | None]
Settled = tuple[Queued, Outcome]


class _JobFailed(Exception):
    """One of a group did."""


class _Writer:
    """The one connection that writes; used by the writer's thread alone."""

    def __init__(self, path: Path) -> None:
        self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        self._raw = _connect(path)
        with self._alone():  # SQLite does not wait for its turn where two change the mode at once
            self._raw.execute("PRAGMA journal_mode = WAL")
        self._raw.execute("PRAGMA wal_autocheckpoint = 0")
        self._raw.execute("PRAGMA journal_size_limit = 67108864")
        self._connection = _sqlalchemy(self._raw)
        self._since_checkpoint = 0

    def commit(self, jobs: Jobs) -> list[Settled]:
        """One transaction; a job that fails undoes itself alone, a commit that fails undoes all."""
        durable = jobs.durable
        group, taken = jobs.group(GROUP, durable=durable), list[Queued]()
        try:
            with self._alone():
                self._raw.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                outcomes = self._together(group, taken)
        except Exception as error:
            taken = taken or list(group)
            outcomes = [(None, explained(error))] * len(taken)
        self._since_checkpoint += len(taken)
        return list(zip(taken, outcomes, strict=True))

    def _together(self, group: Iterator[Queued], taken: list[Queued]) -> list[Outcome]:
        """Most jobs succeed, so they are first tried without a savepoint each: every call to SQLite that is left out is
        a moment less in which this thread waits for the others."""
        try:
            with _transaction(self._connection, "BEGIN IMMEDIATE"):
                return [self._trusted(waiting) for waiting in _kept(group, taken)]
        except _JobFailed:
            with _transaction(self._connection, "BEGIN IMMEDIATE"):
                return [self._attempt(waiting) for waiting in taken]

    def _trusted(self, waiting: Queued) -> Outcome:
        if waiting.future.cancelled():
            return None, None
        try:
            return waiting.job(self._connection), None
        except Exception as error:
            raise _JobFailed from error

    def _attempt(self, waiting: Queued) -> Outcome:
        if waiting.future.cancelled():
            return None, None
        self._raw.execute("SAVEPOINT job")
        try:
            result = waiting.job(self._connection)
        except Exception as error:
            if not self._raw.in_transaction:  # a full disk ends the whole transaction
                raise
            self._raw.execute("ROLLBACK TO job")
            self._raw.execute("RELEASE job")
            return None, explained(error)
        self._raw.execute("RELEASE job")
        return result, None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time writes or checkpoints: SQLite before 3.51.3 can lose pages when both meet."""
        until = monotonic() + LOCK_PATIENCE
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if monotonic() > until:
                    raise Unavailable(SENTENCES[sqlite3.SQLITE_BUSY]) from None
                sleep(0.002)
        try:
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def checkpoint(self, *, busy: bool) -> None:
        if self._since_checkpoint < (CHECKPOINT_BUSY if busy else CHECKPOINT_IDLE):
            return
        self._since_checkpoint = 0
        try:
            with self._alone():
                self._raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except (sqlite3.Error, Unavailable) as error:
            logger.warning("The database's log was not folded into its file: %s", explained(error))

    def scrub(self) -> None:
        """Old bytes stay in pages, in free ones and in the log: the file is written anew, and the log emptied."""
        with self._alone():
            self._raw.execute("VACUUM")
            until = monotonic() + SCRUB_PATIENCE
            while self._raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:  # somebody reads
                if monotonic() > until:
                    raise Unavailable(SENTENCES[sqlite3.SQLITE_BUSY])

    def close(self) -> None:
        with suppress(Unavailable), self._alone():
            _close(self._connection)
        os.close(self._lock)


def _make(path: Path) -> None:
    """A file that is there is not opened: to close it would drop the locks of all of this process's connections, and
    another process that ends would take the log away under them. Raises OSError."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path)) from None


def _scrub(path: Path) -> None:
    writer = _Writer(path)
    try:
        writer.scrub()
    finally:
        writer.close()


def _connect(path: Path) -> sqlite3.Connection:
    """Transactions are ours to begin and end: the driver's own are switched off."""
    return sqlite3.connect(path, timeout=LOCK_PATIENCE, isolation_level=None, check_same_thread=False)


def _sqlalchemy(raw: sqlite3.Connection) -> Connection:
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    return engine.connect()


def _close(connection: Connection) -> None:
    connection.close()
    connection.engine.dispose()


@contextmanager
def _transaction(connection: Connection, begin: str) -> Iterator[None]:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    raw.execute(begin)
    try:
        yield
        raw.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            raw.execute("ROLLBACK")
        raise


def _kept(group: Iterator[Queued], taken: list[Queued]) -> Iterator[Queued]:
    for queued in group:
        taken.append(queued)
        yield queued


def _settle(settled: list[Settled]) -> None:
    """Results go back to their loops, one call for each loop."""
    by_loop: dict[AbstractEventLoop, list[tuple[Future[Any], Outcome]]] = {}
    for queued, outcome in settled:
        by_loop.setdefault(queued.loop, []).append((queued.future, outcome))
    for loop, pairs in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed; nobody waits
            loop.call_soon_threadsafe(_deliver, pairs)


def _deliver(pairs: list[tuple[Future[Any], Outcome]]) -> None:
    for future, (result, error) in pairs:
        if future.done():
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
