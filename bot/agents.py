"""People take over: what an agent does to a conversation, safely beside the bot's own turns."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.dialogue.tracker import Tracker
from bot.fanout import Fanout
from bot.journal.errors import NotFound, StaleFence
from bot.journal.journal import Journal
from bot.messages import LABELS, Author, Event, Outbound, Owner

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Agents:
    journal: Journal
    fanout: Fanout

    async def take(self, conversation_id: str, name: str) -> None:
        notice = Outbound(text=f"You are talking to {name} now.", author=Author.SYSTEM)
        taken = {"owner": Owner.AGENT.value, "metadata": {"by": name}}
        await self._change(conversation_id, notice, Owner.AGENT, Event("pause", time.time(), taken))

    async def release(self, conversation_id: str, name: str | None, labels: Sequence[str] = ()) -> None:
        """Gives it back to the bot. `name` is None where people who are not known here had it; `labels` say what the
        customer had wanted."""
        left = f"{name} has left. " if name else ""
        notice = Outbound(text=f"{left}You are talking to the assistant again.", author=Author.SYSTEM)
        told = {"by": name, LABELS: list(labels)} if labels else {"by": name}
        await self._change(conversation_id, notice, Owner.BOT, Event("resume", time.time(), {"metadata": told}))

    async def reply(self, conversation_id: str, name: str, text: str) -> None:
        """Says something to the customer; who answers a conversation takes it over."""
        conversation = await self.journal.conversation(conversation_id)
        if conversation is None:
            raise NotFound("There is no such conversation.")
        if conversation.owner is not Owner.AGENT:
            await self.take(conversation_id, name)
        said = Event("agent", time.time(), {"text": text, "data": {"name": name}})
        message = Outbound(text=text, author=Author.AGENT)
        entry = await self.journal.append(conversation_id, message, events=(said,))
        self.fanout.grew(conversation_id, [entry])

    async def _change(self, conversation_id: str, message: Outbound, owner: Owner, event: Event) -> None:
        for _ in range(_TRIES):
            fence = await self.journal.fence(conversation_id)  # from here on no turn under way can commit
            conversation = await self.journal.conversation(conversation_id)
            if conversation is None:
                raise NotFound("There is no such conversation.")
            tracker = Tracker.from_json(conversation.state) if conversation.state else Tracker(conversation_id)
            state = tracker.apply(event).written()
            try:
                entry = await self.journal.append(
                    conversation_id,
                    message,
                    owner=owner,
                    events=(event,),
                    state=state,
                    fence=fence,
                )
            except StaleFence:
                continue
            await self.fanout.owner_changed(conversation_id, owner)
            self.fanout.grew(conversation_id, [entry])
            return
        raise StaleFence("The conversation is busy; try again.")
