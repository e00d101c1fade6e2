"""Chatwoot: who may tell us what, whose turn it is, and what an inbox shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.chatwoot import Chatwoot, ChatwootSettings, signature
from bot.channels.chatwoot_events import KEY
from bot.channels.checking import findings
from bot.channels.connector import Signing
from bot.channels.received import Arrival, Attachment, Receipt, Release, Request
from bot.channels.set_up import set_up
from bot.channels.settings import Limits
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.config import Settings, SettingsError
from bot.journal import collected
from bot.journal.errors import Unavailable
from bot.journal.values import DeliveryState, Whose
from bot.learning.labels import CHOSEN_WEIGHT, labelled
from bot.messages import Author, Button, Card, Outbound, Owner
from bot.simulators.chatwoot import INBOX, SimulatedChatwoot
from bot.simulators.provider import Event, Shown
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper
from bot.wire import Malformed
from nlu.data.examples import Example, TrainingData
from tests.deliveries import EPOCH, delivery
from tests.json_values import JSON_VALUES
from tests.service import running

NOW = 1_700_000_000
SAMPLE = SimulatedChatwoot.sample("https://chatwoot.example.com")
MARA = "4915112345678"
WHERE = {"conversation": "1", "inbox": str(INBOX), "kind": "Channel::WebWidget"}


def channel(**more: Any) -> Chatwoot:
    return ChatwootSettings(**{**SAMPLE, **more}).connect(Limits(4000, 16))


def played(**more: Any) -> SimulatedChatwoot:
    return SimulatedChatwoot.of(ChatwootSettings(**{**SAMPLE, **more}))


def request(event: Event | bytes, now: float | None = None, **more: Any) -> Request:
    event = event if isinstance(event, Event) else Event(event)
    headers = {name.lower(): value for name, value in event.headers.items()}
    at = float(headers.get("x-chatwoot-timestamp", NOW)) if now is None else now
    query = {"key": event.query.removeprefix("?key=")} if event.query else {}
    return Request(**{"method": "POST", "query": query, "headers": headers, "body": event.body, "now": at, **more})


def said(text: str | None = "hello", **more: Any) -> Request:
    provider = played()
    return request(provider.event("message_created", provider.message(MARA, content=text, **more)))


# Who sent it


def test_a_known_signature() -> None:
    # openssl: printf '1700000000.{"event":"ping"}' | openssl dgst -sha256 -hmac secret
    assert signature(b"secret", "1700000000", b'{"event":"ping"}') == (
        "sha256=4d39bd2442f073b6bc62e95d0297ce25475582a17389ab860abdc778fe1d9f77"
    )


@pytest.mark.parametrize(("seconds", "taken"), [(0, True), (300, True), (-300, True), (301, False), (-301, False)])
def test_a_request_may_be_five_minutes_off(seconds: int, taken: bool) -> None:
    came = said()
    assert channel().verify(replace(came, now=came.now + seconds)) is taken


def test_anything_wrong_with_the_signature_is_refused() -> None:
    came = said()
    assert channel().verify(came)
    for wrong in (
        replace(came, body=came.body + b" "),
        replace(came, headers={}),
        replace(came, method="PUT"),
        replace(came, headers={**came.headers, "x-chatwoot-timestamp": "1700000001"}),
        replace(came, headers={**came.headers, "x-chatwoot-signature": "sha256=" + "0" * 64}),
        replace(came, headers={**came.headers, "x-chatwoot-signature": "é\udcff\ud800"}),
    ):
        assert not channel().verify(wrong)


def test_a_secret_changes_without_a_gap() -> None:
    assert channel(secrets=["new", *SAMPLE["secrets"]]).verify(said())
    assert not channel(secrets=["new"]).verify(said())


def test_an_unsigned_version_is_known_by_the_key_in_the_address() -> None:
    key = "k" * 24
    connector = channel(secrets=[], key=key)
    event = played(secrets=[], key=key).said(MARA, "hello")
    assert connector.verify(request(event))
    assert not connector.verify(request(replace(event, query="?key=" + "j" * 24)))
    assert not connector.verify(request(replace(event, query="")))
    both = channel(key=key)
    assert not both.verify(request(event)), "each proof that is set up has to hold"
    assert not both.verify(said())
    assert both.verify(request(played(key=key).said(MARA, "hello")))


def test_another_accounts_event_is_refused_though_it_is_signed() -> None:
    for event in (played(account=2).said(MARA, "hello"), _changed(played(account=2), "pending")):
        assert channel(account=2).verify(request(event))
        assert not channel().verify(request(event))


def _changed(provider: SimulatedChatwoot, status: str, name: str = "conversation_status_changed") -> Event:
    provider.said(MARA, "hello")
    return provider.changed(MARA, status, name)


anything = st.text(max_size=60) | st.sampled_from(["", "sha256=", "é", "\udcff", "\ud800", "1" * 40, "٣", "-1", " 1"])


@given(at=anything, signed=anything, key=anything, body=st.binary(max_size=60) | st.just(b"[" * 100))
def test_verifying_never_raises_and_takes_nothing_unsigned(at: str, signed: str, key: str, body: bytes) -> None:
    headers = {"x-chatwoot-timestamp": at, "x-chatwoot-signature": signed}
    for connector in (channel(), channel(secrets=[], key="k" * 24)):
        assert not connector.verify(Request("POST", {"key": key}, headers, body, NOW))


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"secrets": []}, "needs SECRETS, or KEY"),
        ({"secrets": [""]}, "has an empty secret"),
        ({"key": "short"}, "KEY: must be 24 letters"),
        ({"api": "chatwoot"}, "API: must be a URL"),
        ({"lengths": {"3": 1}}, "LENGTHS: must be lengths of 50"),
    ],
)
def test_settings_that_cannot_work_are_sentences(
    more: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**SAMPLE, **more}.items():
        text = value if isinstance(value, str) else json.dumps(value)
        monkeypatch.setenv(f"FRONTDESK_CHATWOOT__{name.upper()}", text)
    with pytest.raises(SettingsError, match=sentence):
        Settings.read()


# What it is


def test_a_message() -> None:
    (message,) = channel().parse(said("where is it?")).messages
    assert (message.conversation_id, message.id, message.text) == ("chatwoot-1:1", "1000", "where is it?")
    assert (message.press, message.payload) == (None, None)
    assert message.address == WHERE
    assert message.metadata == {
        "name": "Customer 1",
        "phone": f"+{MARA}",
        "inbox": str(INBOX),
        "numbers_from": 21,
    }


@pytest.mark.parametrize(
    "more",
    [
        {"private": True},
        {"message_type": "outgoing"},
        {"message_type": "template"},
        {"message_type": "activity"},
        {"conversation": {"id": 1, "status": "open"}},
        {"conversation": {"id": 1, "status": "snoozed"}},
        {"conversation": {"id": 1, "status": ["pending"]}},
        {"conversation": "pending"},
    ],
)
def test_what_people_deal_with_is_not_ours(more: dict[str, Any]) -> None:
    received = channel().parse(said(**more))
    assert (received.messages, received.receipts, received.ignored) == ((), (), ("of_people",))


@pytest.mark.parametrize("text", ["/restart", "/affirm", f"{EPOCH[:8]}-2-0"])
def test_what_a_customer_types_presses_nothing(text: str) -> None:
    (message,) = channel().parse(said(text)).messages
    assert (message.text, message.press, message.payload) == (text, None, None)


def test_a_choice_on_the_website_is_a_press() -> None:
    provider = played()
    provider.said(MARA, "hello")
    provider._keys["7"] = "key"
    shown = Shown("Which?", id="7", choices=())
    event = orjson.loads(provider.came_back(MARA, shown).body) | {
        "event": "message_updated",
        "content_type": "input_select",
        "content_attributes": {"submitted_values": [{"title": "Again", "value": "5f0c86d1-2-0"}]},
    }
    (message,) = channel().parse(request(orjson.dumps(event))).messages
    assert (message.id, message.text, message.press) == ("7:5f0c86d1-2-0", "Again", "5f0c86d1-2-0")
    event["conversation"]["status"] = "open"
    assert channel().parse(request(orjson.dumps(event))).ignored == ("of_people",)


def test_a_press_in_telegram_comes_as_a_text_and_is_told_from_one() -> None:
    provider = played()
    provider.kind = "Channel::Telegram"
    telegram = provider._conversation(MARA)
    for source, press in [("4382901234567890123", "5f0c86d1-2-0"), ("812", None), (None, None)]:
        (message,) = channel().parse(said("5f0c86d1-2-0", conversation=telegram, source_id=source)).messages
        assert message.press == press
    (message,) = channel().parse(said("Yes", conversation=telegram, source_id="4382901234567890123")).messages
    assert (message.press, message.text) == (None, "Yes"), "a button that was not ours"


def test_our_own_message_comes_back_as_a_receipt() -> None:
    came = said("answer", message_type="outgoing", content_attributes={KEY: "key-1"})
    (receipt,) = channel().parse(came).receipts
    assert receipt == Receipt(Arrival.DELIVERED, "1000", "key-1", "chatwoot-1:1")


def test_what_the_inbox_did_not_take_has_failed() -> None:
    provider = played()
    own = provider.message(MARA, message_type="outgoing", content_attributes={KEY: "k", "external_error": "131047"})
    (receipt,) = channel().parse(request(provider.event("message_updated", own))).receipts
    assert (receipt.arrival, receipt.provider_id) == (Arrival.FAILED, "1000")
    assert receipt.error
    assert "131047" not in receipt.error, "nothing that strangers wrote"


@pytest.mark.parametrize(
    ("event", "status", "released"),
    [
        ("conversation_status_changed", "pending", ("chatwoot-1:1",)),
        ("conversation_status_changed", "resolved", ("chatwoot-1:1",)),
        ("conversation_resolved", "resolved", ("chatwoot-1:1",)),
        ("conversation_status_changed", "open", ()),
        ("conversation_status_changed", "snoozed", ()),
        ("conversation_opened", "open", ()),
    ],
)
def test_people_give_it_back(event: str, status: str, released: tuple[str, ...]) -> None:
    found = channel().parse(request(_changed(played(), status, event))).released
    assert tuple(one.conversation_id for one in found) == released


def test_what_people_called_it_comes_with_what_they_give_back() -> None:
    provider = played()
    provider.said(MARA, "hello")
    (release,) = channel().parse(request(provider.resolved(MARA, "order-status", "vip"))).released
    assert release == Release("chatwoot-1:1", ("order-status", "vip"))
    (message,) = channel().parse(request(provider.said(MARA, "and now?"))).messages
    assert message.metadata["labels"] == ["order-status", "vip"], "they stay, and are about the first time"


@pytest.mark.parametrize(
    ("labels", "known"),
    [
        (None, ()),
        ("vip", ()),
        ([1, None, ["x"], "vip"], ("vip",)),
        (["x" * 500], ("x" * 100,)),
        (["x"] * 50, ("x",) * 20),
    ],
)
def test_labels_are_words_and_few(labels: object, known: tuple[str, ...]) -> None:
    event = orjson.loads(_changed(played(), "resolved").body) | {"labels": labels}
    assert channel().parse(request(orjson.dumps(event))).released == (Release("chatwoot-1:1", known),)


def test_a_status_of_no_known_account_releases_nothing() -> None:
    event = orjson.loads(_changed(played(), "pending").body)
    event["messages"] = []
    assert channel().parse(request(orjson.dumps(event))).released == ()


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"event": "webwidget_triggered", "id": 1}, "other"),
        ({"event": "conversation_opened", "id": 1}, "other"),
        ({"event": ["message_created"]}, "other"),
        ({}, "other"),
        ({"event": "message_updated", "message_type": "incoming", "id": 1}, "updated"),
        (
            {"event": "message_updated", "message_type": "incoming", "id": 1, "content_attributes": {"deleted": True}},
            "deleted",
        ),
        ({"event": "message_updated", "message_type": "outgoing", "id": 1}, "updated"),
        (
            {
                "event": "message_updated",
                "content_type": "form",
                "content_attributes": {"submitted_values": [{"name": "a", "value": "b"}]},
            },
            "updated",
        ),
    ],
)
def test_what_else_there_is_is_named_and_ignored(event: dict[str, Any], kind: str) -> None:
    received = channel().parse(request(orjson.dumps(event)))
    assert (received.messages, received.ignored) == ((), (kind,))


def test_attachments_are_references() -> None:
    url = "https://chatwoot.example.com/rails/active_storage/blobs/redirect/abc/parcel.jpg?disposition=attachment"
    sent = [
        {"file_type": "image", "data_url": url, "file_size": 1234},
        {"file_type": "location", "coordinates_lat": 52.5, "coordinates_long": 13.4},
        {"file_type": "location", "coordinates_lat": {"$ne": 1}, "coordinates_long": 13.4},
        {"file_type": "image", "data_url": "file:///etc/passwd"},
        {"file_type": "image", "data_url": "https://x/" + "y" * 5000},
        {"file_type": "fallback", "data_url": "https://x"},
        "image",
    ]
    (message,) = channel().parse(said(None, attachments=sent)).messages
    assert message.attachments == (
        Attachment("image", url, name="parcel.jpg", size=1234),
        Attachment("place", "52.5,13.4"),
    )
    assert channel().parse(said(None, attachments=sent[2:])).ignored == ("empty",)
    assert len(channel().parse(said("x", attachments=[sent[0]] * 100)).messages[0].attachments) == 15


def test_the_way_to_an_attachments_bytes_tells_nobody_the_token() -> None:
    connector = channel()
    for url in (f"{connector.api}/rails/active_storage/blobs/redirect/x/a.png", "https://bucket.example.com/x"):
        attachment = Attachment("image", url)
        first = connector.media(attachment, ())
        assert first == Call(url, headers={}, method="GET")
        assert connector.sign(first, Signing("k", 0.0)) == first
        assert connector.media(attachment, (Answer(200, {}, b"bytes", 0.0),)) is None
    for url in (f"{connector.api}/api/v1/profile", f"{connector.api}/super_admin", "ftp://bucket.example.com/x"):
        assert connector.media(Attachment("image", url), ()) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100,
        b'{"event": "message_created", "message_type": 0, "conversation": {"status": "pending"}, "id": {"$ne": 1}}',
        b'{"event": "message_created", "message_type": "incoming", "conversation": {"status": "pending", "id": true}, '
        b'"id": 1, "content": "x"}',
    ],
)
def test_what_is_no_event_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        channel().parse(request(body))


FIELDS = ("id", "content", "message_type", "private", "content_type", "content_attributes", "attachments")


@given(
    event=st.sampled_from(["message_created", "message_updated", "conversation_status_changed"]),
    changes=st.dictionaries(st.sampled_from([*FIELDS, "conversation", "sender", "account", "source_id"]), JSON_VALUES),
)
def test_parsing_raises_nothing_but_malformed(event: str, changes: dict[str, Any]) -> None:
    provider = played()
    body = json.dumps({**provider.message(MARA, content="x"), "event": event, **changes}).encode()
    with suppress(Malformed):
        channel().parse(request(body))


# What is sent


def calls(said: str | Outbound, kind: str = "Channel::WebWidget", **more: Any) -> list[dict[str, Any]]:
    lengths = more.pop("lengths", {})
    rendered = channel(lengths=lengths).render(delivery(said, {**WHERE, "kind": kind}, **more))
    return [{"url": call.url.rpartition("/")[2], **json.loads(call.body)} for call in rendered]


BUTTONS = (Button("Again", "/ask"), Button("A person", "/human"))


def test_a_reply() -> None:
    (call,) = channel().render(delivery("It is **on its way**.", WHERE))
    assert call.url == "https://chatwoot.example.com/api/v1/accounts/1/conversations/1/messages"
    assert not call.repeatable
    assert json.loads(call.body) == {
        "content": "It is **on its way**.",
        "message_type": "outgoing",
        "private": False,
        "content_type": "text",
    }
    signed = channel().sign(call, Signing("the-key", NOW))
    assert signed.headers["api-access-token"] == SAMPLE["token"]
    assert json.loads(signed.body)["content_attributes"] == {KEY: "the-key"}
    assert SAMPLE["token"].encode() not in signed.body


@pytest.mark.parametrize("kind", ["Channel::WebWidget", "Channel::Telegram", "Channel::Whatsapp"])
def test_buttons_where_the_inbox_has_them(kind: str) -> None:
    (call,) = calls(Outbound("Which?", BUTTONS), kind)
    assert call["content_type"] == "input_select"
    assert call["content_attributes"]["items"] == [
        {"title": "Again", "value": "5f0c86d1-2-0"},
        {"title": "A person", "value": "5f0c86d1-2-1"},
    ]


NUMBERED = "Which?\n\n1. Again\n2. A person"
WRITTEN = {
    "Channel::Sms": NUMBERED,
    "Channel::Instagram": NUMBERED,
    "Channel::Line": NUMBERED,
    "Channel::Email": "Which?  \n  \n1\\. Again  \n2\\. A person",
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_numbers_where_it_has_none(kind: str) -> None:
    (call,) = calls(Outbound("Which?", BUTTONS), kind)
    assert (call["content_type"], call["content"]) == ("text", WRITTEN[kind])


def test_whatsapp_by_twilio_is_told_from_sms() -> None:
    twilio = {"id": 1, "inbox_id": INBOX, "status": "pending", "channel": "Channel::TwilioSms"}
    long = "A sentence of some words. " * 20
    for source, parts in [("+4915112345678", 2), ("whatsapp:+4915112345678", 1)]:
        conversation = {**twilio, "contact_inbox": {"source_id": source}}
        (message,) = channel().parse(said(conversation=conversation)).messages
        assert len(channel().render(delivery(long, dict(message.address)))) == parts


def test_the_operator_says_how_long_an_inboxs_messages_are() -> None:
    long = "A sentence of some words. " * 20
    assert len(calls(long)) == 1
    assert [len(call["content"]) <= 100 for call in calls(long, lengths={str(INBOX): 100})] == [True] * 7
    assert len(calls(long, lengths={"8": 100})) == 1


@pytest.mark.parametrize("kind", ["Channel::WebWidget", "Channel::Whatsapp", "Channel::Sms", "unheard of"])
def test_a_picture_and_cards_are_texts_with_links(kind: str) -> None:
    card = Card("Chair", "oak", "https://shop.example/chair.jpg", "https://shop.example/chair", BUTTONS)
    rendered = calls(Outbound("Look:", image="https://shop.example/sofa.jpg", cards=(card,)), kind)
    text = "\n".join(call["content"] for call in rendered)
    for shown in ("Look:", "sofa.jpg", "Chair", "chair.jpg", "https://shop.example/chair"):
        assert shown in text


def test_the_last_call_of_a_hand_over_opens_the_conversation() -> None:
    (reply, opened) = channel().render(delivery("A person will answer.", WHERE, owner=Owner.QUEUE))
    assert reply.url.endswith("/conversations/1/messages")
    assert (opened.url, opened.body, opened.repeatable) == (
        "https://chatwoot.example.com/api/v1/accounts/1/conversations/1/toggle_status",
        b'{"status":"open"}',
        True,
    )
    assert channel().sign(opened, Signing("key", NOW)).body == b'{"status":"open"}'
    assert len(channel().render(delivery("Hello.", WHERE, owner=Owner.AGENT))) == 1, "an agent of ours has it"


def test_the_notice_of_a_release_is_not_written_into_what_people_resolved() -> None:
    notice = Outbound("You are talking to the assistant again.", author=Author.SYSTEM)
    assert channel().render(delivery(notice, WHERE, owner=Owner.BOT)) == ()
    assert len(channel().render(delivery(notice, WHERE, owner=Owner.AGENT))) == 1


MESSAGES = Call("https://x/api/v1/accounts/1/conversations/1/messages")


@pytest.mark.parametrize(
    ("outcome", "fate", "words"),
    [
        (Answer(200, {}, b'{"id": 77}', 0.0), Fate.ARRIVED, None),
        (Answer(200, {}, b"<html>", 0.0), Fate.ARRIVED, None),
        (Answer(401, {}, b"", 0.0), Fate.REFUSED, "FRONTDESK_CHATWOOT__TOKEN"),
        (Answer(404, {}, b"", 0.0), Fate.GIVE_UP, "deleted in Chatwoot"),
        (Answer(422, {}, b"", 0.0), Fate.GIVE_UP, "422"),
        (Answer(302, {}, b"", 0.0), Fate.GIVE_UP, "302"),
        (Answer(429, {"retry-after": "7"}, b"", 0.0), Fate.RETRY, "429"),
        (Answer(500, {}, b"", 0.0), Fate.AMBIGUOUS, "500"),
        (Answer(502, {}, b"", 0.0), Fate.AMBIGUOUS, "502"),
        (Silence(sent=True, reason="No answer."), Fate.AMBIGUOUS, "No answer."),
        (Silence(sent=False, reason="Nobody there."), Fate.RETRY, "Nobody there."),
    ],
)
def test_what_comes_of_a_call(outcome: Answer | Silence, fate: Fate, words: str | None) -> None:
    verdict = channel().classify(MESSAGES, outcome)
    assert verdict.fate is fate
    assert words is None if verdict.error is None else words and words in verdict.error
    assert verdict.account == (fate is Fate.RETRY and isinstance(outcome, Answer))
    assert verdict.provider_id == ("77" if isinstance(outcome, Answer) and b"77" in outcome.body else None)


# The running service


@asynccontextmanager
async def talking(home: Path, *plan: str, kind: str = "Channel::WebWidget") -> AsyncIterator[tuple[Any, Any]]:
    provider = played()
    async with provider.open():
        provider.plan.extend(plan)
        provider.kind = kind
        settings = SimulatedChatwoot.sample(provider.url)
        async with running(home, chatwoot=settings, public_url="https://chat.example.com") as service:
            provider.webhook = f"{service.url}/webhooks/chatwoot"
            yield provider, service


@pytest.mark.parametrize("kind", ["Channel::WebWidget", "Channel::Telegram", "Channel::Whatsapp"])
async def test_a_conversation_with_buttons(kind: str, tmp_path: Path) -> None:
    async with talking(tmp_path, kind=kind) as (provider, service):
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) == 1)
        (shown,) = provider.seen[MARA]
        assert [choice.title for choice in shown.choices] == ["Again", "A person"]
        assert await provider.post(provider.came_back(MARA, shown)) == 200
        assert await provider.press(MARA, "Again") == 200
        await provider.until(lambda: len(provider.seen[MARA]) == 2)
        entries = await service.journal.entries("chatwoot-1:1")
        assert [entry.message.text for entry in entries] == ["ask", "answer", "Again", "answer"]


async def test_people_take_over_and_give_it_back(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, service):
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) == 1)
        await provider.press(MARA, "A person")
        await provider.until(lambda: provider.statuses[MARA] == "open")
        before = len(provider.seen[MARA])
        assert before == 2, "the reply, and then the hand-over"
        await provider.say(MARA, "ask")
        conversation = await service.journal.conversation("chatwoot-1:1")
        assert conversation.owner is Owner.QUEUE
        assert conversation.last_seq == 4, "what is said to people is not ours"

        assert await provider.deliver(provider.changed(MARA, "resolved")) == 200
        provider.statuses[MARA] = "pending"  # as Chatwoot has it when the customer writes again
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) > before)
        assert provider.texts(MARA)[before:] == ["answer"]


async def test_the_agents_label_says_what_the_customer_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the service, the log and what is collected from it, to what a training learns."""
    monkeypatch.setattr(collected, "LAG_SECONDS", -1.0)
    data = TrainingData((Example("where is my box", "order_status"), Example("take it back", "return_it")))
    async with talking(tmp_path) as (provider, service):
        for text in ("wo ist es", "hm", "my crate is nowhere"):
            before = len(provider.seen[MARA])
            await provider.say(MARA, text)
            await provider.until(lambda: len(provider.seen[MARA]) > before)  # noqa: B023  # awaited in this round
        await provider.until(lambda: provider.statuses[MARA] == "open")
        for _ in range(2):  # Chatwoot tells of it as two events
            assert await provider.deliver(provider.resolved(MARA, "order-status")) == 200

        before = len(provider.seen[MARA])
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) > before)
        await provider.press(MARA, "A person")
        await provider.until(lambda: provider.statuses[MARA] == "open")
        await provider.deliver(provider.resolved(MARA))

        settings = Settings(home=tmp_path)
        await Collection(service.journal, Keeper.of(settings)).collect()
        told = await service.journal.answered_for()
        assert [(one.text, one.signals["labels"]) for one in told] == [("my crate is nowhere", ["order-status"])]
        (example,) = labelled([], told, data).learned.examples
        assert (example.text, example.intent, example.weight) == ("my crate is nowhere", "order_status", CHOSEN_WEIGHT)

        gone = await service.journal.erase(Whose(("chatwoot-1:1",)))
        assert gone.rows["utterances"] == len(gone.texts)
        assert not await service.journal.answered_for()


