"""One turn in the making: what is known, what was recorded and said so far, and how a custom action is asked for."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Literal, TypeVar

from bot.dialogue.assistant import Assistant
from bot.dialogue.bot_events import bot_event
from bot.dialogue.defaults import HUMAN, PERSON, RESUME, WAITING
from bot.dialogue.domain import Domain
from bot.dialogue.meaning import Meaning
from bot.dialogue.responses import Setting, choose, is_empty, merge, render, with_button
from bot.dialogue.tracker import LISTEN, OWN_EVENTS, Tracker
from bot.messages import Button, Event, Inbound, Json, Outbound, Owner

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActionCall:
    """A custom action to run. `n` counts a turn's calls from 0, the same each time the turn is repeated."""

    name: str
    tracker: Json
    domain: Json
    n: int
    idempotent: bool


@dataclass(frozen=True, slots=True)
class ActionResult:
    events: Sequence[Event] = ()
    responses: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class ActionFailure:
    kind: Literal["failed", "timeout", "lost", "rejected", "unknown", "interrupted"]
    """`timeout`, `lost`: it took too long, or its answer did not arrive. `interrupted`: it may have done what must not
    be done twice, and nobody knows."""


@dataclass(frozen=True, slots=True)
class Outcome:
    tracker: Tracker
    events: tuple[Event, ...]
    replies: tuple[Outbound, ...]
    owner: Owner
    reason: str | None
    """Why the conversation went to the queue in this turn."""


Steps = Generator[ActionCall, ActionResult | ActionFailure, T]


class ActionFailedError(Exception):
    """A custom action failed: the turn ends with an apology."""


class ActionInterruptedError(ActionFailedError):
    """Nobody knows whether a custom action did its work: the turn ends with a person."""


class ActionRejectedError(Exception):
    """A custom action does not want to run now: something else is tried."""


_FAILURES = {"rejected": ActionRejectedError, "interrupted": ActionInterruptedError}


@dataclass(slots=True)
class Run:
    assistant: Assistant
    tracker: Tracker
    inbound: Inbound
    meaning: Meaning
    now: float
    rng: Random
    events: list[Event] = field(default_factory=list)
    replies: list[Outbound] = field(default_factory=list)
    reason: str | None = None
    asked: bool = False
    """Whether the form's question has been put in this turn."""
    awaits: bool = False
    """Whether a rule or story expects an answer now."""
    more: bool = False
    """Whether the message makes a further request, which comes next."""
    over: bool = False
    refused: frozenset[str] = frozenset()
    """Actions that did not want to run in this turn."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """The slots as they were when the message came."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """Values for slots in the message."""
    calls: int = 0

    @property
    def domain(self) -> Domain:
        return self.assistant.domain

    def record(self, name: str, /, **data: Any) -> None:
        self._keep(Event(name, self.now, data))

    def did(self, action: str, policy: str = "rules") -> None:
        self.record("action", name=action, policy=policy, confidence=1.0, action_text=None, hide_rule_turn=False)

    def happened(self, name: str) -> bool:
        """Whether there was an event of that name in this turn."""
        return any(event.name == name for event in self.events)

    def set_slot(self, name: str, value: Any) -> None:
        self.record("slot", name=name, value=value)

    def leave_loop(self) -> None:
        if self.tracker.loop:
            self.record("active_loop", name=None)
            self.set_slot("requested_slot", None)

    def hear(self) -> None:
        inbound = self.inbound
        self.before = self.tracker.slots
        part = sum(event.name == "user" for event in self.events)
        self.record(
            "user",
            text=self.meaning.text,
            parse_data=self.meaning.to_rasa(part),
            input_channel=inbound.channel,
            message_id=inbound.message_id,
            metadata=dict(inbound.metadata),
        )

    def turn_to(self, meaning: Meaning) -> None:
        """The next request of the same message, or one that waited: heard as if it had come by itself."""
        if self.happened("user"):
            self.did(LISTEN, "listen")
        self.meaning, self.asked, self.awaits, self.refused = meaning, False, False, frozenset()
        self.hear()

    def say(self, reply: Outbound, variation: int | None = None) -> None:
        if not is_empty(reply):
            self.replies.append(reply)
            self._keep(bot_event(reply, self.now, variation))

    def utter(self, name: str, /, *buttons: Button, **values: Any) -> bool:
        """Say a response of the domain, or the built-in one; with more buttons. False when there is none."""
        found = self.compose(name, **values)
        if found is None:
            return False
        reply, variation = found
        for button in buttons:
            reply = with_button(reply, button)
        self.say(reply, variation)
        return True

    def compose(self, name: str, /, **values: Any) -> tuple[Outbound, int] | None:
        setting = Setting(self.tracker.slots, self.inbound.channel, self.rng, self.tracker.last_variation(name))
        variations = self.domain.response(name)
        index = choose(variations, setting)
        if index is None:
            return None
        return render(variations[index].content, {**self.tracker.slots, **values}, name), index

    def wording(self, name: str) -> str:
        """The text of a response, as a button's title for instance."""
        found = self.compose(name)
        return found[0].text if found else ""

    @property
    def person(self) -> Button:
        return self._button(PERSON, HUMAN)

    @property
    def way_back(self) -> Button:
        return self._button(WAITING, RESUME)

    def _button(self, response: str, default: Mapping[str, str]) -> Button:
        found = self.compose(response)
        wanted = default["payload"]
        known = [button for button in found[0].buttons if button.payload == wanted] if found else []
        return known[0] if known else Button(default["title"], wanted)

    def call(self, name: str, tracker: Tracker | None = None) -> Steps[ActionResult]:
        """Raises ActionFailedError or ActionRejectedError."""
        action = self.domain.actions.get(name)
        number, self.calls = self.calls, self.calls + 1
        idempotent = action.idempotent if action else False
        state = (tracker or self.tracker).to_rasa()
        result = yield ActionCall(name, state, self.domain.to_json(), number, idempotent)
        if isinstance(result, ActionFailure):
            raise _FAILURES.get(result.kind, ActionFailedError)(name)
        return result

    def absorb(self, result: ActionResult) -> None:
        """What an action said, then what it did. Raises ActionFailedError when an event makes no sense."""
        for response in result.responses:
            self._say_response(response)
        for event in result.events:
            if event.name not in OWN_EVENTS:
                try:
                    self._keep(replace(event, at=self.now))
                except (KeyError, TypeError, ValueError, AttributeError):
                    raise ActionFailedError(event.name) from None
        if self.tracker.owner is not Owner.BOT:
            self.over, self.reason = True, self.reason or "action"
            if not self.replies:
                self.utter("utter_handover")

    def catch_up(self, result: ActionResult | ActionFailure) -> None:
        """What an earlier turn for this message did before a person took the conversation."""
        if isinstance(result, ActionResult):
            for response in result.responses:
                self._say_response(response)
            for event in result.events:
                if event.name == "slot":
                    self._keep(replace(event, at=self.now))
        elif result.kind == "interrupted":
            self.utter("utter_action_interrupted")

    def outcome(self) -> Outcome:
        return Outcome(self.tracker, tuple(self.events), tuple(self.replies), self.tracker.owner, self.reason)

    def _say_response(self, response: Json) -> None:
        try:
            name = response.get("response") or response.get("template")
            found = self.compose(name, **response) if isinstance(name, str) else None
            reply = merge(found[0] if found else Outbound(), response, {**self.tracker.slots, **response})
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ActionFailedError("response") from None
        self.say(reply, found[1] if found else None)

    def _keep(self, event: Event) -> None:
        self.tracker = self.tracker.apply(event)
        self.events.append(event)
