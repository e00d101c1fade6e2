"""What a process uses, from /proc, and who goes first on a machine that server and load share."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_FAVOURED, _PATIENT = -10, 5
_ESTABLISHED = "01"


def cpu_seconds(pids: Iterable[int]) -> float:
    """Of all their threads, since they began."""
    return sum(_cpu(pid) for pid in pids)


def group(leader: int) -> list[int]:
    """It and the processes that it started: a service and its Redis, which is in a session of its own."""
    started = {int(name): _parent(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    found = [leader]
    for pid in found:
        found += [child for child, parent in started.items() if parent == pid]
    return found


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def memory(pid: int) -> int:
    """Bytes that it has to itself, and its share of what it has with others (PSS)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("The kernel does not tell the PSS.")


def unsent(port: int) -> int:
    """Bytes that the kernel holds for those who are connected to the port and have not taken them yet."""
    return sum(int(line[4].partition(":")[0], 16) for line in _sockets(port))


def connected(port: int) -> set[int]:
    """The ports of those who are connected to the port and have not been left."""
    return {int(line[2].rpartition(":")[2], 16) for line in _sockets(port) if line[3] == _ESTABLISHED}


def _sockets(port: int) -> list[list[str]]:
    """The server's side of its connections."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [line for line in lines if int(line[1].rpartition(":")[2], 16) == port]


def favour_what_is_started() -> None:
    """Processes that are started from now on go before others, if we may say so."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _FAVOURED)


def step_back() -> None:
    """This one, which makes the load, comes after them."""
    favoured = os.getpriority(os.PRIO_PROCESS, 0) == _FAVOURED
    os.setpriority(os.PRIO_PROCESS, 0, 0 if favoured else _PATIENT)


def allow_many_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
