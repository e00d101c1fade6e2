"""One of several server processes: `python -m bot.worker`, started by the supervisor on its socket, with its model."""

from __future__ import annotations

import argparse
import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import orjson
from rich.console import Console as Screen

from bot import failures, interpreter, logs, models
from bot.app import until_stopped
from bot.config import Settings
from bot.dialogue.assistant import Assistant
from bot.start import Start, serve_until, understood_by

logger = logging.getLogger("bot.worker")  # not `__main__`


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


def main() -> None:
    sys.path.insert(1, str(Path.cwd()))  # as the command does
    work(Post.read(sys.argv[1:]), _start)


def work(post: Post, start: Callable[[Post], Start]) -> None:
    """Serves until the supervisor says so, or is gone. What keeps us from it is told to the supervisor."""
    try:
        interpreter.run(_serve(post, start(post)))
    except Exception as problem:
        sentence, code = failures.told(problem)
        if code == 1:
            logger.exception("worker %s failed", post.number)
        post.tell(failed=sentence)
        sys.exit(code)


async def _serve(post: Post, start: Start) -> None:
    await serve_until(_told_to_stop(post), start, lambda service, page: post.tell(ready=page.id))


async def _told_to_stop(post: Post) -> None:
    waits = [asyncio.ensure_future(until_stopped()), asyncio.ensure_future(_alone(post.line))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _alone(line: socket.socket) -> None:
    """Returns when the supervisor has ended: it never says a word, so the line can only break."""
    line.setblocking(False)
    await asyncio.get_running_loop().sock_recv(line, 1)
    logger.warning("The supervisor is gone; this worker ends.")


def _start(post: Post) -> Start:
    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format, post.number)
    screen = Screen(stderr=True, soft_wrap=True)
    load, follow = understood_by(settings, lambda: models.sound(post.model, settings, screen))
    assistant = Assistant.load(settings.data)
    sockets = post.listener, post.patient
    return Start(settings, assistant, models.articles(settings), load, *sockets, follow=follow)


if __name__ == "__main__":
    main()
