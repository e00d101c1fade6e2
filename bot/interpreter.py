"""Python's own settings for a server: what its defaults cost a message is more than they save here."""

from __future__ import annotations

import gc
import sys

SWITCH_SECONDS = 0.0005
"""How long one thread may keep the others from running: Python's own 5 ms would be most of a message's time."""
YOUNG_OBJECTS = 50_000
"""New objects until the garbage collector looks at them; with Python's 700 it took an eighth of a message's time."""


def tune() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(YOUNG_OBJECTS, 20, 50)


def freeze() -> None:
    """What is there now, the model above all, stays: the garbage collector need not walk through it again and again."""
    gc.collect()
    gc.freeze()
