"""A server process as its supervisor's worker: what it is given, what it says, and when it has to end."""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeAlias

import orjson

from bot import failures, interpreter
from bot.stopping import until_stopped

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Post:
    """What the supervisor gives a worker."""

    number: int
    listener: socket.socket
    line: socket.socket
    patient: bool
    model: str

    @classmethod
    def read(cls, words: Sequence[str]) -> Self:
        options = argparse.ArgumentParser()
        for name in ("--number", "--listener", "--line"):
            options.add_argument(name, type=int, required=True)
        options.add_argument("--patient", action="store_true")
        options.add_argument("--model", default="")
        given = options.parse_args(words)
        listener, line = socket.socket(fileno=given.listener), socket.socket(fileno=given.line)
        return cls(given.number, listener, line, given.patient, given.model)

    def tell(self, **what: str) -> None:
        """Says how we are; whether anybody hears it does not matter."""
        try:
            self.line.sendall(orjson.dumps(what) + b"\n")
        except OSError:
            logger.warning("The supervisor is gone.")


Serve: TypeAlias = Callable[[Post], Coroutine[Any, Any, None]]
"""Serves until it is told to stop, and tells the supervisor once it does. What is read first may raise already."""


def work(serve: Serve) -> None:
    """A worker's program. What keeps it from serving is told to the supervisor."""
    sys.path.insert(1, str(Path.cwd()))  # as the command does
    post = Post.read(sys.argv[1:])
    try:
        interpreter.run(serve(post))
    except Exception as problem:
        sentence, code = failures.told(problem)
        if code == 1:
            logger.exception("worker %s failed", post.number)
        post.tell(failed=sentence)
        sys.exit(code)


async def told_to_stop(post: Post) -> None:
    """Returns when the supervisor says so, or is gone."""
    waits = [asyncio.ensure_future(until_stopped()), asyncio.ensure_future(_alone(post.line))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _alone(line: socket.socket) -> None:
    """Returns when the supervisor has ended: it never says a word, so the line can only break."""
    line.setblocking(False)
    await asyncio.get_running_loop().sock_recv(line, 1)
    logger.warning("The supervisor is gone; this worker ends.")
