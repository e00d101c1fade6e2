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
"""Signals under way at the same time; whoever would be the next one goes without."""
RENEWED = 0.8
"""The part of a signal's life after which the next one is sent."""


class Signals:
    def __init__(self, connectors: Mapping[str, Connector], sender: Sender) -> None:
        self._connectors, self._sender = connectors, sender
        self._under_way: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    def once(self, connector: Connector, call: Call, key: str) -> None:
        """Best effort, in the background."""
        if len(self._under_way) < AT_ONCE:
            self._start(self._send(connector, call, key))

    @contextmanager
    def during(self, inbound: Inbound, owner: Owner) -> Iterator[None]:
        """The turn that answers the message."""
        connector = self._connectors.get(inbound.channel)
        shown = connector is not None and connector.capabilities.typing and inbound.address is not None
        if connector is None or not shown or owner is not Owner.BOT or len(self._under_way) >= AT_ONCE:
            yield
            return
        task = self._start(self._signal(connector, inbound))
        try:
            yield
        finally:
            task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name="signal")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    async def _send(self, connector: Connector, call: Call, key: str) -> None:
        await self._sender.send(connector, call, key)

    async def _signal(self, connector: Connector, inbound: Inbound) -> None:
        """Best effort: one that fails is not tried again."""
        await asyncio.sleep(AFTER)
        while call := connector.typing(inbound.address or {}):
            await self._sender.send(connector, call, f"typing-{inbound.message_id}")
            await asyncio.sleep((connector.capabilities.typing or 5.0) * RENEWED)
