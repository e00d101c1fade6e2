"""A disk that can be filled: a small tmpfs where one may be mounted, else a limit on the servers' files."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

SIZE = 64 * 1024 * 1024


class Disk(Protocol):
    def fill(self, processes: Iterable[int]) -> None: ...

    def free(self, processes: Iterable[int]) -> None: ...


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self, processes: Iterable[int]) -> None:
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT)
        with suppress(OSError):
            while True:
                os.write(handle, bytes(4096))
        os.close(handle)

    def free(self, processes: Iterable[int]) -> None:
        self._ballast.unlink(missing_ok=True)


class LimitedFiles:
    """Every write fails, as on a full disk, whoever may not mount one."""

    def fill(self, processes: Iterable[int]) -> None:
        self._limit(processes, 0)

    def free(self, processes: Iterable[int]) -> None:
        self._limit(processes, resource.RLIM_INFINITY)

    def _limit(self, processes: Iterable[int], size: int) -> None:
        for process in processes:
            with suppress(ProcessLookupError):
                resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    if not _mounted(folder):
        yield LimitedFiles()
        return
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mounted(folder: Path) -> bool:
    if os.geteuid() != 0:
        return False
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    return subprocess.run(mount, check=False, capture_output=True).returncode == 0
