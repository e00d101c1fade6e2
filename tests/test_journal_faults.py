"""The journal when the disk is full, the database away, a process killed, a caller gone."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection

from bot.journal.errors import CannotOpen, Unavailable
from bot.journal.journal import Journal
from bot.journal.postgres import PostgresStore
from bot.journal.values import Step
from bot.messages import Inbound, Outbound, Owner, Turn
from tests.conftest import PostgresServer


def said(number: int, conversation: str = "c1", text: str = "hello") -> Inbound:
    return Inbound(conversation, f"m{number}", text, "web", 1000.0)


async def accepted(journal: Journal, conversation: str = "c1") -> list[str | None]:
    return [entry.message_id for entry in await journal.entries(conversation, limit=10_000)]


# Opening


async def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file, not a folder")

    with pytest.raises(CannotOpen, match=r"journal\.db cannot be written .*FRONTDESK_HOME"):
        await Journal.open(tmp_path / "home" / "journal.db")


@pytest.mark.parametrize("content", [b"This is no database. " * 200, b"SQLite format 3\0" + b"\xff" * 4000])
async def test_a_file_that_is_no_database_is_a_sentence_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(content)

    with pytest.raises(CannotOpen, match="restore it from a backup"):
        await Journal.open(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("url", ["mysql://localhost/x", "postgresql://[nonsense"])
async def test_a_url_that_is_none_is_a_sentence(url: str) -> None:
    with pytest.raises(CannotOpen, match="DATABASE_URL"):
        await Journal.open(url)


async def test_a_postgres_that_is_not_there_is_a_sentence_without_the_password() -> None:
    with pytest.raises(CannotOpen, match=r"DATABASE_URL \(postgresql.*is not reachable: start the server") as told:
        await Journal.open("postgresql://user:secret@127.0.0.1:1/x")
    assert "secret" not in str(told.value)


async def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    async with await Journal.open(tmp_path / "home" / "journal.db") as journal:
        await journal.accept(said(1))
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "home").iterdir()}

    assert (tmp_path / "home").stat().st_mode & 0o077 == 0
    assert set(modes.values()) == {0}
    assert "journal.db-wal" in modes


# A full disk


@contextmanager
def full_disk(largest: int) -> Iterator[None]:
    """No file of this process may grow over so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_nothing_is_accepted_while_the_disk_is_full_and_all_is_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with await Journal.open(path) as journal:
        await journal.accept(said(0))
        with full_disk(path.with_name("journal.db-wal").stat().st_size):
            outcomes = await asyncio.gather(*(journal.accept(said(n)) for n in range(1, 100)), return_exceptions=True)
            assert await accepted(journal) == ["m0"]

        assert all(isinstance(outcome, Unavailable) and outcome.retry_after > 0 for outcome in outcomes)
        again = [await journal.accept(said(n)) for n in range(1, 100)]
        assert [one.seq for one in again] == list(range(2, 101))


async def test_the_log_is_folded_into_the_file_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("CHECKPOINT_IDLE", "CHECKPOINT_BUSY"):
        monkeypatch.setattr(f"bot.journal.sqlite.{limit}", 5)
    path = tmp_path / "journal.db"
    async with await Journal.open(path) as journal:
        for n in range(20):
            await journal.accept(said(n, text="x" * 5000))
        await journal.ping()
        assert path.stat().st_size > 50_000
    async with await Journal.open(path) as journal:
        assert len(await accepted(journal)) == 20


# A killed process


WRITER = """
import asyncio, sys
from bot.journal.journal import Journal
from bot.messages import Inbound, Outbound, Owner, Turn

async def conversation(journal, name):
    for n in range(1000):
        inbound = Inbound(name, f"m{n}", f"text {n}", "web", 0.0)
        seq = (await journal.accept(inbound)).seq
        print("accepted", name, n, seq, flush=True)
        await journal.commit(Turn(inbound, seq, (), (Outbound(f"reply {n}"),), Owner.BOT, {"n": n}), 0)
        print("answered", name, n, seq, flush=True)

async def main():
    async with await Journal.open(sys.argv[1]) as journal:
        await asyncio.gather(*(conversation(journal, f"{sys.argv[2]}{n}") for n in range(8)))

asyncio.run(main())
"""


def writer(url: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, url, name], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("lines", [20, 350])
async def test_what_a_killed_process_was_told_is_there(database_url: str, lines: int) -> None:
    await (await Journal.open(database_url)).close()
    with writer(database_url, "w") as process:
        assert process.stdout is not None
        told = [process.stdout.readline().split() for _ in range(lines)]
        process.kill()
        told += [line.split() for line in process.stdout.read().splitlines()]

    async with await Journal.open(database_url) as journal:
        for what, name, n, seq in (line for line in told if len(line) == 4):
            entry = await journal.entry(name, int(seq))
            assert entry is not None
            assert entry.message_id == f"m{n}"
            answers = [e for e in await journal.entries(name, limit=5000) if e.reply_to == int(seq)]
            assert len(answers) == 1 or (what == "accepted" and not answers)
        for number in range(8):
            entries = await journal.entries(f"w{number}", limit=5000)
            assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


async def test_two_processes_share_one_database(database_url: str) -> None:
    await (await Journal.open(database_url)).close()
    with writer(database_url, "a") as one, writer(database_url, "b") as two:
        for process in (one, two):
            assert process.stdout is not None
            assert [process.stdout.readline() for _ in range(400)][-1]
            process.kill()

    async with await Journal.open(database_url) as journal:
        for writers in "ab":
            talks = [await journal.entries(f"{writers}{n}", limit=5000) for n in range(8)]
            assert sum(map(len, talks)) >= 400
            for entries in talks:  # of which one may not have had its turn yet
                assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


