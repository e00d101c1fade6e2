"""All that is under test, as processes: servers on one port, Valkey, PostgreSQL or SQLite, and what lies between."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Literal

from bot.listening import listen
from tests.chaos.action_server import ActionServer
from tests.chaos.deaths import Death
from tests.chaos.disk import Disk, small_disk
from tests.chaos.ledger import Json, Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.server import Server, Spec
from tests.chaos.valkey import Valkey
from tests.conftest import PostgresServer, postgres_binaries

Database = Literal["sqlite", "postgres"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a world is made of."""

    database: Database = "sqlite"
    servers: int = 1
    proxies: bool = False
    """Each server reaches Redis and PostgreSQL through proxies of its own."""
    actions_over_http: bool = False
    small_disk: bool = False
    """Its database may run out of room."""
    slow_readers: bool = False
    """Every tenth customer reads a kilobyte a second."""
    wrong_clocks: bool = True
    """The servers' clocks can be made wrong, at the cost of a look at a file whenever they are read."""
    margin: float | None = None
    """For how much longer than a call may take a killed server's claim on a delivery lasts."""
    settings: dict[str, Any] = field(default_factory=dict)
    model_seconds: float = 0.005
    action_endpoint: str | None = None
    """An action server's; without one the actions run in the servers."""


class World:
    """`async with world(plan, rng, ledger) as it`: started, and at the end everything is gone."""

    def __init__(self, plan: Plan, rng: Random, ledger: Ledger, folder: Path) -> None:
        self.plan, self.rng, self.ledger, self.folder = plan, rng, ledger, folder
        self.valkey = Valkey(folder)
        self.postgres: PostgresServer | None = None
        self.servers: list[Server] = []
        self.redis_proxies: list[Proxy] = []
        self.database_proxies: list[Proxy] = []
        self.clock = folder / "clock"
        self.effects = folder / "effects"
        self.log = ledger.path.with_suffix(".log")
        self.home = folder / "home"
        self.disk: Disk | None = None
        self.actions: ActionServer | None = None
        self._slow_url = ""
        self.deaths: Counter[int] = Counter()
        """Ends of servers, by exit code."""
        self._listener = listen("127.0.0.1", 0)
        self._doomed: dict[Server, Death] = {}
        self._down: set[Server] = set()
        self.up: set[Server] = set()
        """Those that listen, as far as their keepers know."""
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url_of(self, customer: int) -> str:
        return self._slow_url if self._slow_url and customer % 10 == 0 else self.url

    # Making it

    async def open(self, stack: AsyncExitStack) -> None:
        self.home.mkdir()
        self.clock.write_text("0")
        stack.callback(self._listener.close)
        stack.callback(self.valkey.kill)
        await self.valkey.start()
        await stack.enter_async_context(self.valkey.watched())
        if self.plan.small_disk:
            self.disk = stack.enter_context(small_disk(self.home))
        if self.plan.actions_over_http:
            self.actions = ActionServer(self.effects, self.folder / "mode")
            stack.callback(self.actions.close)
        if self.plan.slow_readers:
            self._slow_url = await self._slow_way(stack)
        database = await asyncio.to_thread(self._make_database, stack)
        for number in range(self.plan.servers):
            self.servers.append(Server(await self._spec(number, database, stack), self._listener))
        stack.push_async_callback(self.close)
        await self.start()

    def _make_database(self, stack: AsyncExitStack) -> str | None:
        if self.plan.database == "sqlite":
            return None
        binaries = postgres_binaries()
        assert binaries is not None, "There is no PostgreSQL here: install it, or the test extra of this project."
        home = Path(tempfile.mkdtemp(prefix="frontdesk-chaos-"))
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        self.postgres = server = PostgresServer(binaries, home)
        server.create()
        server.start()
        stack.callback(server.stop)
        return server.new_database()

    async def _slow_way(self, stack: AsyncExitStack) -> str:
        with listen("127.0.0.1", 0) as free:
            port = int(free.getsockname()[1])
        proxy = await stack.enter_async_context(Proxy(port, self.port))
        proxy.rate = 1024
        return f"http://127.0.0.1:{port}"

    async def _spec(self, number: int, database: str | None, stack: AsyncExitStack) -> Spec:
        redis_url = self.valkey.url
        if self.plan.proxies:
            redis_url, database = await self._between(number, database, stack)
        return Spec(
            home=self.home,
            redis_url=redis_url,
            effects=self.effects,
            log=self.log,
            database_url=database,
            action_endpoint=self.actions.url if self.actions else self.plan.action_endpoint,
            model_seconds=self.plan.model_seconds,
            settings=self.plan.settings,
            margin=self.plan.margin,
            clock=self.clock if self.plan.wrong_clocks else None,
        )

    async def _between(self, number: int, database: str | None, stack: AsyncExitStack) -> tuple[str, str | None]:
        place = self.folder / f"between-{number}"
        place.mkdir()
        redis = Proxy(place / "redis.sock", Path(self.valkey.url.removeprefix("unix://")))
        self.redis_proxies.append(await stack.enter_async_context(redis))
        if database is None:
            return f"unix://{place / 'redis.sock'}", None
        address, _, host = database.rpartition("?host=")
        proxy = Proxy(place / ".s.PGSQL.5432", Path(host) / ".s.PGSQL.5432")
        self.database_proxies.append(await stack.enter_async_context(proxy))
        return f"unix://{place / 'redis.sock'}", f"{address}?host={place}"

    # The servers, and somebody who starts them again

    async def start(self) -> None:
        await asyncio.gather(*(server.start() for server in self.servers))
        self.up = set(self.servers)
        self._keepers = [asyncio.create_task(self._keep(server)) for server in self.servers]

    async def close(self) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(server.kill() for server in self.servers))

    async def _keep(self, server: Server) -> None:
        while True:
            code = await server.ended()
            self.up.discard(server)
            self.deaths[code] += 1
            self.ledger.note("ended", code=code)
            while server in self._down:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1 if code in (0, -9) else 0.5)
            if await server.start(self._doomed.pop(server, None)):
                self.up.add(server)

    def some_server(self) -> Server:
        return self.rng.choice(self.servers)

    def doom(self, server: Server, death: Death) -> None:
        """Its next life will end so."""
        self._doomed[server] = death

    @asynccontextmanager
    async def down(self, server: Server) -> AsyncIterator[None]:
        """Nobody starts it again meanwhile."""
        self._down.add(server)
        try:
            yield
        finally:
            self._down.discard(server)

    async def restart(self) -> None:
        """Everything ends without a word and begins anew, without Redis's memory and with one server."""
        await self.close()
        self.valkey.kill()
        await self.valkey.start()
        for proxy in (*self.redis_proxies, *self.database_proxies):
            proxy.heal()
        self.clock.write_text("0")
        if self.disk is not None:
            self.disk.free([])
        if self.actions is not None:
            self.actions.behave("well")
        if self.postgres is not None:
            await asyncio.to_thread(self.bounce_postgres)
        self.servers = [Server(replace(self.servers[0].spec, death=None), self._listener)]
        assert await self.servers[0].start(), "The last server does not start."
        self._keepers = [asyncio.create_task(self._keep(server)) for server in self.servers]

    def bounce_postgres(self) -> None:
        """Stops it in the middle of everything, and starts it."""
        assert self.postgres is not None
        self.postgres.stop()
        self.postgres.start()

    def shift_clock(self, seconds: float) -> None:
        new = self.clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self.clock)

    def what_actions_did(self) -> list[Json]:
        if not self.effects.exists():
            return []
        return [json.loads(line) for line in self.effects.read_text().splitlines()]

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def world(plan: Plan, rng: Random, ledger: Ledger) -> AsyncIterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        made = World(plan, rng, ledger, folder)
        await made.open(stack)
        yield made