async def test_a_press_that_comes_twice_and_at_once_is_one(tmp_path: Path) -> None:
    async with talking(tmp_path) as (provider, service):
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) == 1)
        shown = provider.seen[MARA][0]
        event = provider.pressed(MARA, shown.choices[0], shown)
        assert await asyncio.gather(*(provider.post(event) for _ in range(5))) == [200] * 5
        await provider.say(MARA, "ask")
        await provider.until(lambda: len(provider.seen[MARA]) == 3)
        assert len(await service.journal.entries("chatwoot-1:1")) == 6


async def test_an_answer_of_which_nobody_knew_is_known_when_it_comes_back(tmp_path: Path) -> None:
    async with talking(tmp_path, "late 500") as (provider, service):
        await provider.say(MARA, "ask")
        await provider.until(lambda: bool(provider.calls))
        await _until_state(service, DeliveryState.UNKNOWN)
        await provider.post(provider.came_back(MARA, provider.seen[MARA][0]))
        await _until_state(service, DeliveryState.DELIVERED)
        assert provider.texts(MARA) == ["answer"]


async def _until_state(service: Any, state: DeliveryState) -> None:
    async with asyncio.timeout(60):
        while not (await service.journal.delivery_counts()).get(state) and state is not DeliveryState.DELIVERED:
            await asyncio.sleep(0.01)
        while state is DeliveryState.DELIVERED and any((await service.journal.delivery_counts()).values()):
            await asyncio.sleep(0.01)


