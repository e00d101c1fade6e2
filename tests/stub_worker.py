"""A worker with everything real but the model: `python -m tests.stub_worker`, started by the supervisor.

Its name in `welcome` is its number. `hold` holds a turn until the file `go` is in the home folder; `held` tells who.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bot import logs
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.post import Post, work
from bot.start import Start
from bot.worker import served
from nlu.manifest import ModelError
from nlu.types import Understander
from tests.service import KeywordUnderstander, echo_assistant


def _serve(post: Post) -> Coroutine[Any, Any, None]:
    settings = Settings.read()
    logs.set_up(settings.log_level, settings.log_format, post.number)
    named = settings.model_copy(update={"bot_name": f"{post.number}"})
    assistant = echo_assistant(settings.home / "assistant")
    return served(post, Start(named, assistant, {}, _load(post, settings.home), post.listener, post.patient))


@asynccontextmanager
async def _load(post: Post, home: Path) -> AsyncIterator[tuple[Understander, ModelPage]]:
    if post.model == "broken":
        raise ModelError("The model is broken.")

    async def before(text: str) -> None:
        if "hold" in text:
            (home / ".held").write_text(str(os.getpid()))
            (home / ".held").rename(home / "held")  # whole at once
            while not (home / "go").exists():
                await asyncio.sleep(0.01)

    yield KeywordUnderstander(before=before), ModelPage(post.model, (), None)


if __name__ == "__main__":
    work(_serve)