# Callers and closing


async def test_a_caller_that_gives_up_disturbs_nobody(journal: Journal) -> None:
    async def impatient(n: int) -> None:
        asking = asyncio.create_task(journal.accept(said(n)))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    patient = asyncio.gather(*(journal.accept(said(n)) for n in range(0, 50, 2)))
    await asyncio.gather(*(impatient(n) for n in range(1, 50, 2)))

    assert len(await patient) == 25
    entries = await journal.entries("c1")
    assert {f"m{n}" for n in range(0, 50, 2)} <= {entry.message_id for entry in entries}
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


async def test_a_closed_journal_is_unavailable(journal: Journal) -> None:
    await journal.close()
    await journal.close()

    with pytest.raises(Unavailable):
        await journal.accept(said(1))
    with pytest.raises(Unavailable):
        await journal.entries("c1")


async def test_closing_finishes_what_was_begun(database_url: str) -> None:
    journal = await Journal.open(database_url)
    under_way = [asyncio.create_task(journal.accept(said(n))) for n in range(300)]
    await asyncio.sleep(0)
    await journal.close()
    stored = [task.result() for task in under_way]

    async with await Journal.open(database_url) as journal:
        assert len(await accepted(journal)) == len(stored) == 300


async def test_more_than_can_wait_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.journal.sqlite.QUEUE", 10)
    async with await Journal.open(tmp_path / "journal.db") as journal:
        begun, free = threading.Event(), threading.Event()

        def block(_: Connection) -> bool:
            begun.set()
            return free.wait(60)

        blocking = asyncio.create_task(journal._store.write(block))
        assert await asyncio.to_thread(begun.wait, 60)
        outcomes = [asyncio.create_task(journal.accept(said(n))) for n in range(100)]
        await asyncio.sleep(0)
        refused = sum(task.done() and isinstance(task.exception(), Unavailable) for task in outcomes)
        free.set()
        stored = [
            task
            for task in await asyncio.gather(*outcomes, return_exceptions=True)
            if not isinstance(task, Unavailable)
        ]
        assert await blocking

        assert refused == 90
        assert len(stored) + refused == 100
        assert len(await accepted(journal)) == len(stored)


async def test_a_database_that_does_not_answer_is_unavailable(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, free = threading.Semaphore(0), threading.Event()

    def block(_: Connection) -> bool:
        begun.release()
        return free.wait(60)

    blocking = [asyncio.create_task(journal._store.write(block)) for _ in range(8)]
    for _ in range(8 if isinstance(journal._store, PostgresStore) else 1):
        assert await asyncio.to_thread(begun.acquire, timeout=60)
    monkeypatch.setattr("bot.journal.store.PATIENCE", 0.05)
    with pytest.raises(Unavailable, match="did not answer"):
        await journal.accept(said(1))
    free.set()
    await asyncio.gather(*blocking)

    monkeypatch.undo()
    await journal.accept(said(2))
    assert await accepted(journal) == ["m2"]  # who was told no is not served behind their back


# PostgreSQL away


async def test_a_postgres_that_stops_is_unavailable_until_it_is_back(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    async with await Journal.open(postgres_url) as journal:
        await journal.accept(said(1))
        postgres_server.stop()
        try:
            outcomes = await asyncio.gather(*(journal.accept(said(n)) for n in range(2, 12)), return_exceptions=True)
        finally:
            postgres_server.start()

        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
        assert (await journal.accept(said(1))).duplicate
        assert (await journal.accept(said(2))).seq == 2


async def test_cut_connections_are_made_again_without_a_word(postgres_url: str) -> None:
    async with await Journal.open(postgres_url) as journal:
        await asyncio.gather(*(journal.accept(said(n)) for n in range(20)))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'frontdesk'"
            )

        await asyncio.gather(*(journal.accept(said(n)) for n in range(20, 40)))
        assert len(await accepted(journal)) == 40


async def test_a_postgres_that_takes_no_writes_is_unavailable(postgres_url: str) -> None:
    async with await Journal.open(postgres_url) as journal:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            name = connection.info.dbname
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'frontdesk'"
            )

        with pytest.raises(Unavailable, match="read-only"):
            await journal.accept(said(1))
        assert await journal.entries("c1") == []


# Durability


async def test_only_what_may_be_lost_is_written_without_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    async with await Journal.open(tmp_path / "journal.db") as journal:
        raw = journal._store._writer._raw  # type: ignore[attr-defined]  # SQLite's store has one
        raw.set_trace_callback(statements.append)
        inbound = said(1)
        await journal.accept(inbound)
        await journal.attempt("c1", 1)
        await journal.start_action(Step("c1", 1, 0), "action_cancel", 0)
        await journal.finish_action(Step("c1", 1, 0), {})
        await journal.commit(Turn(inbound, 1, (), (Outbound("done"),), Owner.BOT), 0)
        raw.set_trace_callback(None)

    levels = [line.rpartition(" ")[2] for line in statements if line.startswith("PRAGMA synchronous")]
    assert levels == ["FULL", "NORMAL", "FULL", "NORMAL", "FULL"]


async def test_who_opens_the_database_twice_keeps_its_log_when_another_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    count = "SELECT count(*) FROM conversations"
    look = f"import sqlite3; c = sqlite3.connect({str(path)!r}); print(c.execute({count!r}).fetchone()); c.close()"
    async with await Journal.open(path) as journal:
        async with await Journal.open(path) as second:
            await second.begin("c1", "web")
        for number in (1, 2):
            await journal.begin(f"c{number}", "web")
            seen = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", look], capture_output=True, check=True
            )
            assert seen.stdout.split() == [f"({number},)".encode()]
