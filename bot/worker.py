"""One of several server processes: `python -m bot.worker`, started by the supervisor on its socket, with its model."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from rich.console import Console as Screen

from bot import logs, models
from bot.config import Settings
from bot.dialogue.assistant import Assistant
from bot.post import Post, told_to_stop, work
from bot.start import Start, serve_until, understood_by


def served(post: Post, start: Start) -> Coroutine[Any, Any, None]:
    return serve_until(told_to_stop(post), start, lambda service, page: post.tell(ready=page.id))


def _serve(post: Post) -> Coroutine[Any, Any, None]:
    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format, post.number)
    screen = Screen(stderr=True, soft_wrap=True)
    load, follow = understood_by(settings, lambda: models.sound(post.model, settings, screen))
    assistant = Assistant.load(settings.data)
    sockets = post.listener, post.patient
    return served(post, Start(settings, assistant, models.articles(settings), load, *sockets, follow=follow))


if __name__ == "__main__":
    work(_serve)
