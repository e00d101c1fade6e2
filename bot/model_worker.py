"""One of several processes of the model service: `python -m bot.model_worker`, started by the supervisor."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from rich.console import Console as Screen

from bot import logs, models
from bot.config import Settings
from bot.model_service import serve
from bot.post import Post, told_to_stop, work


def _serve(post: Post) -> Coroutine[Any, Any, None]:
    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format, post.number)
    found = models.sound(post.model, settings, Screen(stderr=True, soft_wrap=True))
    return serve(settings, found, post.listener, partial(post.tell, ready=found[0].name), told_to_stop(post))


if __name__ == "__main__":
    work(_serve)
