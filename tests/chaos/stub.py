"""What the servers under test serve: a model of five milliseconds, an assistant that counts, two actions that leave a
trace outside.

Every answer says whose it is (`mark`) and how many came before it in its conversation (the slot `count`), so that
another customer's answer, or one from a stale state, is seen.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from bot.dialogue.assistant import Assistant
from nlu.types import Intent, Understanding, Verdict

EFFECTS = "CHAOS_EFFECTS"
"""Environment variable: the file in which actions leave their trace."""

FAILED = "That did not work."
INTERRUPTED = "Nobody knows whether that was done."
HANDED_OVER = "You are passed on."
GIVEN_UP = "A person will look at it."
"""Said when a message is given up."""
WAITING = "Somebody comes."
"""Said once to who waits for a person, with a button that leads back."""
RESUMED = "Back again."
BACK = "Go on"

DOMAIN = """
version: "3.1"
intents: [tell, pay, greet]
slots:
  count: {type: any, influence_conversation: false, mappings: [{type: custom}]}
actions:
- action_tell: {idempotent: true}
- action_pay
responses:
  utter_greet: [{text: "Good morning, what can we do for you?"}]
  utter_action_failed: [{text: "%(failed)s"}]
  utter_action_interrupted: [{text: "%(interrupted)s"}]
  utter_handover: [{text: "%(handed_over)s"}]
  utter_apology: [{text: "%(given_up)s"}]
  utter_waiting: [{text: "%(waiting)s", buttons: [{title: "%(back)s", payload: "/resume_bot"}]}]
  utter_resumed: [{text: "%(resumed)s"}]
rules:
- rule: greet
  steps: [{intent: greet}, {action: utter_greet}]
- rule: tell
  steps: [{intent: tell}, {action: action_tell}]
- rule: pay
  steps: [{intent: pay}, {action: action_pay}]
"""

TEXTS = {
    "failed": FAILED,
    "interrupted": INTERRUPTED,
    "handed_over": HANDED_OVER,
    "given_up": GIVEN_UP,
    "waiting": WAITING,
    "resumed": RESUMED,
    "back": BACK,
}


def mark(conversation: str, message_id: str) -> str:
    """Names the message that an answer belongs to."""
    return sha256(f"{conversation} {message_id}".encode()).hexdigest()[:16]


def assistant(folder: Path) -> Assistant:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "domain.yml").write_text(DOMAIN % TEXTS)
    return Assistant.load(folder)


class StubModel:
    """The first word is the intent."""

    model = "stub"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        await asyncio.sleep(self._seconds)
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> Understanding:
        intent = Intent(text.partition(" ")[0], 1.0)
        return Understanding(text, intent, (intent,), Verdict.SURE, model=self.model)


def trace_name(conversation: str, key: str) -> str:
    """An action's key tells message and call; whose it is, we know."""
    return f"{conversation}:{key.partition(':')[2]}"


def leave_trace(path: str, kind: str, key: str) -> None:
    """The outside world's memory: one line for each time that an action really ran."""
    line = json.dumps({"kind": kind, "key": key, "pid": os.getpid()}) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


class _Counting(Action):  # type: ignore[misc]  # rasa-sdk is not typed
    kind = ""

    def name(self) -> str:
        return f"action_{self.kind}"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        about = tracker.latest_message["metadata"]
        leave_trace(os.environ[EFFECTS], self.kind, trace_name(tracker.sender_id, about["idempotency_key"]))
        count = int(tracker.get_slot("count") or 0) + 1
        dispatcher.utter_message(text=f"{mark(tracker.sender_id, about['message_id'])} {count}")
        return [SlotSet("count", count)]


class Tell(_Counting):
    """Does no harm if it runs twice, and says so."""

    kind = "tell"


class Pay(_Counting):
    """Must never run twice."""

    kind = "pay"
