"""Slack: the official vector, the official library, events that come twice, and conversations."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.signature import SignatureVerifier

from bot.channels.connector import Signing
from bot.channels.received import Attachment, Reaction, Received, Request
from bot.channels.settings import Limits
from bot.channels.slack import Slack, SlackSettings
from bot.channels.slack_events import plain
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.journal.values import DeliveryState
from bot.messages import Button, Outbound
from bot.simulators.slack import BOT, SlackWebApi
from bot.wire import Malformed
from tests.deliveries import delivery, settled
from tests.json_values import JSON_VALUES
from tests.test_simulators import talking

SECRET, OTHER = "8f742231b10e8888abcd99yyyzzz85a5", "another-secret-of-theirs"
# Of Slack's documentation on verifying requests.
VECTOR_AT = 1531420618
VECTOR = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
VECTOR_BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
    b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
    b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
    b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)


def channel(**more: Any) -> Slack:
    settings = {"signing_secrets": [OTHER, SECRET], "token": "xoxb-1-2-abc", "bot_user": "UBOT", **more}
    return SlackSettings.model_validate(settings).connect(Limits(4000, 16))


def request(event: Any = None, body: bytes | None = None, **more: Any) -> Request:
    raw = json.dumps(event).encode() if body is None else body
    signature = SignatureVerifier(SECRET).generate_signature(timestamp="1000", body=raw)
    headers = {"x-slack-request-timestamp": "1000", "x-slack-signature": str(signature)}
    return replace(Request("POST", {}, headers, raw, 1000.0), **more)


def parsed(event: dict[str, Any], **settings: Any) -> Received:
    return channel(**settings).parse(request({"type": "event_callback", "team_id": "T1", "event": event}))


def message(**content: Any) -> dict[str, Any]:
    where = {"channel": "D1", "channel_type": "im"}
    return {"type": "message", "user": "U1", "ts": "900.000100", "text": "hello", **where, **content}


# Who sent it


def test_the_official_vector() -> None:
    headers = {"x-slack-request-timestamp": str(VECTOR_AT), "x-slack-signature": VECTOR}
    real = Request("POST", {}, headers, VECTOR_BODY, VECTOR_AT)
    assert channel().verify(real)
    assert channel().verify(replace(real, now=VECTOR_AT + 300.0))
    for wrong in (
        replace(real, now=VECTOR_AT + 301.0),
        replace(real, now=VECTOR_AT - 301.0),
        replace(real, body=VECTOR_BODY + b" "),
        replace(real, method="GET"),
        replace(real, headers={}),
        replace(real, headers={**headers, "x-slack-signature": VECTOR.replace("v0=", "")}),
    ):
        assert not channel().verify(wrong)


@given(st.text(max_size=300).map(str.encode), st.integers(0, 2**40))
def test_it_agrees_with_the_official_library(body: bytes, at: int) -> None:
    signature = SignatureVerifier(SECRET).generate_signature(timestamp=str(at), body=body)
    headers = {"x-slack-request-timestamp": str(at), "x-slack-signature": str(signature)}
    assert channel().verify(Request("POST", {}, headers, body, float(at)))
    assert not channel(signing_secrets=[OTHER]).verify(Request("POST", {}, headers, body, float(at)))


@pytest.mark.parametrize(
    ("at", "signature", "body"),
    [
        ("abc", VECTOR, b"x"),
        ("1000", "v0=\xe9", b"x"),
        ("1000", VECTOR, b"\xff"),
        ("\u0661", VECTOR, b""),
        ("", "", b""),
    ],
)
def test_where_the_official_library_raises_ours_says_no(at: str, signature: str, body: bytes) -> None:
    headers = {"x-slack-request-timestamp": at, "x-slack-signature": signature}
    assert not channel().verify(Request("POST", {}, headers, body, 1000.0))


def test_another_apps_events_are_refused() -> None:
    assert channel(app_id="A1").verify(request({"type": "event_callback", "api_app_id": "A1"}))
    assert not channel(app_id="A1").verify(request({"type": "event_callback", "api_app_id": "A2"}))


# What it means


def test_the_address_is_verified() -> None:
    reply = channel().parse(request({"type": "url_verification", "challenge": "3eZbrw1a"})).reply
    assert (reply.body, reply.content_type) == (b"3eZbrw1a", "text/plain")


def test_a_direct_message() -> None:
    (one,) = parsed(message()).messages
    assert (one.conversation_id, one.id, one.text, one.at) == ("slack-D1", "D1:900.000100", "hello", 900.0001)
    assert one.address == {"channel": "D1"}


def test_a_mention_is_one_message_however_often_it_is_told() -> None:
    said = message(channel="C1", channel_type="channel", text="<@UBOT> where is it?")
    mention = {key: value for key, value in said.items() if key != "channel_type"} | {"type": "app_mention"}
    (one,), (two,) = parsed(said).messages, parsed(mention).messages
    assert one == two
    assert one.text == "where is it?"
    assert one.address == {"channel": "C1", "thread": "900.000100"}


def test_the_thread_that_an_answer_begins_is_the_same_conversation() -> None:
    first = parsed(message(channel="C1", channel_type="channel", text="<@UBOT> hi")).messages[0]
    again = message(channel="C1", channel_type="channel", text="<@UBOT> and?", thread_ts="900.000100", ts="901.000100")
    (second,) = parsed(again).messages
    assert first.conversation_id == second.conversation_id == "slack-C1:900.000100:U1"
    other = parsed({**again, "user": "U2"}).messages[0]
    assert other.conversation_id != first.conversation_id


def test_an_edit() -> None:
    changed = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "D1",
        "channel_type": "im",
        "ts": "950.000100",
        "message": {"user": "U1", "ts": "900.000100", "text": "now"},
        "previous_message": {"text": "then"},
    }
    (one,) = parsed(changed).messages
    assert (one.id, one.metadata["edits"]) == ("D1:900.000100:edit:950.000100", "D1:900.000100")
    assert parsed({**changed, "previous_message": {"text": "now"}}).ignored == ("unfurled",)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (message(bot_id="B1"), "own"),
        (message(user="UBOT"), "own"),
        (message(subtype="message_deleted", user=None), "deleted"),
        (message(subtype="channel_join"), "membership"),
        (message(channel="C1", channel_type="channel"), "not_for_us"),
        ({"type": "team_join"}, "other"),
        (message(text=""), "other"),
    ],
)
def test_what_does_not_matter_is_counted(event: dict[str, Any], kind: str) -> None:
    received = parsed(event)
    assert (received.messages, received.ignored) == ((), (kind,))


@pytest.mark.parametrize("element", ["button", "static_select"])
def test_a_press(element: str) -> None:
    title = {"type": "plain_text", "text": "Yes"}
    action: dict[str, Any] = {"type": element, "action_ts": "910.1", "action_id": "a"}
    if element == "button":
        action |= {"value": "5f0c86d1-2-0", "text": title}
    else:
        action |= {"selected_option": {"value": "5f0c86d1-2-0", "text": title}}
    payload = {"type": "block_actions", "user": {"id": "U1"}, "channel": {"id": "D1"}, "actions": [action]}
    body = urlencode({"payload": json.dumps(payload)}).encode()
    form = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    (one,) = channel().parse(Request("POST", {}, form, body, 1.0)).messages
    assert (one.press, one.text, one.conversation_id) == ("5f0c86d1-2-0", "Yes", "slack-D1")


@pytest.mark.parametrize("typed", ["/restart", "5f0c86d1-2-0"])
def test_what_is_typed_presses_nothing(typed: str) -> None:
    (one,) = parsed(message(text=typed)).messages
    assert (one.press, one.payload) == (None, None)


def test_files_are_references_to_slack_alone() -> None:
    file = {"url_private": "https://files.slack.com/files-pri/T1-F1/a.png", "mimetype": "image/png", "name": "a.png"}
    (one,) = parsed(message(subtype="file_share", files=[file])).messages
    (found,) = one.attachments
    assert (found.kind, found.name) == ("image", "a.png")
    fetched = channel().media(found, ())
    assert fetched is not None
    assert "Authorization" in channel().sign(fetched, Signing("k", 1.0)).headers
    foreign = Attachment("image", "https://files.slack.com.evil.example/a.png")
    assert channel().media(foreign, ()) is None
    assert "Authorization" not in channel().sign(Call(foreign.reference), Signing("k", 1.0)).headers


def test_thumbs() -> None:
    event = {
        "type": "reaction_added",
        "reaction": "+1::skin-tone-2",
        "item": {"type": "message", "channel": "D1", "ts": "9.1"},
    }
    assert parsed(event).reactions == (Reaction("D1:9.1", "up"),)
    assert parsed({**event, "type": "reaction_removed"}).reactions == (Reaction("D1:9.1", "none"),)
    assert parsed({**event, "reaction": "eyes"}).ignored == ("reaction",)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("see <https://example.com|our page>", "see our page"),
        ("see <https://example.com>", "see https://example.com"),
        ("<@UBOT> hi <@U2|bo>", "hi @bo"),
        ("a &lt; b &amp;&amp; c", "a < b && c"),
        ("<!here> &lt;@UBOT&gt;", "here <@UBOT>"),
    ],
)
def test_what_people_see_is_what_is_understood(told: str, shown: str) -> None:
    assert plain(told, "UBOT") == shown


fields = st.sampled_from([*message(), "subtype", "message", "files", "item", "reaction"])


@given(st.dictionaries(fields, JSON_VALUES, max_size=8), st.sampled_from(["message", "app_mention", "reaction_added"]))
def test_whatever_comes_is_read_or_refused(event: dict[str, Any], kind: str) -> None:
    try:
        parsed({**event, "type": kind})
        channel().parse(request({**event, "type": "block_actions", "actions": [event]}))
    except Malformed:
        return


@given(st.binary(max_size=60), st.sampled_from(["application/json", "application/x-www-form-urlencoded"]))
def test_whatever_bytes_come_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        channel().parse(Request("POST", {}, {"content-type": kind}, body, 1.0))
    except Malformed:
        return


# What is sent


def sent(said: Outbound) -> list[dict[str, Any]]:
    calls = channel().render(delivery(said, {"channel": "C1", "thread": "9.1"}))
    return [json.loads(call.body) for call in calls]


def test_a_text_goes_to_its_thread() -> None:
    assert sent(Outbound("**Hi** <!channel>")) == [
        {"channel": "C1", "text": "*Hi* &lt;!channel&gt;", "unfurl_links": False, "thread_ts": "9.1"}
    ]


@pytest.mark.parametrize(("number", "kind"), [(25, "button"), (26, "static_select"), (100, "static_select")])
def test_choices(number: int, kind: str) -> None:
    (body,) = sent(Outbound("Which?", tuple(Button(f"Choice {n}", "/c") for n in range(number))))
    assert body["blocks"][-1]["elements"][0]["type"] == kind


def answer(status: int, **body: Any) -> Answer:
    return Answer(status, {"retry-after": "7"} if status == 429 else {}, json.dumps(body).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(200, ok=True, channel="D1", ts="9.1"), Fate.ARRIVED),
        (answer(200, ok=False, error="channel_not_found"), Fate.GIVE_UP),
        (answer(200, ok=False, error="something_new"), Fate.GIVE_UP),
        (answer(200, ok=False, error="invalid_auth"), Fate.REFUSED),
        (answer(200, ok=False, error="ratelimited"), Fate.RETRY),
        (answer(200, ok=False, error="internal_error"), Fate.AMBIGUOUS),
        (Answer(200, {}, b"<html>", 1.0), Fate.AMBIGUOUS),
        (Answer(200, {}, b"{}", 1.0), Fate.AMBIGUOUS),
        (answer(429), Fate.RETRY),
        (answer(500), Fate.AMBIGUOUS),
        (Silence(True, "no answer"), Fate.AMBIGUOUS),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    verdict = channel().classify(Call(""), outcome)
    assert verdict.fate is fate
    assert verdict.provider_id == ("D1:9.1" if fate is Fate.ARRIVED else None)
    assert verdict.account is (None if fate is Fate.RETRY else False), "a channel's limit, or the workspace's"
    assert verdict.after == (7.0 if isinstance(outcome, Answer) and outcome.status == 429 else verdict.after)


# Conversations


async def test_a_retry_is_taken_whatever_its_header_says(tmp_path: Path) -> None:
    async with talking(tmp_path, "slack") as (provider, service):
        assert isinstance(provider, SlackWebApi)
        event = provider.said("77", "ask")
        again = replace(
            event, headers={**event.headers, "X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
        )
        assert await provider.post(again) == 200
        await provider.until(lambda: provider.texts("77") == ["answer"])
        assert await provider.post(event) == 200
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 2


async def test_both_events_of_a_mention_at_once_are_one_message(tmp_path: Path) -> None:
    async with talking(tmp_path, "slack") as (provider, service):
        assert isinstance(provider, SlackWebApi)
        said = provider.message("77", channel="C1", channel_type="channel", text=f"<@{BOT}> ask")
        told = [provider.event(**said), provider.event(**{**said, "type": "app_mention"})]
        assert set(await asyncio.gather(*map(provider.post, told * 3))) == {200}
        await provider.until(lambda: provider.texts("C1") == ["answer"])
        (conversation,) = await service.journal.conversations()
        assert (conversation.conversation_id, conversation.entries) == (f"slack-C1:{said['ts']}:U77", 2)


async def test_a_press_in_a_thread_stays_in_it(tmp_path: Path) -> None:
    async with talking(tmp_path, "slack") as (provider, service):
        assert isinstance(provider, SlackWebApi)
        said = provider.message("77", channel="C1", channel_type="channel", text=f"<@{BOT}> ask")
        await provider.post(provider.event(**said))
        await provider.until(lambda: len(provider.seen["C1"]) == 1)
        (shown,) = provider.seen["C1"]
        pressed = provider.pressed("77", shown.choices[0], shown, where="C1", thread=said["ts"])
        assert await provider.post(pressed) == 200
        await provider.until(lambda: provider.texts("C1") == ["answer", "answer"])
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 4


async def test_an_error_that_does_not_pass_makes_a_dead_letter(tmp_path: Path) -> None:
    async with talking(tmp_path, "slack", "is_archived") as (provider, service):
        await provider.say("77", "ask")
        (letter,) = await settled(service.journal, DeliveryState.GIVEN_UP)
        assert letter.error == "The channel is archived."


async def test_a_replay_after_five_minutes_is_refused(tmp_path: Path) -> None:
    async with talking(tmp_path, "slack") as (provider, _):
        assert isinstance(provider, SlackWebApi)
        event = provider.said("77", "ask")
        old = provider.signed(
            event.body, "application/json", at=float(event.headers["X-Slack-Request-Timestamp"]) - 400
        )
        assert await provider.exchange(old) == (401, b"")
