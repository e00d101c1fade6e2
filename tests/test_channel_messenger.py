"""Messenger and Instagram: events of every kind, what is sent within their limits, and conversations."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.connector import Signing
from bot.channels.messenger import InstagramSettings, Messenger, MessengerSettings
from bot.channels.received import JOINED, Arrival, Attachment, Reaction, Receipt, Received, Request
from bot.channels.settings import Limits
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.journal.values import DeliveryState
from bot.messages import Author, Button, Card, Outbound
from bot.simulators.messenger import PAGE, MessengerSendApi
from bot.wire import Malformed
from tests.deliveries import delivery, settled
from tests.json_values import JSON_VALUES
from tests.test_simulators import talking

SECRET = "0123456789abcdef0123456789abcdef"
META = {"app_secrets": [SECRET], "verify_token": "v" * 16, "token": "EAAtoken"}
LIMITS = Limits(4000, 16)
CUSTOMER = {"customer": "77"}


def channel(**more: Any) -> Messenger:
    return MessengerSettings.model_validate({**META, "page_id": PAGE, **more}).connect(LIMITS)


def instagram() -> Messenger:
    return InstagramSettings.model_validate({**META, "account_id": PAGE}).connect(LIMITS)


def request(event: Any, **more: Any) -> Request:
    raw = json.dumps(event).encode()
    signature = hmac.new(SECRET.encode(), raw, sha256).hexdigest()
    return replace(Request("POST", {}, {"x-hub-signature-256": f"sha256={signature}"}, raw, 1.0), **more)


def event(*happened: dict[str, Any], account: str = PAGE, **more: Any) -> dict[str, Any]:
    sides = {"sender": {"id": "77"}, "recipient": {"id": PAGE}, "timestamp": 900_000}
    return {"object": "page", "entry": [{"id": account, "messaging": [{**sides, **h} for h in happened], **more}]}


def parsed(*happened: dict[str, Any], **more: Any) -> Received:
    return channel().parse(request(event(*happened, **more)))


@pytest.mark.parametrize("name", ["messenger", "instagram"])
def test_meta_and_nobody_else_is_believed(name: str) -> None:
    meta = channel() if name == "messenger" else instagram()
    assert meta.name == name
    assert meta.verify(request(event()))
    for wrong in (
        request(event(), headers={}),
        request(event(), body=b"{}"),
        request(event(), method="PUT"),
        request(event(account="999")),
    ):
        assert not meta.verify(wrong)
    hello = {"hub.mode": "subscribe", "hub.verify_token": "v" * 16, "hub.challenge": "42"}
    assert meta.verify(Request("GET", hello, {}, b"", 1.0))
    assert meta.parse(Request("GET", hello, {}, b"", 1.0)).reply.body == b"42"
    assert not meta.verify(Request("GET", {**hello, "hub.verify_token": ""}, {}, b"", 1.0))


def test_every_event_is_read() -> None:
    messages = parsed(*({"message": {"mid": f"m{n}", "text": f"text {n}"}} for n in range(5))).messages
    assert [one.text for one in messages] == [f"text {n}" for n in range(5)]
    assert messages[0].conversation_id == f"messenger-{PAGE}:77"
    assert (messages[0].address, messages[0].at) == (CUSTOMER, 900.0)


def test_one_event_that_cannot_be_read_keeps_no_other_from_being_taken() -> None:
    received = parsed({"message": {"text": "without an id"}}, {"message": {"mid": "m1", "text": "hello"}})
    assert [one.text for one in received.messages] == ["hello"]
    assert received.ignored == ("malformed",)


def test_presses() -> None:
    postback = {"postback": {"mid": "m1", "title": "Yes", "payload": "5f0c86d1-2-0"}}
    quick = {"message": {"mid": "m2", "text": "No", "quick_reply": {"payload": "5f0c86d1-2-1"}}}
    started = {"postback": {"title": "Get started", "payload": "GET_STARTED"}}
    first, second, third = parsed(postback, quick, started).messages
    assert (first.press, first.text, first.payload) == ("5f0c86d1-2-0", "Yes", None)
    assert (second.press, second.text) == ("5f0c86d1-2-1", "No")
    assert (third.payload, third.press) == (JOINED, None)


@pytest.mark.parametrize("typed", ["/restart", "GET_STARTED", "5f0c86d1-2-0"])
def test_what_is_typed_presses_nothing(typed: str) -> None:
    (one,) = parsed({"message": {"mid": "m1", "text": typed}}).messages
    assert (one.press, one.payload) == (None, None)


def test_the_rest_of_what_happens() -> None:
    received = parsed(
        {"message_edit": {"mid": "m1", "text": "now", "num_edit": 1}},
        {"reaction": {"mid": "m9", "action": "react", "reaction": "like"}},
        {"reaction": {"mid": "m9", "action": "unreact"}},
        {"delivery": {"mids": ["m7", "m8"], "watermark": 1}},
        {"read": {"watermark": 1}},
        {"message": {"mid": "e1", "is_echo": True, "text": "from the page's people"}},
        {
            "sender": {"id": PAGE},
            "recipient": {"id": "77"},
            "message": {"mid": "e2", "is_echo": True, "metadata": "k-2-0"},
        },
        {"message": {"mid": "m3", "is_deleted": True}},
        {"optin": {}},
        standby=[{"message": {"mid": "s1", "text": "hi"}}],
    )
    (edit,) = received.messages
    assert (edit.id, edit.metadata) == ("m1:edit:1", {"edits": "m1"})
    assert received.reactions == (Reaction("m9", "up"), Reaction("m9", "none"))
    assert received.receipts == (
        Receipt(Arrival.DELIVERED, "m7"),
        Receipt(Arrival.DELIVERED, "m8"),
        Receipt(Arrival.DELIVERED, "e2", "k-2-0", f"messenger-{PAGE}:77"),
    )
    assert received.ignored == ("read", "echo", "deleted", "other", "standby")


def test_media_are_references_to_metas_hosts_alone() -> None:
    photo = {"type": "image", "payload": {"url": "https://scontent.xx.fbcdn.net/a.jpg"}}
    place = {"type": "location", "payload": {"coordinates": {"lat": 52.5, "long": 13.4}}}
    (one,) = parsed({"message": {"mid": "m1", "attachments": [photo, place]}}).messages
    assert one.attachments == (
        Attachment("image", "https://scontent.xx.fbcdn.net/a.jpg"),
        Attachment("place", "52.5,13.4"),
    )
    fetched = channel().media(one.attachments[0], ())
    assert fetched is not None
    assert "Authorization" not in channel().sign(fetched, Signing("k", 1.0)).headers
    for foreign in ("https://evil.example/fbcdn.net/", "http://a.fbcdn.net/", "https://evilfbcdn.net/", "file:///etc"):
        assert channel().media(Attachment("image", foreign), ()) is None


fields = st.sampled_from(["message", "postback", "reaction", "delivery", "message_edit", "sender", "timestamp"])
names = st.sampled_from(["mid", "text", "payload", "attachments", "quick_reply", "is_echo", "metadata", "mids"])


@given(st.dictionaries(fields, JSON_VALUES | st.dictionaries(names, JSON_VALUES, max_size=4), max_size=4))
def test_whatever_comes_is_read_or_refused(happened: dict[str, Any]) -> None:
    try:
        parsed(happened)
    except Malformed:
        return


def sent(message: Outbound, meta: Messenger | None = None) -> list[dict[str, Any]]:
    calls = (meta or channel()).render(delivery(message, dict(CUSTOMER)))
    return [json.loads(call.body)["message"] for call in calls]


def buttons(number: int) -> tuple[Button, ...]:
    return tuple(Button(f"Choice {n}", f"/c{n}") for n in range(number))


def test_choices() -> None:
    (few,) = sent(Outbound("Which?", buttons(3)))
    assert few["attachment"]["payload"]["template_type"] == "button"
    (more,) = sent(Outbound("Which?", buttons(13)))
    assert len(more["quick_replies"]) == 13
    (numbered,) = sent(Outbound("Which?", buttons(14)))
    assert "14. Choice 13" in numbered["text"]


def test_cards_share_a_message() -> None:
    cards = tuple(Card(f"Lamp {n}", "s" * 100, "https://example.com/a.png", buttons=buttons(1)) for n in range(12))
    text, first, second = sent(Outbound("Look:", cards=cards))
    assert text == {"text": "Look:"}
    assert [len(one["attachment"]["payload"]["elements"]) for one in (first, second)] == [10, 2]


def test_instagram_counts_bytes() -> None:
    parts = sent(Outbound("Grüße! " * 300), instagram())
    assert len(parts) == 3
    assert all(len(part["text"].encode()) <= 1000 for part in parts)


def test_people_may_answer_later_if_the_operator_says_so() -> None:
    said = delivery(Outbound("Hello", author=Author.AGENT), dict(CUSTOMER))
    assert channel().render_late(said) == ()
    (call,) = channel(human_agent=True).render_late(said)
    assert json.loads(call.body)["tag"] == "HUMAN_AGENT"
    assert channel(human_agent=True).render_late(delivery("Hello", dict(CUSTOMER))) == ()


def answer(status: int, code: int | None = None, **body: Any) -> Answer:
    error = {} if code is None else {"error": {"code": code, **body}}
    return Answer(status, {}, json.dumps(error or body).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(200, message_id="m1"), Fate.ARRIVED),
        (answer(400, 613), Fate.RETRY),
        (answer(400, 10, error_subcode=2018278), Fate.GIVE_UP),
        (answer(400, 10), Fate.REFUSED),
        (answer(400, 551), Fate.GIVE_UP),
        (answer(400, 190), Fate.REFUSED),
        (answer(400, 1200), Fate.AMBIGUOUS),
        (answer(500), Fate.AMBIGUOUS),
        (Silence(False, "nobody"), Fate.RETRY),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    assert channel().classify(Call(""), outcome).fate is fate


async def test_an_echo_settles_what_nobody_knew(tmp_path: Path) -> None:
    async with talking(tmp_path, "messenger", "cut") as (provider, service):
        assert isinstance(provider, MessengerSendApi)
        await provider.say("77", "ask")
        await settled(service.journal, DeliveryState.UNKNOWN)
        (name,) = provider.sent
        assert await provider.post(provider.event(provider.echo(name))) == 200
        await settled(service.journal, DeliveryState.DELIVERED)
        assert provider.texts("77") == ["answer"]


async def test_another_pages_messages_are_refused(tmp_path: Path) -> None:
    async with talking(tmp_path, "messenger") as (provider, _):
        assert isinstance(provider, MessengerSendApi)
        foreign = provider.event(provider.happened("77", message={"mid": "m", "text": "ask"}), account="999")
        assert await provider.exchange(foreign) == (401, b"")
