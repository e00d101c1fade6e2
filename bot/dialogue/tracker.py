"""The tracker: the state of a conversation, made by applying events one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from bot.dialogue.bot_events import reply_of
from bot.dialogue.history import LENGTH, Loop, Move, Suspended
from bot.dialogue.slots import REQUESTED
from bot.messages import Event, Json, Outbound, Owner
from bot.text import Written, dumps

if TYPE_CHECKING:  # whose changes mypy checks
    from dataclasses import replace
else:
    from bot.dialogue.replacing import replace

EVENTS = 50
"""Events kept since the last restart."""
DEPTH = 3
"""Forms that can wait for one another, and requests that can wait."""
LISTEN = "action_listen"
CLARIFY = "action_clarify"
FALLBACK_INTENT = "nlu_fallback"
OWN_EVENTS = frozenset(
    {
        "not_understood",
        "slot_refused",
        "form_suspended",
        "form_resumed",
        "form_completed",
        "waiting_told",
        "request_waits",
    }
)
"""Events that Rasa does not know; action servers and Rasa's API do not see them."""


@dataclass(frozen=True, slots=True)
class Tracker:
    conversation_id: str
    slots: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    moves: tuple[Move, ...] = ()
    begun: bool = True
    """Whether `moves` reach back to the session's beginning."""
    loop: Loop | None = None
    suspended: tuple[Suspended, ...] = ()
    """Innermost last."""
    waiting: tuple[Mapping[str, Any], ...] = ()
    """What the customer also asked for, until it is dealt with: the data of `request_waits`."""
    owner: Owner = Owner.BOT
    fallbacks: int = 0
    """Messages in a row that were not understood."""
    missed: bool = False
    """Whether the latest message was not understood."""
    attempts: int = 0
    """Answers in a row that did not fill the requested slot."""
    waiting_told: bool = False
    """Whether the customer has been told that a person is on the way."""
    latest: Mapping[str, Any] = field(default_factory=dict)
    """The latest message as parsed, in Rasa's form."""
    latest_action: str | None = None
    followup: str | None = None
    channel: str = ""
    last_at: float = 0.0
    session: bool = False
    """Whether a session has begun."""
    said: tuple[Outbound, ...] = ()
    """Replies to the latest message."""
    said_before: tuple[Outbound, ...] = ()
    """Replies to the message before; what `repeat` repeats."""
    initial: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """The domain's initial slot values; not part of the state."""

    @property
    def requested(self) -> str | None:
        """The slot that the customer is being asked for."""
        slot = self.slots.get(REQUESTED)
        return slot if self.loop and isinstance(slot, str) else None

    @property
    def torn(self) -> bool:
        """Whether the customer was just asked which of several meanings it is, so that a bare yes is to nothing."""
        hard = [move for move in self.moves if move.hard][-2:]
        return len(hard) == 2 and (hard[0].kind, hard[0].name) == ("done", CLARIFY)

    def seated(self, initial: Mapping[str, Any]) -> Self:
        """With the slots of this domain, of which the tracker may have been made before."""
        return replace(self, initial=initial, slots={**initial, **self.slots})

    def apply(self, event: Event) -> Tracker:
        """The state after the event. An event nobody knows is kept and changes nothing else."""
        kept = replace(self, events=(*self.events, event)[-EVENTS:], last_at=max(self.last_at, event.at))
        return _APPLY[event.name](kept, event) if event.name in _APPLY else kept

    def apply_all(self, events: Iterable[Event]) -> Tracker:
        tracker: Tracker = self
        for event in events:
            tracker = tracker.apply(event)
        return tracker

    def moved(self, *moves: Move) -> Self:
        line = (*self.moves, *moves)
        return replace(self, moves=line[-LENGTH:], begun=self.begun and len(line) <= LENGTH)

    def last_variation(self, response: str) -> int | None:
        for event in reversed(self.events):
            meta = event.data.get("metadata") if event.name == "bot" else None
            if meta and meta.get("utter_action") == response and "variation" in meta:
                return int(meta["variation"])
        return None

    def written(self) -> Written:
        """The snapshot that the journal and the session store keep."""
        fields = {
            "conversation_id": self.conversation_id,
            "slots": dict(self.slots),
            "events": [event.written() for event in self.events],
            "moves": [move.to_json() for move in self.moves],
            "begun": self.begun,
            "loop": self.loop.to_json() if self.loop else None,
            "suspended": [form.to_json() for form in self.suspended],
            "waiting": [dict(request) for request in self.waiting],
            "owner": self.owner.value,
            "fallbacks": self.fallbacks,
            "missed": self.missed,
            "attempts": self.attempts,
            "waiting_told": self.waiting_told,
            "latest": dict(self.latest),
            "latest_action": self.latest_action,
            "followup": self.followup,
            "channel": self.channel,
            "last_at": self.last_at,
            "session": self.session,
            "said": [reply.to_json() for reply in self.said],
            "said_before": [reply.to_json() for reply in self.said_before],
        }
        return Written(dumps(fields))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            **{
                **data,
                "events": tuple(Event.from_json(event) for event in data["events"]),
                "moves": tuple(Move.from_json(move) for move in data["moves"]),
                "loop": Loop.from_json(data["loop"]) if data["loop"] else None,
                "suspended": tuple(Suspended.from_json(form) for form in data["suspended"]),
                "waiting": tuple(data.get("waiting", ())),
                "owner": Owner(data["owner"]),
                "said": tuple(Outbound.from_json(reply) for reply in data["said"]),
                "said_before": tuple(Outbound.from_json(reply) for reply in data["said_before"]),
            }
        )

    def to_rasa(self) -> Json:
        """Rasa's tracker, as custom actions receive it."""
        return {
            "sender_id": self.conversation_id,
            "slots": dict(self.slots),
            "latest_message": dict(self.latest),
            "latest_event_time": self.last_at,
            "followup_action": self.followup,
            "paused": self.owner is not Owner.BOT,
            "events": [event.to_json() for event in self.events if event.name not in OWN_EVENTS],
            "latest_input_channel": self.channel,
            "active_loop": self.loop.to_json() if self.loop else {},
            "latest_action": {"action_name": self.latest_action},
            "latest_action_name": self.latest_action,
            "stack": [],
            "user_id": None,
        }


