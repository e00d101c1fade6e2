"""T12, T13: turns while Redis is dead or hung, and a Redis that is flushed again and again under load.

Each turn is the first of a conversation that rested, so that lease and snapshot are asked for; how much longer it takes
is what Redis's absence costs. Flushed, a conversation is read anew from the log: the answers count, and a wrong count
would be a wrong state.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import redis.asyncio as redis

from benchmarks.transport.figures import Figure, Measured, milliseconds
from benchmarks.transport.load import MANNERS, Customers, Sent, customers, settled
from benchmarks.transport.stage import stage
from tests.chaos.client import Client, Manners
from tests.chaos.stub import mark
from tests.chaos.world import World

REST_SECONDS = 2.5
"""After that nobody holds the conversation any more."""
CONVERSATIONS = 100
FLUSHED, FLUSHED_RATE, FLUSHED_SECONDS, FLUSH_EVERY = 40, 40, 8.0, 0.5
KEEPING = Manners(window=MANNERS.window)

FIGURES = (
    Figure("T12", "dead_first", "Redis dead: the first turn, over the usual", 350, "ms"),
    Figure("T12", "dead_later", "Redis dead: later turns, p50 over the usual", 5, "ms"),
    Figure("T12", "hung_first", "Redis hung: the first turn, over the usual", 350, "ms"),
    Figure("T12", "hung_later", "Redis hung: later turns, p50 over the usual", 5, "ms"),
    Figure("T12", "answered", "turns answered", 100, "%", True, 2),
    Figure("T12", "back", "Redis started again: in use after", 1, "s", digits=2),
    Figure("T13", "wrong", f"FLUSHALL every {FLUSH_EVERY} s under load: answers from a wrong state", 0, "", digits=0),
    Figure("T13", "unanswered", "messages not answered", 0, "", digits=0),
    Figure("T13", "rebuild", "a conversation read anew from the log, p50 over the usual", 20, "ms"),
)


async def measure(scale: float) -> Measured:
    return {**await _away(max(8, int(CONVERSATIONS * scale))), **await _flushed(scale)}


async def _away(conversations: int) -> Measured:
    quarter = conversations // 4
    async with stage() as it, customers(it.url, conversations) as they:
        usual = await _turns(they, they.clients)
        await asyncio.sleep(REST_SECONDS)
        usual = await _turns(they, they.clients[:quarter])
        it.valkey.kill()
        dead = await _turns(they, they.clients[quarter : 2 * quarter])
        await it.valkey.start()
        back = await _in_use(it, they)
        await asyncio.sleep(REST_SECONDS)
        it.valkey.hang()
        hung = await _turns(they, they.clients[2 * quarter : 3 * quarter])
        it.valkey.wake()
    normal = milliseconds(_took(usual), 50)
    turns = [*usual, *dead, *hung]
    return {
        "dead_first": milliseconds(_took(dead[:1]), 50) - normal,
        "dead_later": milliseconds(_took(dead[1:]), 50) - normal,
        "hung_first": milliseconds(_took(hung[:1]), 50) - normal,
        "hung_later": milliseconds(_took(hung[1:]), 50) - normal,
        "answered": 100 * len(_took(turns)) / len(turns),
        "back": back,
    }


async def _turns(they: Customers, clients: Sequence[Client]) -> list[Sent]:
    """One after the other."""
    sent = []
    for client in clients:
        sent.append(they.say(client, time.perf_counter()))
        await settled(sent[-1:])
    return sent


def _took(turns: Sequence[Sent]) -> list[float]:
    return [each.answered - each.due for each in turns if each.answered is not None]


async def _in_use(it: World, they: Customers) -> float:
    """Seconds until the service keeps something in the Redis that came back."""
    began = time.perf_counter()
    async with redis.Redis.from_url(it.valkey.url) as client:
        while not await client.dbsize():
            await _turns(they, they.clients[-1:])
    return time.perf_counter() - began


async def _flushed(scale: float) -> Measured:
    async with stage() as it, customers(it.url, FLUSHED, KEEPING) as they:
        flushing = asyncio.create_task(_flush(it))
        timings = await they.at_rate(FLUSHED_RATE, max(2.0, FLUSHED_SECONDS * scale), text="tell")
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        await asyncio.sleep(REST_SECONDS)
        usual = await _turns(they, they.clients)
        await asyncio.sleep(REST_SECONDS)
        await it.valkey.flush()
        anew = await _turns(they, they.clients)
        wrong = sum(map(_wrong, they.clients))
    return {
        "wrong": wrong,
        "unanswered": len(timings.sent) - len(timings.answered()),
        "rebuild": milliseconds(_took(anew), 50) - milliseconds(_took(usual), 50),
    }


async def _flush(it: World) -> None:
    while True:
        await asyncio.sleep(FLUSH_EVERY)
        await it.valkey.flush()


def _wrong(client: Client) -> int:
    """Answers that are another message's, or do not count those before them."""
    asked = {
        entry["seq"]: entry["id"] for entry in client.entries if entry["author"] == "user" and entry["text"] == "tell"
    }
    answers = [entry for entry in client.entries if entry["reply_to"] in asked]
    return sum(
        entry["text"] != f"{mark(client.conversation, asked[entry['reply_to']])} {number}"
        for number, entry in enumerate(answers, 1)
    )
