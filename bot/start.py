"""From the command to a running service: data checked, model loaded, doors open, people told where to look."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console as Screen

from bot import logs, models
from bot.app import Language, Service, check_port, serving, until_stopped
from bot.config import Settings
from bot.console.sign_in import one_time_code
from bot.dialogue.assistant import Assistant
from bot.terminal import talk
from bot.tokens import Signer, load_key
from nlu.source import Mendable
from nlu.understand import Model, load_model, serve


class CannotChat(Mendable):
    """Nobody to talk to; the sentence says what to do."""


def run(settings: Settings) -> None:
    """Serves until it is stopped."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True)
    check_port(settings)
    assistant = Assistant.load(settings.data)
    settings.home.mkdir(parents=True, exist_ok=True)
    directory = models.found_or_trained(settings, screen)
    with screen.status("Loading the model"):
        model = load_model(directory, device=settings.device, threads=settings.threads)
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
        ("Console", f"{service.url}/console/enter?code={one_time_code(service.signer)}"),
        ("Model", f"{directory.name}" + (f" ({scores})" if scores else "")),
        ("Redis", service.redis),
        ("Database", service.database),
    )
    screen.print("\n[bold green]Frontdesk is running.[/bold green] Ctrl-C stops it.", highlight=False)
    for name, value in lines:
        screen.print(f"  {name:<10} {value}", highlight=False, soft_wrap=True)


def console_link(settings: Settings) -> str:
    signer = Signer(load_key(settings.home, settings.secret.get_secret_value() if settings.secret else None))
    return f"http://{settings.host}:{settings.port}/console/enter?code={one_time_code(signer)}"


def chat(settings: Settings, url: str) -> None:
    """Talks to the service at `url`; without one, to the one of the settings, started if it does not run."""
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise CannotChat(f"{url} is not an address such as http://127.0.0.1:8080.")
    asyncio.run(_chat(settings, url or f"http://{settings.host}:{settings.port}", started=not url))


async def _chat(settings: Settings, url: str, *, started: bool) -> None:
    try:
        await talk(url)
    except aiohttp.ClientConnectorError:
        if not started:
            raise CannotChat(f"Nobody answers at {url}; start it with `frontdesk run`.") from None
        await _chat_alone(settings)


async def _chat_alone(settings: Settings) -> None:
    logs.set_up("error", settings.log_format)
    settings.home.mkdir(parents=True, exist_ok=True)
    assistant = Assistant.load(settings.data)
    directory = models.found_or_trained(settings, Screen(stderr=True))
    model = load_model(directory, device=settings.device, threads=settings.threads)
    async with serve(model) as understander:
        language = Language(understander, models.page(directory), {})
        async with serving(settings.model_copy(update={"port": 0}), assistant, language) as service:
            await talk(service.url)
