"""`frontdesk models serve`: the registry's current model for chat servers elsewhere, and nothing else."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console as Screen

from bot import interpreter, logs, metrics, models
from bot.config import Settings, SettingsError, address
from bot.following import following
from bot.hang_up import at_hang_up
from bot.language import Language
from bot.learning.schedule import scheduled
from bot.listening import REST_SECONDS, accepting, listen
from bot.stopping import until_stopped
from bot.supervisor import Plan, Supervisor
from bot.trained import Commands, chosen_or_trained
from nlu.engine.batcher import Late, Overloaded
from nlu.engine.device import cores
from nlu.types import Query, Understanding

if TYPE_CHECKING:
    from nlu.server import Punctual
    from nlu.understand import Model

NAMED = "--host", "--port"
_OUTCOMES: dict[type[BaseException], str] = {
    Overloaded: "refused",
    Late: "late",
    asyncio.CancelledError: "given_up",
}


def run(settings: Settings, place: tuple[str, int], workers: int) -> None:
    """Serves until it is stopped; trains a model first if there is none for the data."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    check_token(settings, place[0])
    listen(*place, NAMED).close()
    if workers > 1:
        asyncio.run(_serve_with(workers, settings, place, screen))
    else:
        ours = with_threads(settings, 1)
        found = models.ready(ours, screen)
        listener = listen(*place, NAMED)
        running = serve(ours, found, listener, partial(_announce, screen, listener), until_stopped())
        del found
        interpreter.run(running)


async def _serve_with(workers: int, settings: Settings, place: tuple[str, int], screen: Screen) -> None:
    """This process holds the port, and never a model."""
    model = await chosen_or_trained(settings, screen)
    with listen(*place, NAMED) as listener:
        folder = metrics.emptied(settings.home / "model-metrics" / str(listener.getsockname()[1]))
        threads = str(with_threads(settings, workers).threads)
        shared = {**os.environ, "FRONTDESK_THREADS": threads, metrics.FOLDER_VARIABLE: str(folder.absolute())}
        command = Commands("bot.model_worker", model, lambda: chosen_or_trained(Settings.read(), screen))
        plan = Plan(workers, command, shared, lambda process: metrics.forget(process, folder))
        supervisor = Supervisor(plan, listener)
        at_hang_up(supervisor.replace)
        await supervisor.run(until_stopped(), partial(_announce, screen, listener))


def _announce(screen: Screen, listener: socket.socket) -> None:
    url = address(*listener.getsockname()[:2])
    screen.print(f"\n[bold green]The model is served.[/bold green] Ctrl-C stops it.\n  {url}", highlight=False)


def with_threads(settings: Settings, workers: int) -> Settings:
    """All cores are the model's; of several workers each has one at least."""
    return settings.model_copy(update={"threads": settings.threads or max(1, cores() // workers)})


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
    settings: Settings,
    found: tuple[Path, Model],
    listener: socket.socket,
    ready: Callable[[], None],
    stopped: Awaitable[None],
) -> None:
    """Until `stopped` returns; what is under way then is answered. `ready` is called once questions are."""
    from nlu.server import serving
    from nlu.understand import serve as batched

    directory, batches = found[0], batched(found[1])
    del found  # the service has the model, until another takes its place
    token = settings.model_token.get_secret_value() if settings.model_token else ""
    interpreter.tune()
    async with batches as service:
        language = Language(service, models.page(directory), {})
        doors = partial(accepting, listener, rest=REST_SECONDS)
        answering = serving(Counted(service), token, doors, metrics.routes())
        async with following(settings, language, service), scheduled(settings), answering:
            interpreter.freeze()
            ready()
            await stopped


class Counted:
    """The model, and what became of the texts that it was asked."""

    def __init__(self, understander: Punctual) -> None:
        self._understander = understander

    @property
    def model(self) -> str:
        return self._understander.model

    async def answer(self, queries: Sequence[Query], until: float) -> list[Understanding]:
        outcome = "understood"
        try:
            with metrics.MODEL_SECONDS.time():
                return await self._understander.answer(queries, until)
        except BaseException as problem:
            outcome = _OUTCOMES.get(type(problem), "failed")
            raise
        finally:
            metrics.MODEL_TEXTS.labels(outcome).inc(len(queries))
