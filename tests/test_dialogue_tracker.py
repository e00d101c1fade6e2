"""The tracker: what each event does, and what it looks like from outside."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from bot.dialogue.bot_events import bot_event, reply_of
from bot.dialogue.history import LENGTH
from bot.dialogue.replacing import replace as quick_replace
from bot.dialogue.tracker import EVENTS, Tracker
from bot.messages import Button, Card, Event, Json, Outbound, Owner, Source
from tests.dialogue_play import slot


def new(**initial: object) -> Tracker:
    return Tracker("c1").seated({"requested_slot": None, **initial})


def user(text: str, intent: str = "hi", at: float = 1.0) -> Event:
    parsed = {"intent": {"name": intent, "confidence": 1.0}, "entities": [], "text": text}
    return Event("user", at, {"text": text, "parse_data": parsed, "input_channel": "web"})


def action(name: str) -> Event:
    return Event("action", 1.0, {"name": name})


def loop(name: str | None) -> Event:
    return Event("active_loop", 1.0, {"name": name})


def test_rewinding_takes_back_the_last_message_and_all_it_did() -> None:
    before = new(a=None).apply_all([user("one"), slot("a", 1), action("form"), loop("form")])
    after = before.apply_all([user("two"), slot("a", 2), loop(None), Event("rewind", 1.0)])
    assert after.slots == before.slots
    assert after.loop == before.loop
    assert after.moves == before.moves


def test_undoing_takes_back_the_last_action_only() -> None:
    tracker = new(a=None).apply_all([user("one"), action("x"), slot("a", 1), Event("undo", 1.0)])
    assert tracker.slots["a"] is None
    assert [move.kind for move in tracker.moves] == ["said"]


def test_rewinding_with_nothing_said_changes_nothing() -> None:
    assert new(a=1).apply(Event("rewind", 1.0)).slots["a"] == 1


def test_a_restart_forgets_everything_and_gives_the_bot_the_word() -> None:
    tracker = new(a=0).apply_all([user("one"), slot("a", 1), loop("form"), Event("pause", 1.0)])
    fresh = tracker.apply(Event("restart", 2.0))
    assert (fresh.slots["a"], fresh.loop, fresh.owner, fresh.moves) == (0, None, Owner.BOT, ())
    assert [event.name for event in fresh.events] == ["restart"]


def test_resetting_slots_brings_back_their_initial_values() -> None:
    tracker = new(a=0, b=None).apply_all([slot("a", 1), slot("b", 2), Event("reset_slots", 1.0)])
    assert (tracker.slots["a"], tracker.slots["b"]) == (0, None)


@pytest.mark.parametrize("name", ["form", "active_loop"])
def test_a_loop_may_be_interrupted_and_rejected(name: str) -> None:
    tracker = new().apply(Event(name, 1.0, {"name": "f"}))
    assert tracker.apply(Event("loop_interrupted", 1.0, {"is_interrupted": True})).to_rasa()["active_loop"] == {
        "name": "f",
        "is_interrupted": True,
        "rejected": False,
        "trigger_message": {},
    }
    rejected = tracker.apply(Event("action_execution_rejected", 1.0, {"name": "f"}))
    assert rejected.to_rasa()["active_loop"]["rejected"]
    assert not rejected.apply(user("next")).to_rasa()["active_loop"]["rejected"]


def test_rasas_tracker_has_rasas_keys_and_only_rasas_events() -> None:
    tracker = new(a=None).apply_all([user("one"), Event("not_understood", 1.0), Event("followup", 1.0, {"name": "x"})])
    rasa = tracker.to_rasa()
    assert rasa.keys() == {
        "sender_id",
        "slots",
        "latest_message",
        "latest_event_time",
        "followup_action",
        "paused",
        "events",
        "latest_input_channel",
        "active_loop",
        "latest_action",
        "latest_action_name",
        "stack",
        "user_id",
    }
    assert [event["event"] for event in rasa["events"]] == ["user", "followup"]
    assert (rasa["followup_action"], rasa["latest_input_channel"], rasa["active_loop"]) == ("x", "web", {})
    assert rasa["latest_message"]["text"] == "one"


def test_a_snapshot_is_bounded_and_comes_back_equal() -> None:
    tracker = new(a=None)
    for number in range(400):
        tracker = tracker.apply_all([user(f"m{number}"), slot("a", number), bot_event(Outbound(text="hi"), 1.0)])
    assert len(tracker.events) == EVENTS
    assert len(tracker.moves) == LENGTH
    assert not tracker.begun
    assert Tracker.from_json(json.loads(tracker.written())) == tracker


def test_a_reply_comes_back_from_its_event() -> None:
    reply = Outbound(
        text="t",
        buttons=(Button("b", "/b"),),
        image="i",
        cards=(Card("c", "s", "i", "u", (Button("b", "/b"),)),),
        source=Source("t", "u", "a"),
        custom={"a": 1},
        rateable=True,
        response="utter_x",
    )
    event = Event.from_json(json.loads(json.dumps(bot_event(reply, 1.0, 2).to_json())))
    assert reply_of(event) == reply
    assert Tracker("c1").apply(event).last_variation("utter_x") == 2


@pytest.mark.parametrize(
    "data", [{}, {"text": None, "data": None}, {"data": {"buttons": [{"title": "x"}, 3]}, "metadata": {}}]
)
def test_a_foreign_bot_event_is_read_as_far_as_it_goes(data: Json) -> None:
    assert Tracker("c1").apply(Event("bot", 1.0, data)).said


def test_an_agent_owns_the_conversation_until_it_is_given_back() -> None:
    tracker = new().apply(loop("form")).apply(Event("pause", 1.0, {"owner": "agent"}))
    assert tracker.owner is Owner.AGENT
    assert tracker.apply(Event("agent", 1.0, {"text": "hello"})).owner is Owner.AGENT
    back = tracker.apply(Event("resume", 1.0))
    assert (back.owner, back.loop) == (Owner.BOT, None)


def test_the_quick_replace_does_what_dataclasses_does() -> None:
    tracker = Tracker("c").apply(Event("slot", 1.0, {"name": "order", "value": "LW-1"}))
    unchanged: dict[str, Any] = {}
    for changes in (unchanged, {"fallbacks": 2, "said": ()}):
        assert quick_replace(tracker, **changes) == dataclasses.replace(tracker, **changes)
    assert tracker.fallbacks == 0
    with pytest.raises(TypeError, match="nothing"):
        quick_replace(tracker, nothing=1)
