"""One message in, one Turn out: understand, decide, act."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from random import Random

from bot.actions import ActionRunner
from bot.dialogue.articles import NONE, without_articles
from bot.dialogue.assistant import Assistant
from bot.dialogue.meaning import NotSearchedError
from bot.dialogue.presses import as_press
from bot.dialogue.respond import ActionCall, ActionFailure, ActionResult, Outcome, respond
from bot.dialogue.tracker import Tracker
from bot.journal.journal import Journal
from bot.journal.values import ActionRun, ActionStatus, Step
from bot.messages import Event, Inbound, Json, Owner, Turn
from bot.turnstile import Turnstile
from nlu.types import Understander, Understanding

LAST_WORDS_SECONDS = 1.0
"""What is left of a turn when its actions have to be over."""
_UNCLEAR = (ActionFailure("timeout"), ActionFailure("lost"))
"""The action may have done its work."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message taken up for its turn."""

    seq: int
    inbound: Inbound
    tracker: Tracker
    fence: int
    deadline: float
    """When the turn has to be over, by the event loop's clock."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Takes turns. What it says is a function of the state, the message and the understanding alone, so that a turn
    repeated after a crash says the same."""

    assistant: Assistant
    understander: Understander
    actions: ActionRunner
    journal: Journal
    seconds: float
    """How long a turn may take."""
    turnstile: Turnstile = field(default_factory=Turnstile)

    async def take(self, seq: int, inbound: Inbound, tracker: Tracker, fence: int) -> tuple[Turn, Tracker]:
        """The turn, and the tracker after it. Raises StaleFence before an action that is not ours to start any more."""
        started = time.monotonic()
        deadline = asyncio.get_running_loop().time() + self.seconds
        meant = as_press(inbound, tracker)
        without = without_articles(self.assistant.without_articles, tracker, meant)
        heard = await self._understand(meant, tracker, without)
        understood = time.monotonic()
        await self.turnstile.enter()
        outcome = await self._converse(Taken(seq, meant, tracker, fence, deadline), heard)
        turn = Turn(
            inbound=inbound,
            seq=seq,
            events=outcome.events,
            replies=outcome.replies,
            owner=outcome.owner,
            state=outcome.tracker.written(),
            reason=outcome.reason,
            model=heard.model if heard else "",
            seconds=time.monotonic() - started,
            model_seconds=understood - started,
        )
        return turn, outcome.tracker

    async def _understand(self, inbound: Inbound, tracker: Tracker, without: frozenset[str]) -> Understanding | None:
        text = _question(inbound, tracker)
        return None if text is None else (await self.understander.understand([text], without))[0]

    async def _converse(self, taken: Taken, heard: Understanding | None) -> Outcome:
        """If a custom action leads to the knowledge base after all, the same again with what it holds."""
        acted: list[ActionResult | ActionFailure] = []
        try:
            return await self._play(taken, heard, acted)
        except NotSearchedError:
            heard = await self._understand(taken.inbound, taken.tracker, NONE)
            return await self._play(taken, heard, acted)

    async def _play(
        self, taken: Taken, heard: Understanding | None, acted: list[ActionResult | ActionFailure]
    ) -> Outcome:
        """`acted`: how the turn's custom actions ended; what stands there already is not run again."""
        inbound = taken.inbound
        rng = Random(f"{inbound.conversation_id}:{taken.seq}")  # noqa: S311  # picks a wording, keeps no secret
        before = await self._before(taken)
        dialogue = respond(self.assistant, taken.tracker, inbound, heard, now=inbound.at, rng=rng, before=before)
        try:
            call = next(dialogue)
            while True:
                if call.n == len(acted):
                    acted.append(await self._act(call, taken))
                call = dialogue.send(acted[call.n])
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome

    async def _before(self, taken: Taken) -> list[ActionResult | ActionFailure]:
        """What a turn did that a person overtook: the customer and the person have to know, though the bot is out."""
        if taken.tracker.owner is not Owner.AGENT:
            return []
        runs = await self.journal.action_runs(taken.inbound.conversation_id, taken.seq)
        return [_outcome(run) for run in runs]

    async def _act(self, call: ActionCall, taken: Taken) -> ActionResult | ActionFailure:
        """Runs a custom action. If nobody knows how it ended, it is tried again only if it says that this does no
        harm."""
        if call.idempotent:
            return await self._run(call, taken)
        step = Step(taken.inbound.conversation_id, taken.seq, call.n)
        before = await self.journal.start_action(step, call.name, taken.fence)
        if before.status is not ActionStatus.NEW:
            return _outcome(before)
        outcome = await self._run(call, taken)
        if outcome in _UNCLEAR:
            outcome = ActionFailure("interrupted")
        await self.journal.finish_action(step, _memory(outcome))
        return outcome

    async def _run(self, call: ActionCall, taken: Taken) -> ActionResult | ActionFailure:
        """An action that would outlast the turn is given up while there is time to say so."""
        inbound = taken.inbound
        try:
            async with asyncio.timeout_at(taken.deadline - LAST_WORDS_SECONDS):
                return await self.actions.run(
                    call, conversation_id=inbound.conversation_id, seq=taken.seq, message_id=inbound.message_id
                )
        except TimeoutError:
            return ActionFailure("timeout")


def _question(inbound: Inbound, tracker: Tracker) -> str | None:
    """What the model is asked. A button says itself what is meant, but not which passage answers: that the customer's
    own words tell, if they were asked back about them, else the button's title. None: nothing has to be understood."""
    if tracker.owner is Owner.AGENT:
        return None
    if inbound.payload is None:
        return inbound.text
    if not inbound.payload.startswith("/"):
        return inbound.payload
    if inbound.payload == inbound.text:
        return None
    asked_back = tracker.missed and tracker.latest.get("text")
    return str(asked_back) if asked_back else inbound.text


def _memory(outcome: ActionResult | ActionFailure) -> Json:
    if isinstance(outcome, ActionFailure):
        return {"failed": outcome.kind}
    return {"events": [event.to_json() for event in outcome.events], "responses": list(outcome.responses)}


def _outcome(run: ActionRun) -> ActionResult | ActionFailure:
    """Of an action that was started before: what it answered, or that nobody knows how it ended."""
    if run.status is ActionStatus.DONE and run.result is not None:
        return _remembered(run.result)
    return ActionFailure("interrupted")


def _remembered(memory: Json) -> ActionResult | ActionFailure:
    if "failed" in memory:
        return ActionFailure(memory["failed"])
    return ActionResult([Event.from_json(event) for event in memory["events"]], memory["responses"])
