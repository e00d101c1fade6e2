"""The model that workers will load: found in the registry, or trained in a process of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from rich.console import Console as Screen

from bot import models
from bot.config import Settings
from bot.learning.shelf import registry_of
from nlu.source import Mendable

TRAINING = (sys.executable, "-P", "-m", "bot.cli", "train")  # -P: a folder `bot` beside the person is not ours


class NotTrained(Mendable):
    """There is no model to serve."""


class Commands:
    """A worker's command line. Asked for again, it names the model that is current then."""

    def __init__(self, module: str, model: str, again: Callable[[], Awaitable[str]]) -> None:
        self._words, self._model, self._again = (sys.executable, "-P", "-m", module), model, again

    async def __call__(self) -> Sequence[str]:
        model, self._model = self._model or await self._again(), ""
        return (*self._words, "--model", model)


async def chosen_or_trained(settings: Settings, screen: Screen) -> str:
    """The model to serve; one is trained if there is none for the data. Raises DataError and NotTrained."""
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
