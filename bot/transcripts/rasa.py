"""Rasa's tracker events (see the Rasa documentation, "Events"): the user's, and what a form had asked before each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bot.transcripts.message import COMMAND, STAFF, Items, LeftOut, Message
from bot.transcripts.times import seconds

_COMMAND = re.compile(r"/[a-z_]|EXTERNAL: ", re.IGNORECASE)
_EVENT_NAMES = """
    user bot slot action active_loop loop_interrupted session_started session_ended restart reset_slots rewind undo
    pause resume export followup reminder cancel_reminder agent action_execution_rejected entities user_featurization
    form form_validation
"""
_EVENTS = frozenset(_EVENT_NAMES.split())
_SAID = frozenset({"bot", "agent"})
_OVER = frozenset({"session_started", "restart"})
_REMEMBERED = 50_000


def is_event(record: Mapping[str, Any]) -> bool:
    """A tracker's event, alone or as an event broker writes it."""
    kind = record.get("event")
    return isinstance(kind, str) and kind in _EVENTS and bool({"timestamp", "sender_id", "parse_data"} & record.keys())


class Trackers:
    """Reads events in the order of each conversation, whose lines may be mixed with other conversations'."""

    def __init__(self) -> None:
        self._asked: dict[str, str | None] = {}

    def read(self, event: Mapping[str, Any], line: int, sender: str | None = None) -> Items:
        sender = str(event.get("sender_id") or sender or "") or None
        kind = event["event"]
        if kind == "user":
            yield self._user(event, line, sender)
        elif kind in _SAID and event.get("text"):
            yield LeftOut(line, STAFF)
        elif sender is not None:
            self._follow(event, sender)

    def _user(self, event: Mapping[str, Any], line: int, sender: str | None) -> Message | LeftOut:
        text = event.get("text")
        if not isinstance(text, str) or _COMMAND.match(text):
            return LeftOut(line, COMMAND)
        parsed = event.get("parse_data")
        intent = parsed.get("intent") if isinstance(parsed, Mapping) else None
        understood = intent if isinstance(intent, Mapping) and isinstance(intent.get("name"), str) else {}
        identity = event.get("message_id")
        return Message(
            line,
            text,
            conversation=sender,
            id=str(identity) if identity else None,
            at=seconds(event.get("timestamp")),
            customer=sender,
            asked=self._asked.get(sender) if sender else None,
            intent=understood.get("name"),
            confidence=_number(understood.get("confidence")),
        )

    def _follow(self, event: Mapping[str, Any], sender: str) -> None:
        """The slot that a form asks for is a slot itself."""
        if len(self._asked) > _REMEMBERED:
            self._asked.clear()
        if event["event"] == "slot" and event.get("name") == "requested_slot":
            value = event.get("value")
            self._asked[sender] = value if isinstance(value, str) else None
        elif event["event"] in _OVER or (event["event"] in ("active_loop", "form") and not event.get("name")):
            self._asked.pop(sender, None)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
