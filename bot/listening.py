"""The socket that customers connect to: opened by one process, shared by as many as serve."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger
from time import monotonic, sleep

from nlu.source import Mendable

BACKLOG = 1024
"""Connections that may wait to be taken: those of a shop's customers who all come back at once."""
REST_SECONDS = 0.002
"""After each connection a process leaves the next to the others for so long; else the first to wake takes all."""
DYING_SECONDS = 1.0
"""The workers of a service that was killed need a moment to let go of the port."""
UNSENT_BYTES = 65536
"""The kernel takes no more from us for somebody who does not read; left alone it would take megabytes."""
PAUSE_SECONDS = 0.5
"""Without a free file handle, taking connections rests for so long."""

logger = getLogger(__name__)


class CannotServe(Mendable):
    """The service cannot start; the sentence says what to do."""


def listen(host: str, port: int, named: tuple[str, str] = ("FRONTDESK_HOST", "FRONTDESK_PORT")) -> socket.socket:
    """A bound socket. Raises CannotServe, which says what to change (`named`), when the port is taken or the address is
    not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return _bound(family, (host, port))
    except socket.gaierror:
        raise CannotServe(f"There is no address '{host}' to listen on; correct {named[0]}.") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # its own text repeats the address
        raise CannotServe(
            f"Cannot listen on {host}:{port} ({reason}); stop what uses it, or choose another {named[1]}."
        ) from None


def _bound(family: int, place: tuple[str, int]) -> socket.socket:
    until = monotonic() + DYING_SECONDS
    while True:
        try:
            return socket.create_server(place, family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or monotonic() > until:
                raise
        sleep(0.05)


@contextmanager
def accepting(
    listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], rest: float = 0.0
) -> Iterator[Callable[[], None]]:
    """Takes connections until the context is left or what it yields is called; rests for so long after each."""
    door = _Door(listener, protocol, rest)
    door.open()
    try:
        yield door.close
    finally:
        door.close()


class _Door:
    """Takes one connection at a time: asyncio's own server takes all that wait, though other processes are idle."""

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol], rest: float) -> None:
        self._listener, self._protocol, self._rest = listener, protocol, rest
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[object]] = set()
        self._again: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._take)

    def close(self) -> None:
        """Who comes now is refused at once, or served by the processes that share the socket."""
        if self._again:
            self._again.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._again = self._loop.call_later(seconds, self.open)

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another process was faster, or it left
            return
        except OSError as error:
            logger.warning("Connections have to wait: %s.", error.strerror)
            self._pause(PAUSE_SECONDS)
            return
        connection.setblocking(False)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        greeting = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)
        if self._rest:
            self._pause(self._rest)
