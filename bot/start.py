"""From the command to a running service: data checked, doors open, model loaded, people told where to look."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console as Screen

from bot import interpreter, logs, models
from bot.app import Service, check_port, check_stores, serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.console.sign_in import one_time_link
from bot.demo import is_demo
from bot.dialogue.assistant import Assistant
from bot.following import following
from bot.language import Language
from bot.learning.schedule import scheduled
from bot.remote import Remote, remote
from bot.stopping import until_stopped
from bot.tokens import Signer
from nlu.types import Understander

if TYPE_CHECKING:
    from nlu.understand import Model
    from nlu.understand import Service as Served

STOPPING = "Stopping: turns under way are finished, widgets are told to come back."

Load: TypeAlias = AbstractAsyncContextManager[tuple[Understander, ModelPage]]
"""Enters when the model is there."""


Follow: TypeAlias = Callable[[Language, Understander], AbstractAsyncContextManager[None]]


def staying(language: Language, understander: Understander) -> AbstractAsyncContextManager[None]:
    """The model stays what it is."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Start:
    """What a server process is started with."""

    settings: Settings
    assistant: Assistant
    articles: Mapping[str, tuple[str, str]]
    load: Load
    listener: socket.socket | None = None
    """A socket that other processes share; without one the settings' port is opened."""
    patient: bool = False
    """The doors open when the model is there: others serve meanwhile."""
    follow: Follow = staying
    """What is done about models that come later."""


def run(settings: Settings) -> None:
    """Serves until it is stopped."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    check_port(settings)
    assistant = Assistant.load(settings.data)
    asyncio.run(check_stores(settings))
    # A bot that says nothing while it is trained looks dead: without any model the doors stay closed.
    needs_one = not (settings.model_url or models.chosen(settings))
    trained = models.ready(settings, screen) if needs_one else None
    load, follow = understood_by(settings, lambda: trained or models.ready(settings, screen))
    start = Start(settings, assistant, models.articles(settings), load, follow=follow)
    interpreter.run(_serve(start, screen))


def understood_by(settings: Settings, found: Callable[[], tuple[Path, Model]]) -> tuple[Load, Follow]:
    """The model service of the settings; else the model that `found` finds, in this process."""
    if settings.model_url:
        return reaching(settings), told_of_models(settings)
    return loading(found), follower(settings)


@asynccontextmanager
async def reaching(settings: Settings) -> AsyncIterator[tuple[Understander, ModelPage]]:
    """The model service, once it answers."""
    token = settings.model_token.get_secret_value() if settings.model_token else ""
    async with remote(settings.model_url, token, settings.turn_timeout) as model:
        await model.meet()
        yield model, page_of_service(settings, model.model)


def told_of_models(settings: Settings) -> Follow:
    """Another model is in the service's answers."""

    @asynccontextmanager
    async def follow(language: Language, understander: Understander) -> AsyncIterator[None]:
        assert isinstance(understander, Remote)
        understander.on_model = lambda model: language.use(understander, page_of_service(settings, model))
        understander.on_model(understander.model)
        yield

    return follow


def page_of_service(settings: Settings, model: str) -> ModelPage:
    where = f"on the machine of the model service: `frontdesk models show {model}`"
    facts = (("Served by", settings.model_url), ("Scores and report", where))
    return ModelPage(model or f"that of {settings.model_url}", facts, None)


def follower(settings: Settings) -> Follow:
    """Of the registry's current model."""

    def follow(language: Language, understander: Understander) -> AbstractAsyncContextManager[None]:
        from nlu.understand import Service as Served

        assert isinstance(understander, Served)
        return _learning(settings, language, understander)

    return follow


@asynccontextmanager
async def _learning(settings: Settings, language: Language, service: Served) -> AsyncIterator[None]:
    async with following(settings, language, service), scheduled(settings):
        yield


async def _serve(start: Start, screen: Screen) -> None:
    def ready(service: Service, page: ModelPage) -> None:
        front = front_page(start.assistant, service.url)
        announce(screen, front, service.signer, page, (service.redis, service.database))

    await serve_until(until_told(screen), start, ready)


async def until_told(screen: Screen) -> None:
    await until_stopped()
    screen.print(STOPPING)


async def serve_until(stopped: Awaitable[None], start: Start, ready: Callable[[Service, ModelPage], None]) -> None:
    """Serves until `stopped` returns, and calls `ready` when messages are answered. Raises what loading raises."""
    language = Language.to_come(start.articles)
    end = asyncio.ensure_future(stopped)
    async with _coming(start.load) as loaded:  # left last: the turns under way need the model
        if start.patient and not await _before(loaded, end):
            return
        async with serving(start.settings, start.assistant, language, start.listener) as service:
            if await _before(loaded, end):
                interpreter.freeze()
                understander, page = loaded.result()
                language.use(understander, page)
                ready(service, page)
                async with start.follow(language, understander):
                    await end


@asynccontextmanager
async def _coming(load: Load) -> AsyncIterator[asyncio.Task[tuple[Understander, ModelPage]]]:
    async with AsyncExitStack() as stack:
        loaded = asyncio.create_task(stack.enter_async_context(load), name="loading")
        try:
            yield loaded
        finally:
            loaded.cancel()
            await asyncio.gather(loaded, return_exceptions=True)


async def _before(loaded: asyncio.Task[tuple[Understander, ModelPage]], end: asyncio.Future[None]) -> bool:
    """Waits for the model, and tells whether it came before the end."""
    await asyncio.wait((loaded, end), return_when=asyncio.FIRST_COMPLETED)
    if loaded.done():
        loaded.result()
    return not end.done()


@asynccontextmanager
async def loading(found: Callable[[], tuple[Path, Model]]) -> AsyncIterator[tuple[Understander, ModelPage]]:
    """The model that `found` finds, looked for in a thread: torch alone takes seconds to import."""
    directory, model = await asyncio.to_thread(found)
    from nlu.understand import serve

    batched = serve(model)
    del model  # the service has it, until another takes its place
    async with batched as understander:
        yield understander, models.page(directory)


def front_page(assistant: Assistant, url: str) -> tuple[str, str]:
    """What stands at `/`, and where that is."""
    return "Demo page" if is_demo(assistant.domain) else "Chat page", url


def announce(screen: Screen, front: tuple[str, str], signer: Signer, page: ModelPage, stores: tuple[str, str]) -> None:
    """Tells where to look; `stores` are Redis and the database, in words."""
    scores = ", ".join(f"{words} {value}" for words, value in page.facts[3:])
    name, url = front
    lines = (
        (name, f"{url}/"),
        ("Console", one_time_link(url, signer)),
        ("Model", page.id + (f" ({scores})" if scores else "")),
        ("Redis", stores[0]),
        ("Database", stores[1]),
    )
    screen.print("\n[bold green]Frontdesk is running.[/bold green] Ctrl-C stops it.", highlight=False)
    for words, value in lines:
        screen.print(f"  {words:<10} {value}", highlight=False, markup=False)


@asynccontextmanager
async def alone(settings: Settings) -> AsyncIterator[str]:
    """The service for one conversation: its URL."""
    logs.set_up("error", settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    assistant = Assistant.load(settings.data)
    await check_stores(settings)
    load, _ = understood_by(settings, lambda: models.ready(settings, screen))
    async with load as (understander, page):
        language = Language(understander, page, {})
        async with serving(settings.model_copy(update={"port": 0}), assistant, language) as service:
            yield service.url
