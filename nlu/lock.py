"""A lock on a file: one process has it at a time, and a crash lets go of it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

_LONGEST_NAME = 200
NOBODY_KNOWS = "another process"


def _patient(_: str) -> None:
    """Says nothing, and waits."""


@contextmanager
def locked(path: Path, busy: Callable[[str], None] = _patient) -> Iterator[None]:
    """Waits until nobody else has the lock. `busy` is told first who has it, in words, and may raise instead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy(os.pread(file, _LONGEST_NAME, 0).decode("utf-8", "replace") or NOBODY_KNOWS)
            fcntl.flock(file, fcntl.LOCK_EX)
        os.truncate(file, 0)
        os.pwrite(file, _ourselves().encode("utf-8"), 0)
        yield
    finally:
        os.close(file)


def _ourselves() -> str:
    """The home folder may be shared by several machines."""
    return f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now().isoformat(' ', 'minutes')}"