def _user(tracker: Tracker, event: Event) -> Tracker:
    parsed = event.data.get("parse_data") or {}
    marks = parsed.get("metadata") or {}
    sure = marks.get("settled", "sure") == "sure"
    first = not marks.get("part")
    found = tuple((e["entity"], e.get("role"), e.get("group")) for e in parsed.get("entities") or ())
    name = (parsed.get("intent") or {}).get("name") if sure else FALLBACK_INTENT
    return replace(
        tracker.moved(Move("said", name, text=event.data.get("text") or "", entities=found)),
        latest=parsed,
        channel=event.data.get("input_channel") or tracker.channel,
        fallbacks=tracker.fallbacks if tracker.missed else 0,
        missed=False,
        said=() if first else tracker.said,
        said_before=(tracker.said if first else ()) or tracker.said_before,
        waiting=tuple(request for request in tracker.waiting if not _same(request, event, name)),
        latest_action=LISTEN,
        loop=replace(tracker.loop, rejected=False) if tracker.loop else None,
    )


def _same(request: Mapping[str, Any], event: Event, intent: str | None) -> bool:
    """Whether a message is what waited, or surely means the same."""
    return bool(event.data.get("text") == request["text"] or request["parse_data"]["intent"]["name"] == intent)


def _bot(tracker: Tracker, event: Event) -> Tracker:
    return replace(tracker, said=(*tracker.said, reply_of(event)))


def _slot(tracker: Tracker, event: Event) -> Tracker:
    name, value = event.data["name"], event.data.get("value")
    before = tracker.slots.get(name)
    attempts = 0 if name == REQUESTED and value != before else tracker.attempts
    slots = {**tracker.slots, name: value}
    return replace(tracker.moved(Move("slot", name, before)), slots=slots, attempts=attempts)


def _action(tracker: Tracker, event: Event) -> Tracker:
    name = event.data.get("name")
    done = replace(tracker, latest_action=name, followup=None)
    if name is None or name == LISTEN:
        return done
    place = _own_turn(tracker, name)
    if place is None:
        return done.moved(Move("done", name))
    said = replace(tracker.moves[place], hidden=True)
    return replace(done, moves=(*tracker.moves[:place], said, *tracker.moves[place + 1 :]))


def _own_turn(tracker: Tracker, name: str) -> int | None:
    """Place of the customer's last message when the active form asked before it and goes on right after it."""
    hard = [i for i, move in enumerate(tracker.moves) if move.hard][-2:]
    if tracker.loop is None or tracker.loop.name != name or len(hard) < 2:
        return None
    before, last = (tracker.moves[i] for i in hard)
    return hard[1] if last.kind == "said" and (before.kind, before.name) == ("done", name) else None


def _active_loop(tracker: Tracker, event: Event) -> Tracker:
    name = event.data.get("name")
    if tracker.loop and tracker.loop.name == name:
        return tracker
    before = tracker.loop.to_json() if tracker.loop else None
    loop = Loop(name, trigger=tracker.latest) if name else None
    return replace(tracker.moved(Move("loop", name, before)), loop=loop, attempts=0)


def _loop_interrupted(tracker: Tracker, event: Event) -> Tracker:
    if tracker.loop is None:
        return tracker
    asked = event.data.get("is_interrupted", not event.data.get("validate", True))
    return replace(tracker, loop=replace(tracker.loop, interrupted=bool(asked)))


def _rejected(tracker: Tracker, event: Event) -> Tracker:
    if tracker.loop is None or event.data.get("name") != tracker.loop.name:
        return tracker
    return replace(tracker, loop=replace(tracker.loop, rejected=True))


