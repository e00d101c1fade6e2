"""One message in, one Turn out: understand, decide, act."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from bot.actions import ActionRunner
from bot.dialogue.assistant import Assistant
from bot.dialogue.respond import ActionCall, ActionFailure, ActionResult, Outcome, respond
from bot.dialogue.tracker import Tracker
from bot.journal.journal import Journal
from bot.messages import Inbound, Turn
from nlu.types import Understander, Understanding

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turns:
    """Takes turns. Everything it decides is a function of the state, the message and the understanding, so that a
    turn repeated after a crash says the same."""

    assistant: Assistant
    understander: Understander
    actions: ActionRunner
    journal: Journal

    async def take(self, seq: int, inbound: Inbound, state: Mapping[str, Any], heard: Understanding | None) -> Turn:
        """`heard` is what the model made of the text; None for a pressed button."""
        started = time.monotonic()
        tracker = Tracker.from_json(dict(state)) if state else Tracker.new(inbound.conversation_id)
        outcome = await self._converse(seq, inbound, tracker, heard)
        return Turn(
            inbound=inbound,
            seq=seq,
            events=outcome.events,
            replies=outcome.replies,
            owner=outcome.owner,
            state=outcome.tracker.to_json(),
            reason=outcome.reason,
            model=heard.model if heard else "",
            seconds=time.monotonic() - started,
        )

    async def hear(self, inbound: Inbound) -> Understanding | None:
        if inbound.payload is not None:
            return None
        return (await self.understander.understand([inbound.text]))[0]

    async def _converse(self, seq: int, inbound: Inbound, tracker: Tracker, heard: Understanding | None) -> Outcome:
        rng = Random(f"{inbound.conversation_id}:{seq}")  # noqa: S311  # picks a wording, not a secret
        dialogue = respond(self.assistant, tracker, inbound, heard, now=inbound.at, rng=rng)
        try:
            call = next(dialogue)
            while True:
                call = dialogue.send(await self._act(call, seq, inbound))
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome

    async def _act(self, call: ActionCall, seq: int, inbound: Inbound) -> ActionResult | ActionFailure:
        """Runs a custom action at most once, unless it declares that repeating it does no harm."""
        run = await self.journal.start_action(inbound.conversation_id, seq, call.n, call.name)
        return await self.actions.run(call, conversation_id=inbound.conversation_id, seq=seq, message_id="")


async def within(seconds: float, turn: Any) -> Turn:
    async with asyncio.timeout(seconds):
        result: Turn = await turn
        return result
