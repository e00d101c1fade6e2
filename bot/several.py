"""`frontdesk run --workers N`: what the server processes share, and the processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from rich.console import Console as Screen

from bot import logs, models
from bot.app import check_port, check_stores, database_in_words, database_path, redis_in_words, until_stopped
from bot.config import Settings, address
from bot.dialogue.assistant import Assistant
from bot.embedded import embedded_valkey
from bot.journal.journal import Journal
from bot.learning.shelf import registry_of
from bot.listening import listen
from bot.metrics import FOLDER_VARIABLE, forget
from bot.start import announce, front_page, page_of_service, until_told
from bot.supervisor import Command, Plan, Supervisor
from bot.tokens import Signer, load_key
from nlu.source import Mendable

WORKER = (sys.executable, "-P", "-m", "bot.worker")  # -P: a folder `bot` beside the person is not ours
TRAINING = (sys.executable, "-P", "-m", "bot.cli", "train")


class NotTrained(Mendable):
    """There is no model to serve."""


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

    asyncio.run(serve(settings, _Commands(model, screen), ready, lambda: until_told(screen)))


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
        metrics = _empty(settings.home / "metrics")
        shared = environment(settings, redis_url, metrics)
        plan = Plan(settings.workers, command, shared, lambda process: forget(process, metrics))
        supervisor = Supervisor(plan, listener)
        _at_hang_up(supervisor.replace)
        await supervisor.run(stopped(), lambda: ready(address(*listener.getsockname()[:2]), signer))


def _at_hang_up(replace: Callable[[], None]) -> None:
    """SIGHUP replaces the workers; one that tells that our terminal was closed ends us, but not under nohup."""
    in_terminal = _has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def heard() -> None:
        if in_terminal and not _has_terminal():
            os.kill(os.getpid(), signal.SIGTERM)
        else:
            replace()

    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def environment(settings: Settings, redis_url: str, metrics: Path) -> dict[str, str]:
    """The workers read the settings as we did; what they share is added."""
    threads = settings.threads or max(1, models.serving_threads() // settings.workers)
    return {
        **os.environ,
        "REDIS_URL": redis_url,
        "FRONTDESK_THREADS": str(threads),
        FOLDER_VARIABLE: str(metrics.absolute()),
    }


def _empty(folder: Path) -> Path:
    """The figures of the processes of an earlier run are no longer ours."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class _Commands:
    """A worker's command line. Asked for again, it names the model that is current then."""

    def __init__(self, model: str, screen: Screen) -> None:
        self._model, self._screen = model, screen

    async def __call__(self) -> Sequence[str]:
        model, self._model = self._model or await _model(Settings.read(), self._screen), ""
        return (*WORKER, "--model", model)


async def _model(settings: Settings, screen: Screen) -> str:
    """The model to serve, empty for a service's; one is trained if there is none for the data. Raises NotTrained."""
    if settings.model_url:
        return ""
    if (found := models.chosen(settings)) is not None:
        return found
    await asyncio.to_thread(_wait_for_training, settings, screen)
    if (found := models.chosen(settings)) is not None:
        return found
    screen.print(f"{models.NONE_YET}; training one.")
    await _train()
    if (made := models.chosen(settings)) is None:
        raise NotTrained(f"The training data in {settings.data} changed while it was read; start again.")
    return made


def _wait_for_training(settings: Settings, screen: Screen) -> None:
    """Of another process, if there is one."""
    with registry_of(settings).training(models.waiting(screen)):
        pass


async def _train() -> None:
    """In a process of its own, so that torch stays out of this one."""
    training = await asyncio.create_subprocess_exec(*TRAINING, stdout=sys.stderr)
    try:
        if await training.wait() != 0:
            raise NotTrained("No model could be trained, so there is none to serve; see above.")
    finally:
        with suppress(ProcessLookupError):
            training.kill()
            await training.wait()
