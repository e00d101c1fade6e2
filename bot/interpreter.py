"""Python's own settings for a server: what its defaults cost a message is more than they save here."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SWITCH_SECONDS = 0.0005
"""How long one thread may keep the others from running: Python's own 5 ms would be most of a message's time."""
YOUNG_OBJECTS = 50_000
"""New objects until the garbage collector looks at them; with Python's 700 it took an eighth of a message's time."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run, where there is uvloop on its event loop: a tenth less processor time a message."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


def tune() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)


def freeze() -> None:
    """What is there now, the model above all, stays: the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
