"""The socket that customers connect to: opened by one process, shared by as many as serve."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import getLogger

from nlu.source import Mendable

BACKLOG = 1024
"""Connections that may wait to be taken: those of a shop's customers who all come back at once."""
PAUSE_SECONDS = 0.5
"""Without a free file handle, taking connections rests for so long."""

logger = getLogger(__name__)


class CannotServe(Mendable):
    """The service cannot start; the sentence says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A bound socket. Raises CannotServe when the port is taken or the address is not ours."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except socket.gaierror:
        raise CannotServe(f"There is no address '{host}' to listen on; correct FRONTDESK_HOST.") from None
    except OSError as error:
        reason = os.strerror(error.errno or 0)  # its own text repeats the address
        raise CannotServe(
            f"Cannot listen on {host}:{port} ({reason}); stop what uses it, or choose another FRONTDESK_PORT."
        ) from None


@contextmanager
def accepting(listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> Iterator[Callable[[], None]]:
    """Takes connections until the context is left or what it yields is called."""
    door = _Door(listener, protocol)
    door.open()
    try:
        yield door.close
    finally:
        door.close()


class _Door:
    """Takes one connection each time the loop comes round, so that processes which share the socket share the crowd:
    asyncio's own server takes all that wait at once."""

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._listener, self._protocol = listener, protocol
        self._loop = asyncio.get_running_loop()
        self._greetings: set[asyncio.Task[object]] = set()
        self._rest: asyncio.TimerHandle | None = None

    def open(self) -> None:
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._take)

    def close(self) -> None:
        if self._rest:
            self._rest.cancel()
        self._loop.remove_reader(self._listener)

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another process was faster, or it left
            return
        except OSError as error:
            logger.warning("Connections have to wait: %s.", error.strerror)
            self._loop.remove_reader(self._listener)
            self._rest = self._loop.call_later(PAUSE_SECONDS, self.open)
            return
        connection.setblocking(False)
        greeting = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._greetings.add(greeting)
        greeting.add_done_callback(self._greetings.discard)
