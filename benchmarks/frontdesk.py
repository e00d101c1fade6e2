"""The real service in a process of its own: `frontdesk run`, from its start to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.start import free_port

ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 120.0
UNBOUNDED = {"RATE": "1000000", "BURST": "1000000", "CONVERSATIONS_PER_HOUR": "1000000"}
"""One address is all our customers."""


@dataclass(frozen=True, slots=True)
class Frontdesk:
    pid: int
    """Of the process, and of the group that it leads."""
    port: int
    started: float
    """By time.perf_counter."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def await_ready(self) -> None:
        """Returns when messages are answered. Raises SystemExit if they are not in time."""
        while time.perf_counter() < self.started + PATIENCE_SECONDS:
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise SystemExit("The service was not ready in time.")


@contextmanager
def frontdesk(home: Path, settings: Mapping[str, str]) -> Iterator[Frontdesk]:
    """`settings` by their names without FRONTDESK_."""
    port, started = free_port(), time.perf_counter()
    named = {f"FRONTDESK_{name}": value for name, value in {**UNBOUNDED, **settings}.items()}
    command = [sys.executable, "-c", "from bot.cli import main; main()", "run"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **named, "FRONTDESK_HOME": str(home), "FRONTDESK_PORT": str(port)},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Frontdesk(process.pid, port, started)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
