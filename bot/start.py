"""From the command to a running service: data checked, model loaded, doors open, people told where to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console as Screen

from bot import logs, models
from bot.app import Language, Service, check_port, check_stores, serving, until_stopped
from bot.config import Settings
from bot.console.sign_in import one_time_link
from bot.dialogue.assistant import Assistant
from nlu.understand import Model, serve


def run(settings: Settings) -> None:
    """Serves until it is stopped."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    check_port(settings)
    assistant = Assistant.load(settings.data)
    asyncio.run(check_stores(settings))
    directory, model = models.ready(settings, screen)
    asyncio.run(_serve(settings, assistant, model, directory, screen))


async def _serve(settings: Settings, assistant: Assistant, model: Model, directory: Path, screen: Screen) -> None:
    async with serve(model) as understander:
        language = Language(understander, models.page(directory), models.articles(settings))
        async with serving(settings, assistant, language) as service:
            _announce(service, directory, screen)
            await until_stopped()
            screen.print("Stopping: turns under way are finished, widgets are told to come back.")


def _announce(service: Service, directory: Path, screen: Screen) -> None:
    scores = ", ".join(f"{words} {value}" for words, value in models.page(directory).facts[3:])
    lines = (
        ("Demo page", f"{service.url}/"),
        ("Console", one_time_link(service.url, service.signer)),
        ("Model", f"{directory.name}" + (f" ({scores})" if scores else "")),
        ("Redis", service.redis),
        ("Database", service.database),
    )
    screen.print("\n[bold green]Frontdesk is running.[/bold green] Ctrl-C stops it.", highlight=False)
    for name, value in lines:
        screen.print(f"  {name:<10} {value}", highlight=False, markup=False)


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[str]:
    """The service for one conversation: its URL."""
    logs.set_up("error", settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    assistant = Assistant.load(settings.data)
    await check_stores(settings)
    directory, model = models.ready(settings, screen)
    async with serve(model) as understander:
        language = Language(understander, models.page(directory), {})
        async with serving(settings.model_copy(update={"port": 0}), assistant, language) as service:
            yield service.url
