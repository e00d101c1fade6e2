"""`frontdesk models serve`: the registry's current model for chat servers elsewhere, and nothing else."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console as Screen

from bot import interpreter, logs, models
from bot.app import until_stopped
from bot.config import Settings, SettingsError, address
from bot.following import following
from bot.language import Language
from bot.learning.schedule import scheduled
from bot.listening import listen

if TYPE_CHECKING:
    from nlu.understand import Model


def run(settings: Settings, host: str, port: int) -> None:
    """Serves until it is stopped; trains a model first if there is none for the data."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    check_token(settings, host)
    listen(host, port, ("--host", "--port")).close()
    ours = settings.model_copy(update={"threads": settings.threads or os.cpu_count() or 1})
    found = models.ready(ours, screen)

    def ready(url: str) -> None:
        screen.print(f"\n[bold green]The model is served.[/bold green] Ctrl-C stops it.\n  {url}", highlight=False)

    interpreter.run(serve(ours, found, (host, port), ready))


def check_token(settings: Settings, host: str) -> None:
    """Raises SettingsError if strangers could ask."""
    if settings.model_token is None and not _is_loopback(host):
        raise SettingsError(
            f"FRONTDESK_MODEL_TOKEN: is needed to listen on {host}, for others can ask there; "
            "set the same here and for the chat servers"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(
    settings: Settings, found: tuple[Path, Model], place: tuple[str, int], ready: Callable[[str], None]
) -> None:
    """Until SIGTERM or Ctrl-C; what is under way then is answered. `ready` is told the URL."""
    from nlu.server import serving
    from nlu.understand import serve as batched

    directory, model = found
    token = settings.model_token.get_secret_value() if settings.model_token else ""
    interpreter.tune()
    async with batched(model) as service:
        listener = listen(*place, ("--host", "--port"))
        language = Language(service, models.page(directory), {})
        async with following(settings, language, service), scheduled(settings), serving(service, token, listener):
            interpreter.freeze()
            ready(address(*listener.getsockname()[:2]))
            await until_stopped()
