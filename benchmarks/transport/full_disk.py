"""T19: the disk with the database is full, and has room again, while customers write. Needs root, to mount a tmpfs.

It counts as full from the first refusal on: until then what the database had set aside may still take a message.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random

from benchmarks.transport.figures import Figure, Measured
from benchmarks.transport.load import MANNERS, Customers, Timings, customers
from benchmarks.transport.processes import favour_what_is_started, step_back
from benchmarks.transport.stage import SEED
from tests.chaos.client import Client, Manners, open_session
from tests.chaos.ledger import Ledger
from tests.chaos.world import Plan, World

DISK = "32m"
CONVERSATIONS, RATE, FULL_SECONDS = 20, 40, 8.0
KEEPING = Manners(window=MANNERS.window, insists=False)
FIRST_REFUSAL_SECONDS = 60.0

FIGURES = (
    Figure("T19", "acked", "acknowledged while the disk is full", 0, "", digits=0),
    Figure("T19", "refused", "refused meanwhile", None, "", True, 0),
    Figure("T19", "status", "status of the REST door meanwhile", None, "", digits=0),
    Figure("T19", "again", "room again: first acknowledgement after", 2, "s", digits=2),
    Figure("T19", "lost", "acknowledged and not in the log, after a kill and a restart", 0, "", digits=0),
)


async def measure(scale: float) -> Measured:
    async with _on_small_disk() as it, customers(it.url, CONVERSATIONS, KEEPING) as they:
        pid = it.servers[0].pid
        await they.at_rate(RATE, max(1.0, 3 * scale))
        ballast = it.home / "ballast"
        _fill(ballast)
        await _until_refused(they)
        full = await they.at_rate(RATE, max(2.0, FULL_SECONDS * scale), patience=0)
        acked, refused = len(full.acknowledged()), len(full.refused())
        status = await _rest(it)
        ballast.unlink()
        again = await _acknowledged_again(they)
        assert it.servers[0].pid == pid, "The server ended."
        await asyncio.sleep(1.0)
        lost = await _lost(it, they)
    return {"acked": acked, "refused": refused, "status": status, "again": again, "lost": lost}


@asynccontextmanager
async def _on_small_disk() -> AsyncIterator[World]:
    favour_what_is_started()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        disk = stack.enter_context(_mounted(folder / "disk"))
        ledger = stack.enter_context(Ledger(folder / "ledger.jsonl"))
        it = World(Plan(), Random(SEED), ledger, disk)
        await it.open(stack)
        step_back()
        yield it


@contextmanager
def _mounted(place: Path) -> Iterator[Path]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill(ballast: Path) -> None:
    """To the last block."""
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return


async def _until_refused(they: Customers) -> None:
    """Customers write until the first of them is refused."""
    timings, until = Timings(), time.perf_counter() + FIRST_REFUSAL_SECONDS
    while not timings.refused():
        assert time.perf_counter() < until, "The disk never was full."
        timings.sent += (await they.at_rate(RATE, 0.25, patience=0)).sent
    await asyncio.sleep(1.0)


async def _rest(it: World) -> int:
    async with open_session() as session:
        message = {"sender": "somebody", "message": "greet"}
        async with session.post(f"{it.url}/webhooks/rest/webhook", json=message) as response:
            return response.status


async def _acknowledged_again(they: Customers) -> float:
    began = time.perf_counter()
    while True:
        sent = they.say(they.clients[0], time.perf_counter())
        while sent.acked is None and not sent.done:
            await asyncio.sleep(0.005)
        if sent.acked is not None:
            return sent.acked - began
        assert time.perf_counter() < began + 60, "Nothing is accepted any more."
        await asyncio.sleep(0.05)


async def _lost(it: World, they: Customers) -> int:
    """Of all acknowledged messages, those that the log does not have after a restart."""
    acked = {id_ for id_, sent in they.by_id() if sent.acked is not None}
    await it.restart()
    there: set[str] = set()
    async with open_session() as session:
        for customer in they.clients:
            async with Client(session, it.url, token=customer.token) as client, asyncio.timeout(60):
                await client.until(lambda client=client: client.welcomes and client.last_seq >= client.newest)  # type: ignore[misc]  # bound now
                there |= {entry["id"] for entry in client.entries if entry["author"] == "user"}
    return len(acked - there)
