"""LINE: the official vector, the official library, replies that are free and pushes that are safe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linebot.v3.webhook import SignatureValidator  # type: ignore[import-untyped]

from bot.channels.connector import Signing
from bot.channels.line import Line, LineSettings
from bot.channels.received import JOINED, Attachment, Received, Request
from bot.channels.settings import Limits
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.journal.values import DeliveryState
from bot.messages import Button, Outbound
from bot.simulators.line import LineMessagingApi
from bot.wire import Malformed
from tests.deliveries import delivery, settled
from tests.json_values import JSON_VALUES
from tests.test_simulators import talking

SECRET, OTHER = "channel_secret", "another_secret"
# Of line-bot-sdk-python's tests (tests/v3/test_webhook.py).
VECTOR_BODY, VECTOR = b"bodybodybodybody", "/gg9a+LvFevTH1sd7XCQycD7tsWclCsInj7MhBHxN7k="
FRESH = {"to": "U1", "token": "t1", "token_at": "90.000"}


def channel(**more: Any) -> Line:
    settings = {"channel_secrets": [OTHER, SECRET], "token": "line-token", **more}
    return LineSettings.model_validate(settings).connect(Limits(4000, 16))


def parsed(*events: dict[str, Any]) -> Received:
    return channel().parse(Request("POST", {}, {}, json.dumps({"destination": "U0", "events": events}).encode(), 1.0))


def happened(kind: str = "message", **content: Any) -> dict[str, Any]:
    source = {"type": "user", "userId": "U1"}
    return {"type": kind, "webhookEventId": "01A", "timestamp": 90_000, "source": source, "replyToken": "t1", **content}


def text(words: str, **more: Any) -> dict[str, Any]:
    return happened(message={"id": "5", "type": "text", "text": words, **more})


# Who sent it


def test_the_official_vector() -> None:
    real = Request("POST", {}, {"x-line-signature": VECTOR}, VECTOR_BODY, 1.0)
    assert channel().verify(real)
    for wrong in (
        replace(real, body=b"body"),
        replace(real, method="GET"),
        replace(real, headers={}),
        replace(real, headers={"x-line-signature": "\xe9\udcff"}),
        replace(real, headers={"x-line-signature": VECTOR[:-1]}),
    ):
        assert not channel().verify(wrong)


@given(st.text(max_size=200), st.text(max_size=60))
def test_it_agrees_with_the_official_library(body: str, signature: str) -> None:
    theirs = SignatureValidator(SECRET)
    given = Request("POST", {}, {"x-line-signature": signature}, body.encode(), 1.0)
    try:
        wanted = bool(theirs.validate(body, signature))
    except (TypeError, ValueError):
        wanted = False
    assert channel(channel_secrets=[SECRET]).verify(given) is wanted


def test_events_for_another_account_are_refused() -> None:
    provider = LineMessagingApi(settings=LineSettings.model_validate(LineMessagingApi.sample("http://127.0.0.1:9")))
    line = provider.settings.connect(Limits(4000, 16))
    for destination, ours in (("U00000000000000000000000000000000", True), ("U9", False)):
        event = provider.event(destination=destination)
        headers = {name.lower(): value for name, value in event.headers.items()}
        assert line.verify(Request("POST", {}, headers, event.body, 1.0)) is ours


# What it means


def test_the_consoles_button_is_answered_with_200() -> None:
    assert parsed() == Received()


def test_every_event_is_read() -> None:
    pressed = happened("postback", postback={"data": "5f0c86d1-2-0"}, webhookEventId="01B")
    first, second, third = parsed(text("hello"), pressed, happened("follow", webhookEventId="01C")).messages
    assert (first.conversation_id, first.id, first.text, first.at) == ("line-U1", "01A", "hello", 90.0)
    assert first.address == FRESH
    assert (second.press, second.payload) == ("5f0c86d1-2-0", None)
    assert third.payload == JOINED


def test_one_event_that_cannot_be_read_keeps_no_other_from_being_taken() -> None:
    broken = text("broken") | {"webhookEventId": 7}
    received = parsed(broken, text("hello"))
    assert [one.text for one in received.messages] == ["hello"]
    assert received.ignored == ("malformed",)


@pytest.mark.parametrize("typed", ["/restart", "5f0c86d1-2-0"])
def test_what_is_typed_presses_nothing(typed: str) -> None:
    (one,) = parsed(text(typed)).messages
    assert (one.press, one.payload) == (None, None)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (happened("unfollow"), "membership"),
        (happened("unsend", unsend={"messageId": "5"}), "deleted"),
        (happened("beacon"), "other"),
        (text("hi") | {"mode": "standby"}, "standby"),
        (text("hi") | {"source": {"type": "group", "groupId": "C1", "userId": "U1"}}, "not_for_us"),
    ],
)
def test_what_does_not_matter_is_counted(event: dict[str, Any], kind: str) -> None:
    received = parsed(event)
    assert (received.messages, received.ignored) == ((), (kind,))


def test_a_group_calls_it_by_its_name() -> None:
    called = text("😀 @Shop where is it?", mention={"mentionees": [{"index": 3, "length": 5, "isSelf": True}]})
    (one,) = parsed(called | {"source": {"type": "group", "groupId": "C1", "userId": "U1"}}).messages
    assert (one.text, one.conversation_id, one.metadata) == ("😀  where is it?", "line-C1", {"user": "U1"})


@pytest.mark.parametrize(
    ("message", "attachment"),
    [
        ({"type": "image", "id": "7"}, Attachment("image", "7")),
        (
            {"type": "file", "id": "8", "fileName": "a.pdf", "fileSize": 9},
            Attachment("file", "8", name="a.pdf", size=9),
        ),
        (
            {"type": "location", "latitude": 35.6, "longitude": 139.7, "address": "Tokyo"},
            Attachment("place", "35.6,139.7", name="Tokyo"),
        ),
        ({"type": "sticker", "stickerId": "3", "keywords": ["happy"]}, Attachment("sticker", "3", name="happy")),
    ],
)
def test_media_are_references(message: dict[str, Any], attachment: Attachment) -> None:
    (one,) = parsed(happened(message=message)).messages
    assert one.attachments == (attachment,)


fields = st.sampled_from([*text(""), "postback", "mode"])
inside = st.sampled_from(["id", "type", "text", "mention", "mentionees", "data", "userId", "groupId"])


@given(
    st.dictionaries(fields, JSON_VALUES | st.dictionaries(inside, JSON_VALUES), max_size=7),
    st.sampled_from(["message", "follow", "postback"]),
)
def test_whatever_comes_is_read_or_refused(event: dict[str, Any], kind: str) -> None:
    try:
        parsed({**event, "type": kind})
    except Malformed:
        return


# What is sent


def urls(said: Any) -> list[str]:
    return [call.url.rpartition("/")[2] for call in channel().render(said)]


def test_an_answer_in_time_is_a_reply_and_a_later_one_a_push() -> None:
    assert urls(delivery("Hello", FRESH)) == ["reply"]
    assert urls(delivery("Hello", {**FRESH, "token_at": "40.000"})) == ["push"]
    assert urls(delivery("Hello", {**FRESH, "token_at": "101.000"})) == ["push"]
    assert urls(delivery("Hello", {"to": "U1"})) == ["push"]
    assert urls(delivery("Hello", FRESH, attempts=2)) == ["push"]


def test_a_reply_that_may_have_arrived_is_never_pushed_as_well() -> None:
    (call,) = channel().render(delivery("Hello", FRESH, attempts=2, doubt=True))
    assert not call.repeatable
    (call,) = channel().render(delivery("Hello", {**FRESH, "token_at": "101.000"}, attempts=2, doubt=True))
    assert not call.repeatable
    (call,) = channel().render(delivery("Hello", FRESH, attempts=3, doubt=True))
    assert call.repeatable
    (call,) = channel().render(delivery("Hello", {**FRESH, "token_at": "40.000"}, attempts=2, doubt=True))
    assert call.repeatable


def test_five_messages_are_one_call() -> None:
    said = delivery(Outbound("A sentence of words. " * 1500), FRESH)
    first, second = channel().render(said)
    assert [len(json.loads(call.body)["messages"]) for call in (first, second)] == [5, 2]
    assert (first.repeatable, second.repeatable) == (False, True)


@pytest.mark.parametrize(("number", "kind"), [(4, "template"), (5, "text"), (13, "text")])
def test_choices(number: int, kind: str) -> None:
    buttons = tuple(Button(f"Choice {n}", "/c") for n in range(number))
    (call,) = channel().render(delivery(Outbound("Which?", buttons), FRESH))
    (message,) = json.loads(call.body)["messages"]
    assert message["type"] == kind


def test_the_key_is_the_same_at_every_attempt_and_no_other_calls() -> None:
    (call,) = channel().render(delivery("Hello", {"to": "U1"}))
    keys = [
        channel().sign(call, Signing(key, at)).headers["X-Line-Retry-Key"]
        for key, at in (("a", 1.0), ("a", 2.0), ("b", 1.0))
    ]
    assert keys[0] == keys[1] != keys[2]
    assert "Authorization" not in channel().sign(Call("https://evil.example/"), Signing("a", 1.0)).headers


def answer(status: int, message: str = "", **body: Any) -> Answer:
    return Answer(status, {}, json.dumps({"message": message, **body}).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(200, sentMessages=[{"id": "9"}]), Fate.ARRIVED),
        (answer(409, "The retry key is already accepted"), Fate.ARRIVED),
        (answer(400, "Invalid reply token"), Fate.RETRY),
        (answer(400, "The property, 'to', is invalid"), Fate.GIVE_UP),
        (answer(401), Fate.REFUSED),
        (answer(429, "You have reached your monthly limit."), Fate.GIVE_UP),
        (answer(429), Fate.RETRY),
        (answer(500), Fate.AMBIGUOUS),
        (Silence(False, "nobody"), Fate.RETRY),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    assert channel().classify(Call(""), outcome).fate is fate


# Conversations


async def test_an_answer_in_time_costs_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, "line") as (provider, _):
        assert isinstance(provider, LineMessagingApi)
        await provider.say("77", "ask")
        await provider.until(lambda: provider.texts("77") == ["answer"])
        assert provider.pushed == 0


async def test_a_reply_whose_time_is_over_is_pushed(tmp_path: Path) -> None:
    async with talking(tmp_path, "line") as (provider, _):
        assert isinstance(provider, LineMessagingApi)
        event = provider.said("77", "ask")
        provider.tokens.clear()
        await provider.post(event)
        await provider.until(lambda: provider.texts("77") == ["answer"])
        assert provider.pushed == 1


async def test_a_push_without_an_answer_is_repeated_and_shown_once(tmp_path: Path) -> None:
    async with talking(tmp_path, "line", "cut", "ok") as (provider, service):
        assert isinstance(provider, LineMessagingApi)
        event = provider.said("77", "ask")
        provider.tokens.clear()
        await provider.post(event)
        await settled(service.journal, DeliveryState.DELIVERED)
        assert provider.texts("77") == ["answer"]
        assert provider.pushed == 2
