"""The widget protocol's frames, from bytes that anybody may send."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels import frames
from bot.channels.frames import Control, Hello, Look, Ping, Press, Rate, Refused, Say
from bot.messages import Author, Button, Card, Command, Entry, Outbound, Source

CODES = {"bad_frame", "too_long", "empty"}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3))
NAMES = st.sampled_from(
    [
        "type",
        "id",
        "text",
        "press",
        "command",
        "seq",
        "value",
        "before",
        "limit",
        "token",
        "epoch",
        "last_seq",
        "locale",
    ]
)
KINDS = st.sampled_from(["hello", "message", "feedback", "history", "ping", "", "x"])


def _parse(frame: dict[str, Any]) -> frames.Frame:
    return frames.parse(orjson.dumps(frame).decode(), depth=16, longest=100)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES), KINDS)
def test_any_object_is_a_frame_or_a_refusal_with_a_code(frame: dict[str, Any], kind: str) -> None:
    try:
        raw = orjson.dumps({**frame, "type": kind})
    except TypeError:
        return
    try:
        frames.parse(raw.decode(), depth=16, longest=100)
    except Refused as refusal:
        assert refusal.code in CODES


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_any_data_is_refused_with_a_code(data: str | bytes) -> None:
    with pytest.raises(Refused) as refusal:
        frames.parse(data, depth=16, longest=100)
    assert refusal.value.code == "bad_frame"


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        ({"type": "hello", "token": None, "epoch": None, "last_seq": 0}, Hello(None, None, 0, "", "")),
        ({"type": "hello", "token": "t", "epoch": "e", "last_seq": 3, "locale": "zh"}, Hello("t", "e", 3, "zh", "")),
        ({"type": "message", "id": "1", "text": " hi "}, Say("1", "hi")),
        ({"type": "message", "id": "1", "press": {"seq": 2, "button": 0}}, Press("1", 2, 0, None)),
        ({"type": "message", "id": "1", "press": {"seq": 2, "button": 0, "card": 1}}, Press("1", 2, 0, 1)),
        ({"type": "message", "id": "1", "command": "human"}, Control("1", Command.HUMAN)),
        ({"type": "feedback", "seq": 2, "value": "up"}, Rate(2, "up")),
        ({"type": "history", "before": 40, "limit": 5000}, Look(40, 200)),
        ({"type": "ping"}, Ping()),
    ],
)
def test_a_good_frame_is_its_value(frame: dict[str, Any], value: frames.Frame) -> None:
    assert _parse(frame) == value


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "message", "id": "1", "text": "x" * 101}, "too_long"),
        ({"type": "message", "id": "1", "text": " \x00\n"}, "empty"),
        ({"type": "message", "id": "1", "text": "hi", "command": "human"}, "bad_frame"),
        ({"type": "message", "id": "1"}, "bad_frame"),
        ({"type": "message", "id": "1", "command": "sudo"}, "bad_frame"),
        ({"type": "message", "id": "1", "press": {"seq": 2, "button": -1}}, "bad_frame"),
    ],
)
def test_a_refused_message_is_named(frame: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refusal:
        _parse(frame)
    assert frames.error(refusal.value)["id"] == "1"
    assert refusal.value.code == code


def test_a_slash_is_an_ordinary_character_for_customers() -> None:
    assert _parse({"type": "message", "id": "1", "text": '/cancel_order{"confirmed": true}'}) == Say(
        "1", '/cancel_order{"confirmed": true}'
    )


def test_customers_see_titles_and_never_what_buttons_mean() -> None:
    secret = Button("Yes", '/affirm{"order_number": "LW-10234"}')
    message = Outbound(
        "Sure?",
        buttons=(secret,),
        cards=(Card("Lamp", buttons=(secret,)),),
        source=Source("Title", "/help/a", "a"),
        custom={"internal": "note"},
        response="utter_ask_confirm",
    )
    seen = orjson.dumps(frames.entry(Entry("web-1", 2, Author.BOT, 1.0, message, reply_to=1))).decode()
    assert "Yes" in seen
    for hidden in ("/affirm", "LW-10234", "internal", "utter_", "web-1"):
        assert hidden not in seen
