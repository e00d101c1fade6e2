"""What a turn of the journal tells: what the customer said, how it was understood, and what followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.dialogue.requests import HUMAN
from bot.dialogue.slots import REQUESTED
from bot.dialogue.tracker import CLARIFY
from bot.journal.values import OURS, Note, PastTurn, UtteranceKey
from bot.messages import LABELS, Event, Owner

SOURCE = OURS
PRESSED = "a pressed button"
_ASKED_BACK = frozenset({CLARIFY, "action_default_ask_affirmation"})
_OVER = frozenset({"session_started", "restart"})
_MOST_PARTS = 9


@dataclass(slots=True)
class Said:
    """A message, or one of several requests in it."""

    key: UtteranceKey
    text: str
    asked: str | None
    parsed: Mapping[str, Any]
    """Rasa's parse of it; empty where nobody asked the model."""
    signals: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What people were called for, while they have the conversation."""

    key: UtteranceKey | None
    """The message that they have to answer, where it is plain which one."""
    labels: frozenset[str]
    """What was on the conversation before."""


@dataclass(slots=True)
class Thread:
    """What has to be remembered of a conversation from one turn to the next."""

    requested: str | None = None
    """The slot that a form asked for last."""
    loop: str | None = None
    """The form that was begun or taken up last and is not over."""
    in_form: bool = False
    offered: UtteranceKey | None = None
    """The message whose likely meanings the customer has before them."""
    waiting: dict[str, UtteranceKey] = field(default_factory=dict)
    """Requests that the bot takes up later, by their texts."""
    forms: dict[str, UtteranceKey] = field(default_factory=dict)
    """The messages that began the forms which are not over."""
    unanswered: UtteranceKey | None = None
    """The customer's last message, if it was not understood."""
    handed_over: HandedOver | None = None

    @property
    def asked(self) -> str | None:
        """What a form waits for."""
        return self.requested if self.in_form else None

    def repeats(self, key: UtteranceKey, first: UtteranceKey) -> None:
        """A message that says the same again is not kept: what is told of it is told of the first."""
        self.offered = first if self.offered == key else self.offered
        self.unanswered = first if self.unanswered == key else self.unanswered
        self.waiting |= {text: first for text, known in self.waiting.items() if known == key}
        self.forms |= {name: first for name, known in self.forms.items() if known == key}
        if self.handed_over and self.handed_over.key == key:
            self.handed_over = replace(self.handed_over, key=first)


