"""Calls to providers that nothing depends on: that an answer is being written, that a press was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bot.channels.connector import Connector
from bot.channels.verdict import Call
from bot.messages import Inbound, Owner
from bot.sending import Sender

AFTER = 0.3
"""Seconds until the first signal: an answer that is there at once needs none."""
AT_ONCE = 16
"""Conversations that are shown at the same time that an answer is written; whoever would be the next goes without."""
SEEN_AT_ONCE = 64
"""Presses that are acknowledged at the same time: their customers' apps wait for that, so this is room of their own."""
RENEWED = 0.8
"""The part of a signal's life after which the next one is sent."""


class Signals:
    def __init__(self, connectors: Mapping[str, Connector], sender: Sender) -> None:
        self._connectors, self._sender = connectors, sender
        self._typing: set[asyncio.Task[None]] = set()
        self._seen: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        tasks = [*self._typing, *self._seen]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def once(self, connector: Connector, call: Call, key: str) -> None:
        """Best effort, in the background."""
        if len(self._seen) < SEEN_AT_ONCE:
            _start(self._send(connector, call, key), self._seen)

    @contextmanager
    def during(self, inbound: Inbound, owner: Owner) -> Iterator[None]:
        """The turn that answers the message."""
        connector = self._connectors.get(inbound.channel)
        shown = connector is not None and connector.capabilities.typing and inbound.address is not None
        if connector is None or not shown or owner is not Owner.BOT or len(self._typing) >= AT_ONCE:
            yield
            return
        task = _start(self._signal(connector, inbound), self._typing)
        try:
            yield
        finally:
            task.cancel()

    async def _send(self, connector: Connector, call: Call, key: str) -> None:
        await self._sender.send(connector, call, key)

    async def _signal(self, connector: Connector, inbound: Inbound) -> None:
        """Best effort: one that fails is not tried again."""
        await asyncio.sleep(AFTER)
        while call := connector.typing(inbound.address or {}):
            await self._sender.send(connector, call, f"typing-{inbound.message_id}")
            await asyncio.sleep((connector.capabilities.typing or 5.0) * RENEWED)


def _start(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    task = asyncio.create_task(work, name="signal")
    among.add(task)
    task.add_done_callback(among.discard)
    return task
