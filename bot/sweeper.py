"""What a crash left behind: messages that nobody answers any more, and followers that nobody told what is new."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from itertools import count

from bot.fanout import Fanout
from bot.journal.errors import Unavailable
from bot.journal.journal import Journal
from bot.sessions import Sessions

log = logging.getLogger(__name__)

SWEEP_SECONDS = 0.5
ORPHAN_SECONDS = 1.0
"""An accepted message older than this that nobody works on has lost its worker."""
UNLEASED_SECONDS = 2.0
"""The same while no lease tells whether somebody does."""
DOUBT = 10
"""One look of so many believes nobody who is at it: they may not have heard of the message."""
UNTOLD_SECONDS = 2.0
"""Who was not told what is new is told after that."""


@dataclass(frozen=True, slots=True)
class Sweeper:
    journal: Journal
    sessions: Sessions
    fanout: Fanout
    look_at: Callable[[str], None]
    """Has a conversation's messages answered."""
    in_hand: Container[str]
    """Conversations that this process is at."""

    async def find_orphans(self) -> None:
        """For ever. At the start nobody may be at work on what waits; later what is leased is left to its owner."""
        patience = 0.0
        for look in count():
            patience = UNLEASED_SECONDS if self.sessions.degraded else patience
            try:
                found = await self.journal.orphans(time.time() - patience)
                for conversation_id in await self._lost(found) if look % DOUBT else found:
                    self.look_at(conversation_id)
                patience = ORPHAN_SECONDS
            except Unavailable as away:
                log.warning("the sweeper found no database: %s", away)
            except Exception:
                log.exception("the sweeper stumbled")
            await asyncio.sleep(SWEEP_SECONDS)

    async def _lost(self, found: list[str]) -> list[str]:
        others = [conversation_id for conversation_id in found if conversation_id not in self.in_hand]
        held = await self.sessions.leased(others)
        return [conversation_id for conversation_id in others if conversation_id not in held]

    async def tell_untold(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(UNTOLD_SECONDS)
            try:
                await self.fanout.catch_up(5 * UNTOLD_SECONDS)
            except Unavailable as away:
                log.warning("nobody can be told what is new: %s", away)
