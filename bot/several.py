"""`frontdesk run --workers N`: what the server processes share, and the processes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console as Screen

from bot import logs, models
from bot.app import check_port, check_stores, database_in_words, database_path, redis_in_words
from bot.config import Settings, address
from bot.dialogue.assistant import Assistant
from bot.embedded import embedded_valkey
from bot.hang_up import at_hang_up
from bot.journal.journal import Journal
from bot.learning.shelf import registry_of
from bot.listening import listen
from bot.metrics import FOLDER_VARIABLE, emptied, forget
from bot.start import announce, front_page, page_of_service, until_told
from bot.stopping import until_stopped
from bot.supervisor import Command, Plan, Supervisor
from bot.tokens import Signer, load_key
from bot.trained import Commands, chosen_or_trained


def run(settings: Settings) -> None:
    """Serves with several processes until it is stopped. This one holds what they share, and never a model."""
    logs.set_up(settings.log_level, settings.log_format)
    screen = Screen(stderr=True, soft_wrap=True)
    check_port(settings)
    assistant = Assistant.load(settings.data)  # what is wrong with it is told once, not by every worker
    asyncio.run(check_stores(settings))
    model = asyncio.run(_model(settings, screen))

    def ready(url: str, signer: Signer) -> None:
        page = models.page(registry_of(settings).directory(model)) if model else page_of_service(settings, "")
        stores = redis_in_words(settings), database_in_words(settings)
        announce(screen, front_page(assistant, url), signer, page, stores)

    command = Commands("bot.worker", model, lambda: _model(Settings.read(), screen))
    asyncio.run(serve(settings, command, ready, lambda: until_told(screen)))


async def serve(
    settings: Settings,
    command: Command,
    ready: Callable[[str, Signer], None],
    stopped: Callable[[], Awaitable[None]] = until_stopped,
) -> None:
    """Serves until it is stopped; SIGHUP replaces the workers. `ready` is called once all of them serve."""
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(listen(settings.host, settings.port))
        redis_url = settings.redis_url or str(await stack.enter_async_context(embedded_valkey(settings.home)))
        async with await Journal.open(settings.database_url or database_path(settings)):
            pass  # its tables are there before the workers are
        signer = Signer(load_key(settings.home, settings.secret))
        metrics = emptied(settings.home / "metrics")
        shared = environment(settings, redis_url, metrics)
        plan = Plan(settings.workers, command, shared, lambda process: forget(process, metrics))
        supervisor = Supervisor(plan, listener)
        at_hang_up(supervisor.replace)
        await supervisor.run(stopped(), lambda: ready(address(*listener.getsockname()[:2]), signer))


def environment(settings: Settings, redis_url: str, metrics: Path) -> dict[str, str]:
    """The workers read the settings as we did; what they share is added."""
    threads = settings.threads or max(1, models.serving_threads() // settings.workers)
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "FRONTDESK_THREADS": str(threads),
        FOLDER_VARIABLE: str(metrics.absolute()),
    }


async def _model(settings: Settings, screen: Screen) -> str:
    """Empty for a service's."""
    return "" if settings.model_url else await chosen_or_trained(settings, screen)
