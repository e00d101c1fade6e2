"""A running service takes up the registry's current model: loaded and warmed beside the old one, then swapped."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from bot import models
from bot.config import Settings
from bot.language import Language
from bot.learning.shelf import registry_of
from nlu.registry import Registry
from nlu.source import Mendable

if TYPE_CHECKING:
    from nlu.understand import Service

logger = logging.getLogger(__name__)

SECONDS = 0.25
"""Between two looks at which model is current."""


@asynccontextmanager
async def following(settings: Settings, language: Language, service: Service) -> AsyncIterator[None]:
    """While the context is open, `service` understands with the model that is current."""
    task = asyncio.create_task(_follow(settings, language, service), name="following")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _follow(settings: Settings, language: Language, service: Service) -> None:
    registry = registry_of(settings)
    refused: str | None = None
    # Always the same thread: what each one allocates and frees again would stay with it.
    with ThreadPoolExecutor(1, "model", _give_way) as loader:
        while True:
            wanted = await asyncio.to_thread(registry.current_id)
            if wanted not in (None, refused, service.model):
                refused = None if await _taken(registry, wanted, (settings, language, service), loader) else wanted
            await asyncio.sleep(SECONDS)


def _give_way() -> None:
    """Turns come before the loading of a model."""
    if sys.platform == "linux":  # elsewhere it would be the whole process's priority
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)


async def _taken(
    registry: Registry, wanted: str, here: tuple[Settings, Language, Service], loader: ThreadPoolExecutor
) -> bool:
    """Whether the model could be taken up; else the old one goes on, also if the new one's files vanish meanwhile."""
    settings, language, service = here
    try:
        directory = registry.under_its_name(wanted)
        model = await asyncio.get_running_loop().run_in_executor(loader, models.for_serving, directory, settings)
        page = models.page(directory)
    except (Mendable, OSError) as problem:
        logger.error("%s goes on serving. %s", service.model, problem)
        return False
    service.use(model)
    language.use(service, page)
    logger.info("%s serves now", wanted)
    return True