async def test_a_refused_token_waits_for_a_person(tmp_path: Path) -> None:
    async with talking(tmp_path, "401") as (provider, service):
        await provider.say(MARA, "ask")
        await provider.until(lambda: provider.calls == ["401"])
        await _until_state(service, DeliveryState.WAITING)


async def test_a_reply_that_cannot_arrive_is_a_dead_letter(tmp_path: Path) -> None:
    async with talking(tmp_path, "404") as (provider, service):
        await provider.say(MARA, "ask")
        await _until_state(service, DeliveryState.GIVEN_UP)
        await provider.say(MARA, "ask")
        await provider.until(lambda: provider.texts(MARA) == ["answer"])


async def test_what_could_not_be_stored_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 would make Chatwoot open the conversation and forget the message."""
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        """The database is back before the third try."""
        waits.append(seconds)
        if len(waits) == 2:
            monkeypatch.undo()

    async with talking(tmp_path) as (provider, service):
        monkeypatch.setattr(type(service.journal), "accept", _away)
        provider.wait = wait
        assert await provider.say(MARA, "ask") == 200
        await provider.until(lambda: provider.texts(MARA) == ["answer"])
        assert (waits, provider.statuses[MARA]) == ([3, 3], "pending")


async def _away(*_: Any, **__: Any) -> None:
    raise Unavailable("The database is away.")


async def test_the_checks_tell_what_is_wrong() -> None:
    provider = played()
    async with provider.open():
        for token, sentence in [(SAMPLE["token"], None), ("another", "Compare FRONTDESK_CHATWOOT__TOKEN")]:
            sample = {**SimulatedChatwoot.sample(provider.url), "token": token}
            settings = Settings(chatwoot=sample, public_url="")
            (found, _) = await findings(set_up(settings)["chatwoot"], settings)
            assert (found.what, sentence is None) == ("The token", found.wrong is None)
            assert sentence is None or sentence in str(found.wrong)
        assert provider.faults == ["another token"]
        provider.faults.clear()
