"""All channels at once: `python -m benchmarks.channels [--rate 200] [--seconds 30] [--kills 0]`.

Customers of every channel write, mixed, at moments that nobody planned. Each provider is played in a process of its
own, the service runs in another one, with a model that keeps a thread busy. Prints how fast events are acknowledged,
and whether each was answered once and in order. With `--kills` the service is killed as often, and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from benchmarks.channel_player import CALLED, NAMES, Figures, sample
from bot import interpreter
from bot.app import serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.language import Language
from tests.service import KeywordUnderstander, echo_assistant

PUBLIC = "https://chat.example.com"
MODEL_SECONDS = 0.003
LINE_BYTES = 1 << 24
DOMAIN = "\n".join(
    (
        'version: "3.1"',
        f"intents: [{', '.join(NAMES)}]",
        "responses:",
        *(f'  utter_{name}: [{{text: "{name}"}}]' for name in NAMES),
        "rules:",
        *(f"- {{rule: {name}, steps: [{{intent: {name}}}, {{action: utter_{name}}}]}}" for name in NAMES),
    )
)


# The service


def _work() -> None:
    """As a model does, without Python's lock."""
    until = time.perf_counter() + MODEL_SECONDS
    while time.perf_counter() < until:
        hashlib.pbkdf2_hmac("sha256", b"model", b"salt", 400)


async def serve(home: Path, port: int, settings: dict[str, Any]) -> None:
    one = asyncio.Semaphore(1)

    async def before(_: str) -> None:
        async with one:
            await asyncio.to_thread(_work)

    understander = KeywordUnderstander(NAMES, before)
    read = Settings(home=home, port=port, public_url=PUBLIC, **settings)
    language = Language(understander, ModelPage("a stand-in", (), None), {})
    async with serving(read, echo_assistant(home / "assistant", DOMAIN), language):
        await asyncio.Event().wait()


# What is measured


@dataclass
class Server:
    """The service in a process of its own, killed and started again."""

    given: str
    port: int
    seconds: float = 0.0
    """Of the processor, by all processes so far."""
    _process: subprocess.Popen[bytes] = field(init=False)

    async def start(self) -> None:
        words = [sys.executable, "-m", "benchmarks.channels", "--serve", self.given]
        self._process = subprocess.Popen(words)  # noqa: ASYNC220
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return

    def stop(self, how: signal.Signals) -> None:
        self._process.send_signal(how)
        _, _, used = os.wait4(self._process.pid, 0)
        self._process.returncode = 0
        self.seconds += used.ru_utime + used.ru_stime


async def opened(stack: AsyncExitStack, name: str) -> tuple[Process, str]:
    """A provider, and where it listens."""
    words = (sys.executable, "-m", "benchmarks.channel_player", name)
    player = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, limit=LINE_BYTES)
    stack.callback(_end, player)
    return player, (await _heard(player))["url"]


def _end(player: Process) -> None:
    if player.returncode is None:
        player.kill()


async def _heard(player: Process) -> dict[str, Any]:
    assert player.stdout is not None
    said: dict[str, Any] = json.loads(await player.stdout.readline())
    return said


def _tell(player: Process, what: dict[str, Any]) -> None:
    assert player.stdin is not None
    player.stdin.write(json.dumps(what).encode() + b"\n")


async def measure(rate: float, seconds: float, kills: int, seed: int) -> tuple[Figures, float]:
    """With the seconds of the processor that the service used."""
    figures, rng = Figures(), random.Random(seed)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        async with AsyncExitStack() as stack:
            there = dict(zip(CALLED, await asyncio.gather(*(opened(stack, name) for name in CALLED)), strict=True))
            settings = {name: sample(name, url) for name, (_, url) in there.items()}
            server = Server(json.dumps({"home": home, "port": port, "settings": settings}), port)
            await server.start()
            begin = time.monotonic() + 1.0
            for number, (name, (player, _)) in enumerate(there.items()):
                task = {"rate": rate / len(there), "seconds": seconds, "begin": begin, "seed": number}
                _tell(player, {**task, "webhook": f"http://127.0.0.1:{port}/webhooks/{name}"})
            for _ in range(kills):
                await asyncio.sleep(seconds / (kills + 1) * rng.uniform(0.5, 1.5))
                server.stop(signal.SIGKILL)
                await server.start()
            for told in await asyncio.gather(*(_heard(player) for player, _ in there.values())):
                figures.add(Figures(**told))
            server.stop(signal.SIGTERM)
    return figures, server.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="of the moments at which the service is killed")
    parser.add_argument("--serve")
    given = parser.parse_args()
    if given.serve:
        told = json.loads(given.serve)
        interpreter.run(serve(Path(told["home"]), told["port"], told["settings"]))
        return
    figures, used = asyncio.run(measure(given.rate, given.seconds, given.kills, given.seed))
    print(f"| {given.rate:g} events/s for {given.seconds:g} s, {len(CALLED)} channels | |\n|---|---|")
    print(f"| acknowledged | {len(figures.acknowledged)}, {_percentiles(figures.acknowledged)} |")
    print(f"| begun late by their providers, who wait for a core | {_percentiles(figures.late)} |")
    print(f"| sent again by their providers | {figures.again} |")
    print(f"| answers seen twice | {figures.twice} |")
    print(f"| answers not seen | {figures.lost} |")
    print(f"| conversations out of order | {figures.disordered} |")
    each = 1000 * used / len(figures.acknowledged)
    print(f"| the processor's time for an event, service and model | {each:.1f} ms |")


def _percentiles(seconds: list[float]) -> str:
    times = [1000 * one for one in seconds]
    return f"p50 {median(times):.1f} ms, p99 {quantiles(times, n=100)[98]:.1f} ms"


if __name__ == "__main__":
    main()
