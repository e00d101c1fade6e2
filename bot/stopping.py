"""When a process has to end: SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress


async def until_stopped() -> None:
    """Returns at either."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):
            loop.add_signal_handler(name, stopped.set)
    await stopped.wait()
