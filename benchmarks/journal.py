"""What the conversation log and the session store cost: `python benchmarks/journal.py [--database URL] [--home DIR]`.

Without `--database` it measures SQLite in a new folder under `--home`, which belongs on the disk you mean to use.
Redis is the embedded Valkey. Prints Markdown tables.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import quantiles

import redis.asyncio as redis

from bot.embedded import embedded_valkey
from bot.journal.journal import Journal
from bot.messages import Event, Inbound, Outbound, Owner, Turn
from bot.sessions import Lease, Sessions

STATE = {"slots": {f"slot_{n}": "a value of usual length" for n in range(12)}, "events": ["x" * 100] * 20}
EVENTS = tuple(Event("slot", 1.0, {"name": f"slot_{n}", "value": "a value"}) for n in range(6))
REPLY = (Outbound("Your order LW-10234 left our warehouse this morning and arrives tomorrow.", rateable=True),)


def said(conversation: str, n: int) -> Inbound:
    return Inbound(conversation, f"m{n}", "where is my order LW-10234?", "web", time.time())


def row(what: str, seconds: list[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"| {what} | {len(seconds)} | {cuts[49] * 1e3:.2f} | {cuts[94] * 1e3:.2f} | {cuts[98] * 1e3:.2f} |"


async def timed(call: Awaitable[object], into: list[float]) -> None:
    started = time.perf_counter()
    await call
    into.append(time.perf_counter() - started)


async def acknowledgements(journal: Journal, rate: float, seconds: float) -> list[float]:
    """An open loop: messages come at their times, whatever became of the earlier ones."""
    taken: list[float] = []
    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for n in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + n / rate - time.perf_counter()))
            tasks.create_task(timed(journal.accept(said(f"ack-{rate}-{n % 20}", n)), taken))
    return taken


async def turns(journal: Journal, conversations: int, total: int) -> tuple[float, list[float]]:
    """Accept, attempt, commit; each conversation waits for its own. Returns turns a second and their times."""
    taken: list[float] = []

    async def turn(conversation: str, n: int) -> None:
        accepted = await journal.accept(inbound := said(conversation, n))
        await journal.attempt(conversation, accepted.seq)
        await journal.commit(Turn(inbound, accepted.seq, EVENTS, REPLY, Owner.BOT, STATE), 0)

    async def talk(conversation: str) -> None:
        for n in range(total // conversations):
            await timed(turn(conversation, n), taken)

    began = time.perf_counter()
    await asyncio.gather(*(talk(f"turn-{conversations}-{k}") for k in range(conversations)))
    return len(taken) / (time.perf_counter() - began), taken


async def measure_journal(url: str) -> None:
    head = "| what | n | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|"
    async with await Journal.open(url) as journal:
        print(f"\nThe log, {url.partition(':')[0]}\n\n{head}")
        for rate in (50, 400):
            print(row(f"acknowledged, open loop, {rate}/s", await acknowledgements(journal, rate, 6)))
        for conversations, total in ((1, 300), (16, 3000), (100, 6000)):
            speed, taken = await turns(journal, conversations, total)
            print(row(f"accept + attempt + commit, {conversations} at once: {speed:.0f}/s", taken))
        reads: list[float] = []
        for n in range(500):
            await timed(journal.conversation(f"turn-100-{n % 100}"), reads)
        print(row("a conversation with its state, read", reads))
        pages: list[float] = []
        for n in range(200):
            await timed(journal.entries("turn-1-0", after=n), pages)
        print(row("200 entries, read", pages))


async def each(n: int, call: Callable[[int], Awaitable[object]]) -> list[float]:
    taken: list[float] = []
    for k in range(n):
        await timed(call(k), taken)
    return taken


async def measure_sessions(home: Path) -> None:
    started = time.perf_counter()
    async with embedded_valkey(home) as url, Sessions(url) as sessions:
        await sessions.ping()
        print(f"\nThe session store, embedded Valkey, started in {(time.perf_counter() - started) * 1e3:.0f} ms\n")
        print("| what | n | p50 ms | p95 ms | p99 ms |\n|---|---|---|---|---|")
        print(row("save a snapshot", await each(2000, lambda n: saved(sessions, n))))
        print(row("load a snapshot", await each(2000, lambda n: sessions.load(f"c{n % 100}", 1901 + n % 100))))
        print(row("lease and release", await each(1000, lambda n: leased(sessions, f"c{n}"))))
        print(row("allow", await each(2000, lambda n: sessions.allow(f"v{n % 50}", 5, 10))))
        async with redis.Redis.from_url(url) as client:
            process = int((await client.info("server"))["process_id"])
        for what, stop, start in (("hung", signal.SIGSTOP, signal.SIGCONT), ("dead", signal.SIGKILL, None)):
            os.kill(process, stop)
            first, later = await each(1, lambda n: a_turn(sessions)), await each(50, lambda n: a_turn(sessions))
            print(f"| a turn's calls, Redis {what}: the first | 1 | {first[0] * 1e3:.2f} | | |")
            print(row(f"a turn's calls, Redis {what}: later", later))
            if start:
                os.kill(process, start)
            began = time.perf_counter()
            while sessions.degraded:
                await asyncio.sleep(0.005)
            print(f"| Redis no longer {what}: in use again after | 1 | {(time.perf_counter() - began) * 1e3:.0f} | | |")


async def leased(sessions: Sessions, conversation: str) -> None:
    lease = await sessions.lease(conversation)
    assert isinstance(lease, Lease)
    lease.release()
    await sessions.flushed()


async def saved(sessions: Sessions, n: int) -> None:
    sessions.save(f"c{n % 100}", n + 1, STATE)
    await sessions.flushed()


async def a_turn(sessions: Sessions) -> None:
    """All that one message asks of Redis."""
    await sessions.allow("visitor", 5, 10)
    lease = await sessions.lease("turn")
    await sessions.load("turn", 1)
    sessions.save("turn", 1, STATE)
    sessions.publish("turn", 2)
    if isinstance(lease, Lease):
        lease.release()
    await sessions.flushed()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", help="postgresql://...; default: SQLite")
    parser.add_argument("--home", type=Path, default=Path.cwd())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.home, prefix=".benchmark-") as folder:
        await measure_journal(options.database or f"sqlite:///{folder}/journal.db")
        await measure_sessions(Path(folder))


if __name__ == "__main__":
    asyncio.run(main())
