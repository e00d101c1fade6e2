"""The faults, each a coroutine that does harm and puts things right again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from tests.chaos.action_server import MODES
from tests.chaos.deaths import POINTS, Death
from tests.chaos.world import World

Fault: TypeAlias = Callable[[World], Awaitable[None]]


async def kill(world: World) -> None:
    """F1: a server ends in the middle of everything."""
    await world.some_server().kill()


async def kill_at_a_point(world: World) -> None:
    """F1: a server ends between two named steps of a message."""
    await _doom(world, Death(world.rng.choice(POINTS), world.rng.randint(1, 8)))


def kill_at(point: str) -> Fault:
    """F1: a server ends the next time that it passes this point."""

    async def kill_there(world: World) -> None:
        await _doom(world, Death(point))

    kill_there.__name__ = f"kill_when_{point}"
    return kill_there


async def kill_at_a_statement(world: World) -> None:
    """F1: a server ends before its nth SQL statement."""
    await _doom(world, Death("statement", world.rng.randint(1, 120)))


async def kill_at_a_commit(world: World) -> None:
    """F1: a server ends before its nth commit."""
    await _doom(world, Death("commit", world.rng.randint(1, 30)))


async def _doom(world: World, death: Death) -> None:
    server = world.some_server()
    world.doom(server, death)
    world.ledger.note("doomed", where=death.at, n=death.n)
    await server.kill()
    await asyncio.sleep(1.0)


async def kill_everything(world: World) -> None:
    """F1: all servers at once."""
    await asyncio.gather(*(server.kill() for server in world.servers))


async def rolling_restart(world: World) -> None:
    """F2: one server after the other is told to end, and the next one waits until it is back."""
    for server in world.servers:
        before = server.pid
        await server.terminate()
        await world.until(lambda server=server, before=before: server.alive and server.pid != before)  # type: ignore[misc]  # bound now


async def kill_redis(world: World) -> None:
    """F3: Redis ends and comes back empty."""
    world.valkey.kill()
    await asyncio.sleep(world.rng.uniform(0.2, 1.5))
    await world.valkey.start()


async def hang_redis(world: World) -> None:
    """F3: Redis stands still for six seconds."""
    world.valkey.hang()
    await asyncio.sleep(6.0)
    world.valkey.wake()


async def flush_redis(world: World) -> None:
    """F3: Redis forgets everything."""
    await world.valkey.flush()


async def kill_postgres(world: World) -> None:
    """The database server ends in the middle of everything, and starts again."""
    await asyncio.to_thread(world.bounce_postgres)


async def misbehave(world: World) -> None:
    """F4: the action server fails, says half, says everything twice, says nothing, and ends."""
    assert world.actions is not None
    for mode in world.rng.sample(MODES, len(MODES)):
        world.actions.behave(mode)
        await asyncio.sleep(1.0)
    world.actions.behave("well")
    world.actions.kill()
    await asyncio.sleep(0.5)
    world.actions.start()


async def fill_disk(world: World) -> None:
    """F5: the database finds no room."""
    assert world.disk is not None
    world.disk.fill([server.pid for server in world.servers])
    await asyncio.sleep(world.rng.uniform(1.5, 3.0))
    world.disk.free([server.pid for server in world.servers])


async def part_redis(world: World) -> None:
    """F6: one server alone cannot reach Redis."""
    proxy = world.rng.choice(world.redis_proxies)
    proxy.partition()
    await asyncio.sleep(world.rng.uniform(1, 4))
    proxy.heal()


async def part_database(world: World) -> None:
    """F6: one server alone cannot reach the database."""
    proxy = world.rng.choice(world.database_proxies)
    proxy.partition()
    await asyncio.sleep(world.rng.uniform(0.5, 3))
    proxy.heal()


async def swallow_database(world: World) -> None:
    """F6: one server's words reach the database no more, and no connection breaks."""
    proxy = world.rng.choice(world.database_proxies)
    proxy.swallows = True
    await asyncio.sleep(world.rng.uniform(1, 3))
    proxy.break_connections()
    proxy.heal()


async def lose_replies(world: World) -> None:
    """F6: Redis does what it is told, and the connection breaks before it says so."""
    for proxy in world.redis_proxies:
        proxy.loses_reply_to = b":lease"
    await asyncio.sleep(1.0)
    for proxy in world.redis_proxies:
        proxy.loses_reply_to = b""


async def slow_network(world: World) -> None:
    """F6: everything takes its time."""
    for proxy in (*world.redis_proxies, *world.database_proxies):
        proxy.latency = 0.02
    await asyncio.sleep(3)
    for proxy in (*world.redis_proxies, *world.database_proxies):
        proxy.heal()


async def jump_clock(world: World) -> None:
    """F8: an hour forth, an hour back, and right again."""
    for seconds in world.rng.sample((3600.0, -3600.0), 2):
        world.shift_clock(seconds)
        await asyncio.sleep(1.5)
    world.shift_clock(0.0)


async def stall(world: World) -> None:
    """F12: a server stands still until its leases are somebody else's, and then goes on as if nothing were."""
    server = world.some_server()
    server.signal(signal.SIGSTOP)
    await asyncio.sleep(world.rng.uniform(2.5, 4.0))
    server.signal(signal.SIGCONT)


async def stall_in_a_turn(world: World) -> None:
    """F12: the same, with a turn done and not yet committed."""
    server = world.some_server()
    world.doom(server, Death("answering", world.rng.randint(1, 5), "stop"))
    await server.kill()
    stood = 0.0
    while stood < 10 and not server.stopped():
        stood += 0.02
        await asyncio.sleep(0.02)
    await asyncio.sleep(3.0)
    server.signal(signal.SIGCONT)
