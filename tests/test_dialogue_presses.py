"""Typing what a button says is pressing it."""

from __future__ import annotations

import pytest

from bot.dialogue.bot_events import bot_event
from bot.dialogue.presses import as_press
from bot.dialogue.tracker import Tracker
from bot.messages import Button, Card, Event, Inbound, Outbound

TRACKER = Tracker("c1").apply(
    bot_event(
        Outbound(
            text="Which?",
            buttons=(
                Button("Yes, cancel it", "/affirm"),
                Button("I don't have it", "/list"),
                Button("?!", "/x"),
            ),
            cards=tuple(
                Card(title=n, buttons=(Button("Details", f'/order{{"order": "{n}"}}'), Button("More", "/more")))
                for n in "12"
            ),
        ),
        0.0,
        None,
    )
)


def typed(text: str, tracker: Tracker = TRACKER, payload: str | None = None) -> str | None:
    return as_press(Inbound("c1", "m1", text, "web", 0.0, payload), tracker).payload


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("Yes, cancel it", "/affirm"),
        ("  yes,  CANCEL it! ", "/affirm"),
        ("I don’t have it.", "/list"),
        ("more", "/more"),
        ("Details", None),
        ("yes", None),
        ("/affirm", None),
        ("?!", None),
        ("", None),
    ],
)
def test_a_title_typed_is_the_button_if_no_other_has_it(text: str, payload: str | None) -> None:
    assert typed(text) == payload


def test_a_press_stays_what_it_is() -> None:
    assert typed("Yes, cancel it", payload="/deny") == "/deny"


def test_a_button_offered_earlier_is_no_longer_meant() -> None:
    later = TRACKER.apply(Event("user", 1.0, {"text": "hm"}))
    assert typed("Yes, cancel it", later) is None


def test_what_is_written_to_a_person_presses_nothing() -> None:
    assert typed("Yes, cancel it", TRACKER.apply(Event("pause", 1.0, {"owner": "agent"}))) is None


def numbered(text: str, numbers_from: int | None = 3, tracker: Tracker = TRACKER) -> str | None:
    shown = {} if numbers_from is None else {"numbers_from": numbers_from}
    return as_press(Inbound("c1", "m1", text, "sms", 0.0, metadata=shown), tracker).payload


@pytest.mark.parametrize("text", ["2", " 2. ", "(2)", "２", "option 2", "Option 2.", "No. 2", "#2", "2️⃣"])
def test_a_number_means_the_choice_that_was_shown_with_it(text: str) -> None:
    assert numbered(text) == "/list"


def test_the_numbers_go_on_through_the_cards() -> None:
    found = [numbered(str(n)) for n in (4, 5, 6, 7)]
    assert found == [
        '/order{"order": "1"}',
        "/more",
        '/order{"order": "2"}',
        "/more",
    ]


@pytest.mark.parametrize("text", ["0", "8", "99", "2 lamps", "1234", "12:30", "two", "-2", "$2", "2 %"])
def test_other_numbers_are_what_they_say(text: str) -> None:
    assert numbered(text) is None


def test_where_choices_were_not_numbered_a_number_is_a_number() -> None:
    assert numbered("2", numbers_from=4) is None
    assert numbered("2", numbers_from=None) is None
    assert numbered("2", tracker=Tracker("c1").apply(bot_event(Outbound("How many?"), 0.0, None))) is None


def test_a_form_that_waits_for_a_number_gets_it() -> None:
    asked = Event("slot", 1.0, {"name": "requested_slot", "value": "amount"})
    waiting = TRACKER.apply(Event("active_loop", 1.0, {"name": "f"})).apply(asked)
    assert numbered("2", tracker=waiting) == "/list"  # its question is the one with the choices
    assert numbered("2", tracker=waiting.apply(bot_event(Outbound("How many?"), 1.0, None))) is None
