"""Deliveries as the outbox hands them to a channel."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.journal.journal import Journal
from bot.journal.values import Delivery, DeliveryState
from bot.messages import Entry, Json, Outbound

EPOCH = "5f0c86d1b9d94d5d9a0a5f8a61f2b9f3"


def delivery(said: str | Outbound | Entry, address: Json | None = None, **more: Any) -> Delivery:
    """Of an entry, or of the second one of a conversation, which says this."""
    message = Outbound(said) if isinstance(said, str) else said
    entry = message if isinstance(message, Entry) else Entry("c1", 2, message.author, 100.0, message, reply_to=1)
    usual: dict[str, Any] = {
        "id": 1,
        "channel": "test",
        "epoch": EPOCH,
        "state": DeliveryState.WAITING,
        "offered_at": entry.at,
        "due_at": entry.at,
        "attempts": 1,
        "doubt": False,
        "parts": 0,
        "provider_ids": (),
        "error": None,
        "heard_at": entry.at - 1,
    }
    return Delivery(entry=entry, address=address or {}, **(usual | more))


async def settled(journal: Journal, *states: DeliveryState, number: int = 1) -> list[Delivery]:
    """Once so many deliveries are in those states."""
    async with asyncio.timeout(60):
        while len(found := await journal.deliveries(states)) < number:
            await asyncio.sleep(0.01)
    return found