class Hearing:
    """Reads one turn; `thread` is then as the turn left it."""

    def __init__(self, turn: PastTurn, thread: Thread) -> None:
        self._turn, self._thread = turn, thread
        self._asked, self._offered = thread.asked, thread.offered
        self._now: UtteranceKey | None = None
        self.said: list[Said] = []
        self.notes: list[Note] = []
        self.pressed = False

    def read(self) -> None:
        if self._is_of_a_customer():
            self._thread.offered = None
        for event in self._turn.events:
            self._hear(event)
        self._leave()
        for said in self.said:
            said.signals |= self._outcome()

    def _is_of_a_customer(self) -> bool:
        return any(event.name == "user" for event in self._turn.events)

    def _hear(self, event: Event) -> None:
        if event.name == "user":
            self._user(event)
        elif event.name == "request_waits":
            self._thread.waiting[event.data["text"]] = self._say(event)
        elif event.name == "not_understood":
            self._note({"missed": True})
        elif event.name == "action" and event.data.get("name") in _ASKED_BACK:
            self._thread.offered = self._now
        else:
            self._follow(event)

    def _user(self, event: Event) -> None:
        parsed = event.data.get("parse_data") or {}
        if "verdict" in (parsed.get("metadata") or {}):
            self._now = self._thread.waiting.pop(event.data["text"], None) or self._say(event)
        elif meant := (parsed.get("intent") or {}).get("name"):
            self._press(meant)
        else:
            self._now = self._say(event)

    def _press(self, meant: str) -> None:
        """A button says what it means, and with it what the message meant that it was offered for."""
        self._now, self.pressed = None, True
        if self._offered:
            self.notes.append(Note(self._offered, {"pressed": meant}))

    def _say(self, event: Event) -> UtteranceKey:
        key = key_of(self._turn.conversation_id, self._turn.seq, len(self.said))
        parsed = event.data.get("parse_data") or {}
        understood = parsed if "verdict" in (parsed.get("metadata") or {}) else {}
        self.said.append(Said(key, event.data["text"], self._asked, understood))
        return key

    def _note(self, signals: Mapping[str, Any]) -> None:
        for said in self.said:
            if said.key == self._now:
                said.signals |= signals
                return
        if self._now:
            self.notes.append(Note(self._now, signals))

    def _leave(self) -> None:
        """Whether the customer was answered, and what people are left with."""
        if self._turn.reason:
            self._thread.handed_over = HandedOver(self._wanted(), _labels(self._turn.metadata))
        if self.said or self.pressed or self._turn.reason:
            missed = [said.key for said in self.said if "missed" in said.signals]
            self._thread.unanswered = missed[-1] if missed else None

    def _wanted(self) -> UtteranceKey | None:
        """The message on which people were called; if it only asked for them, the one before, if that had no answer."""
        wanted = [said.key for said in self.said if (said.parsed.get("intent") or {}).get("name") != HUMAN]
        if not wanted:
            return self._thread.unanswered if self._is_of_a_customer() else None  # or it was given up unheard
        return wanted[0] if len(wanted) == 1 else None

    def _take_back(self, event: Event) -> None:
        """What people put on the conversation while they had it says what the customer had wanted."""
        had, self._thread.handed_over = self._thread.handed_over, None
        if had and had.key and (added := _labels(event.data.get("metadata") or {}) - had.labels):
            self.notes.append(Note(had.key, {LABELS: sorted(added)}))

    def _outcome(self) -> dict[str, Any]:
        turn = self._turn
        found = {} if turn.owner is Owner.BOT else {"owner": turn.owner.value}
        return found | ({"handover": turn.reason} if turn.reason else {})

    def _follow(self, event: Event) -> None:
        if event.name == "slot" and event.data.get("name") == REQUESTED:
            self._thread.requested = event.data.get("value")
        elif event.name == "active_loop":
            self._loop(event.data.get("name"))
            self._thread.in_form = bool(event.data.get("name"))
        elif event.name == "form_completed":
            self._complete(self._thread.forms.pop(event.data["name"], None))
        elif event.name == "form_suspended":
            self._thread.in_form = False
        elif event.name == "resume":
            self._take_back(event)
        elif event.name in _OVER:
            self._begin_anew(restart=event.name == "restart")

    def _begin_anew(self, *, restart: bool) -> None:
        """A restart ends what was before for people too; a new session begins while they may have the conversation."""
        self._thread.requested, self._thread.in_form, self._thread.forms = None, False, {}
        if restart:
            self._thread.handed_over = self._thread.unanswered = None

    def _complete(self, began: UtteranceKey | None) -> None:
        """Whoever answered a question of the form meant it; a message that told all at once was asked nothing."""
        if began and all(said.key != began for said in self.said):
            self.notes.append(Note(began, {"completed": True}))

    def _loop(self, name: str | None) -> None:
        """A form that is left without being completed tells nothing of the message that began it."""
        thread = self._thread
        if name is None and thread.loop:
            thread.forms.pop(thread.loop, None)
        elif name and self._now:
            thread.forms.setdefault(name, self._now)
        thread.loop = name


def _labels(metadata: Mapping[str, Any]) -> frozenset[str]:
    """Metadata may be a stranger's: anything."""
    given = metadata.get(LABELS)
    return frozenset(label for label in given if isinstance(label, str)) if isinstance(given, list) else frozenset()


def key_of(conversation_id: str, seq: int, part: int = 0) -> UtteranceKey:
    return SOURCE, conversation_id, f"{seq}.{part + 1}" if part else f"{seq}"


def keys_of(conversation_id: str, seq: int) -> Iterator[UtteranceKey]:
    """Of all parts that the message may have."""
    return (key_of(conversation_id, seq, part) for part in range(_MOST_PARTS))