def _suspend(tracker: Tracker, event: Event) -> Tracker:
    stack = [form.to_json() for form in tracker.suspended]
    put = tracker.moved(Move("stack", before=stack))
    form = Suspended(event.data["name"], event.data.get("slots") or {})
    others = tuple(known for known in put.suspended if known.form != form.form)
    return replace(
        _active_loop(put, Event("active_loop", event.at, {"name": None})), suspended=(*others, form)[-DEPTH:]
    )


def _resume_form(tracker: Tracker, event: Event) -> Tracker:
    stack = [form.to_json() for form in tracker.suspended]
    left = tuple(form for form in tracker.suspended if form.form != event.data["name"])
    return replace(tracker.moved(Move("stack", before=stack)), suspended=left)


def _session_started(tracker: Tracker, _: Event) -> Tracker:
    fresh = replace(tracker, slots=dict(tracker.initial), moves=(), begun=True, session=True)
    return replace(fresh, loop=None, suspended=(), waiting=(), attempts=0, fallbacks=0, missed=False, followup=None)


def _restart(tracker: Tracker, event: Event) -> Tracker:
    return Tracker(
        conversation_id=tracker.conversation_id,
        slots=dict(tracker.initial),
        events=(event,),
        channel=tracker.channel,
        last_at=tracker.last_at,
        latest_action=LISTEN,
        session=tracker.session,
        initial=tracker.initial,
    )


def _reset_slots(tracker: Tracker, event: Event) -> Tracker:
    for name, value in tracker.initial.items():
        if name != REQUESTED and tracker.slots.get(name) != value:
            tracker = _slot(tracker, Event("slot", event.at, {"name": name, "value": value}))
    return tracker


def _rewind(tracker: Tracker, _: Event) -> Tracker:
    return replace(_back_to(tracker, "said"), latest_action=LISTEN, attempts=0, fallbacks=0, missed=False)


def _undo(tracker: Tracker, _: Event) -> Tracker:
    return _back_to(tracker, "done")


def _back_to(tracker: Tracker, kind: str) -> Tracker:
    """Take back every move from the last one of this kind on; all stays when there is none."""
    place = next((i for i in reversed(range(len(tracker.moves))) if tracker.moves[i].kind == kind), None)
    if place is None:
        return tracker
    slots, loop, stack = dict(tracker.slots), tracker.loop, tracker.suspended
    for move in reversed(tracker.moves[place:]):
        if move.kind == "slot" and move.name is not None:
            slots[move.name] = move.before
        elif move.kind == "loop":
            loop = Loop.from_json(move.before) if move.before else None
        elif move.kind == "stack":
            stack = tuple(Suspended.from_json(form) for form in move.before)
    return replace(tracker, moves=tracker.moves[:place], slots=slots, loop=loop, suspended=stack)


def _pause(tracker: Tracker, event: Event) -> Tracker:
    return replace(tracker, owner=Owner(event.data.get("owner", Owner.QUEUE)), waiting_told=False)


def _resume(tracker: Tracker, _: Event) -> Tracker:
    """The bot answers again. What a person has dealt with is not gone back to."""
    back = replace(tracker, owner=Owner.BOT, waiting_told=False, fallbacks=0, missed=False, attempts=0)
    if tracker.owner is not Owner.AGENT:
        return back
    back = _active_loop(back, Event("active_loop", 0.0, {"name": None}))
    return replace(back, suspended=(), waiting=(), slots={**back.slots, REQUESTED: None})


def _followup(tracker: Tracker, event: Event) -> Tracker:
    return replace(tracker, followup=event.data.get("name"))


def _not_understood(tracker: Tracker, _: Event) -> Tracker:
    return replace(tracker, fallbacks=tracker.fallbacks + 1, missed=True)


def _slot_refused(tracker: Tracker, _: Event) -> Tracker:
    return replace(tracker, attempts=tracker.attempts + 1)


def _request_waits(tracker: Tracker, event: Event) -> Tracker:
    return replace(tracker, waiting=(*tracker.waiting, event.data)[-DEPTH:])


def _told(tracker: Tracker, _: Event) -> Tracker:
    return replace(tracker, waiting_told=True)


_APPLY: dict[str, Callable[[Tracker, Event], Tracker]] = {
    "user": _user,
    "bot": _bot,
    "slot": _slot,
    "action": _action,
    "active_loop": _active_loop,
    "form": _active_loop,
    "loop_interrupted": _loop_interrupted,
    "form_validation": _loop_interrupted,
    "action_execution_rejected": _rejected,
    "session_started": _session_started,
    "restart": _restart,
    "reset_slots": _reset_slots,
    "rewind": _rewind,
    "undo": _undo,
    "pause": _pause,
    "resume": _resume,
    "followup": _followup,
    "not_understood": _not_understood,
    "slot_refused": _slot_refused,
    "form_suspended": _suspend,
    "form_resumed": _resume_form,
    "waiting_told": _told,
    "request_waits": _request_waits,
}
