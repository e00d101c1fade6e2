"""Who answers a conversation: one process at a time, by a lease in Redis, or by a hold in the journal without it.

Lease and hold only keep others from working in vain. What keeps them from committing is the fence, which is the
journal's, so that no two owners ever have the same one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from bot.dialogue.tracker import Tracker
from bot.journal.errors import JournalError
from bot.journal.journal import Journal
from bot.journal.values import Hold
from bot.messages import Event, Json, Owner
from bot.sessions import Held, Lease, Sessions

log = logging.getLogger(__name__)

HOLD_SECONDS = 2.0
KEEP_SECONDS = 0.5


@dataclass(slots=True)
class Ownership:
    """A conversation in this process's hands: nobody else may commit to it under a lower fence."""

    fence: int
    tracker: Tracker
    owner: Owner
    settled: int
    """Up to here every message had its turn when the conversation was taken."""


@dataclass(frozen=True, slots=True)
class Claim:
    conversation_id: str
    hold: Hold
    lease: Lease | None


@dataclass(frozen=True, slots=True)
class Owners:
    journal: Journal
    sessions: Sessions

    async def claim(self, conversation_id: str) -> Claim | None:
        """None while another process answers the conversation."""
        lease = await self.sessions.lease(conversation_id)
        if isinstance(lease, Held):
            return None
        if lease is None:
            hold = await self.journal.take_free(conversation_id, HOLD_SECONDS)
            return Claim(conversation_id, hold, None) if hold else None
        try:
            return Claim(conversation_id, await self.journal.take(conversation_id), lease)
        except BaseException:
            lease.release()
            raise

    @asynccontextmanager
    async def owning(self, claim: Claim) -> AsyncIterator[Ownership]:
        """Kept until the end of the block, and free for others then."""
        keeper = None if claim.lease else asyncio.create_task(self._keep(claim), name="keeper")
        try:
            tracker = await self._tracker(claim)
            yield Ownership(claim.hold.fence, tracker, claim.hold.owner, claim.hold.settled)
        finally:
            if claim.lease:
                claim.lease.release()
            if keeper:
                keeper.cancel()
                await asyncio.gather(keeper, return_exceptions=True)
                with suppress(JournalError):
                    await self.journal.keep(claim.conversation_id, claim.hold.fence, 0)

    async def _keep(self, claim: Claim) -> None:
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            with suppress(JournalError):
                await self.journal.keep(claim.conversation_id, claim.hold.fence, HOLD_SECONDS)

    async def _tracker(self, claim: Claim) -> Tracker:
        """From the snapshot, if it is of the journal's version, else from the journal."""
        state = await self.sessions.load(claim.conversation_id, claim.hold.version)
        if state is None:
            conversation = await self.journal.conversation(claim.conversation_id)
            state = conversation.state if conversation else {}
        return _read(state, claim) if state else Tracker(claim.conversation_id)


def _read(state: Json, claim: Claim) -> Tracker:
    """A state that cannot be read must not keep the customer from being answered: it is begun anew."""
    try:
        return Tracker.from_json(state)
    except Exception:
        log.exception("the state of a conversation cannot be read; it is begun anew")
        anew = Tracker(claim.conversation_id)
        if claim.hold.owner is Owner.BOT:
            return anew
        return anew.apply(Event("pause", 0.0, {"owner": claim.hold.owner.value}))
