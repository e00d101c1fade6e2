"""A running service takes up the registry's current model: loaded and warmed beside the old one, then swapped."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from bot import models
from bot.config import Settings
from bot.language import Language
from bot.learning.shelf import registry_of
from nlu.manifest import ModelError
from nlu.registry import Registry
from nlu.source import Mendable

if TYPE_CHECKING:
    from nlu.understand import Service

logger = logging.getLogger(__name__)

SECONDS = 0.25
"""Between two looks at which model is current."""
AGAIN_SECONDS = 300.0
"""After which one that was refused is tried again as it is: there may have been too little memory."""


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
    refused: _Refused | None = None
    # Always the same thread: what each one allocates and frees again would stay with it.
    with ThreadPoolExecutor(1, "model", _give_way) as loader:
        while True:
            wanted = await asyncio.to_thread(registry.current_id)
            if wanted not in (None, service.model):
                seen = await asyncio.to_thread(_Refused.now, registry, wanted)
                if refused is None or not refused.stands(seen):
                    refused = None if await _taken(registry, wanted, (settings, language, service), loader) else seen
                    await asyncio.sleep(SECONDS)  # what is being understood ends with the old model
                    await asyncio.get_running_loop().run_in_executor(loader, _give_back)
            await asyncio.sleep(SECONDS)


@dataclass(frozen=True, slots=True)
class _Refused:
    """A model that could not be taken up, as it was: it is tried again when it is repaired, or trusted, or later."""

    model: str
    files: frozenset[tuple[str, int, int]]
    """Its own and the keys: path, time and size."""
    at: float

    @classmethod
    def now(cls, registry: Registry, model: str) -> Self:
        with suppress(ModelError, OSError):  # a file may vanish meanwhile
            paths = [*registry.directory(model).rglob("*"), *registry.keys.folder.glob("*")]
            files = [(str(path), path.stat()) for path in paths]
            return cls(model, frozenset((name, of.st_mtime_ns, of.st_size) for name, of in files), time.monotonic())
        return cls(model, frozenset(), time.monotonic())

    def stands(self, later: Self) -> bool:
        same = (self.model, self.files) == (later.model, later.files)
        return same and later.at - self.at < AGAIN_SECONDS


def _give_way() -> None:
    """Turns come before the loading of a model."""
    if sys.platform == "linux":  # elsewhere it would be the whole process's priority
        os.nice(10)


def _give_back() -> None:
    """Of the memory that is free: glibc would keep what models took, in pieces between which the next one does not
    fit."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)


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
