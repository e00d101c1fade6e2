"""WhatsApp: signatures, every list of a request, people without a number, receipts, and conversations."""

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
from bot.channels.received import Arrival, Attachment, Reaction, Receipt, Received, Request
from bot.channels.settings import Limits
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.channels.whatsapp import Whatsapp, WhatsappSettings
from bot.config import Settings, SettingsError
from bot.journal.values import DeliveryState
from bot.messages import Button, Outbound
from bot.simulators.meta import greeting
from bot.simulators.whatsapp import WhatsappCloudApi
from bot.wire import Malformed
from tests.deliveries import delivery, settled
from tests.json_values import JSON_VALUES
from tests.test_simulators import talking

SECRET, OTHER = "It's_a_Secret_to_Everybody", "0123456789abcdef0123456789abcdef"
NUMBER = "106540352242922"
SETTINGS = {"app_secrets": [OTHER, SECRET], "verify_token": "v" * 16, "token": "EAAtoken", "phone_number_id": NUMBER}


def channel(**more: Any) -> Whatsapp:
    return WhatsappSettings.model_validate({**SETTINGS, **more}).connect(Limits(4000, 16))


def request(event: Any = None, body: bytes | None = None, secret: str = SECRET, **more: Any) -> Request:
    raw = json.dumps(event).encode() if body is None else body
    signature = hmac.new(secret.encode(), raw, sha256).hexdigest()
    return replace(Request("POST", {}, {"x-hub-signature-256": f"sha256={signature}"}, raw, 1000.0), **more)


def event(*values: dict[str, Any], number: str = NUMBER) -> dict[str, Any]:
    full = [{"metadata": {"phone_number_id": number}, **value} for value in values]
    changes = [{"field": "messages", "value": value} for value in full]
    return {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}


def text(name: str, body: str = "hello", **more: Any) -> dict[str, Any]:
    return {"id": name, "from": "4915112345678", "timestamp": "900", "type": "text", "text": {"body": body}, **more}


def parsed(*values: dict[str, Any]) -> Received:
    return channel().parse(request(event(*values)))


# Who sent it


def test_the_vector_that_github_publishes_of_the_same_construction() -> None:
    headers = {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}
    spaced = {**SETTINGS, "app_secrets": [OTHER]}
    settings = WhatsappSettings.model_validate(spaced)
    secret = type(settings.app_secrets[0])("It's a Secret to Everybody")
    whatsapp = Whatsapp(settings.model_copy(update={"app_secrets": (secret,)}), Limits(4000, 16))
    assert whatsapp.verify(Request("POST", {}, headers, b"Hello, World!", 1.0))
    assert not whatsapp.verify(Request("POST", {}, headers, b"Hello, World?", 1.0))


@pytest.mark.parametrize("secret", [SECRET, OTHER])
def test_each_secret_is_good(secret: str) -> None:
    assert channel().verify(request(event(), secret=secret))


@pytest.mark.parametrize(
    "wrong",
    [
        request(event(), secret="another secret of them"),
        request(event(), headers={}),
        request(event(), headers={"x-hub-signature-256": "sha256="}),
        request(event(), headers={"x-hub-signature-256": "\xe9\udcff"}),
        request(event(), headers={"x-hub-signature": "sha1=aa"}),
        request(event(), method="PUT"),
        request(event({"messages": [text("m1")]}, number="999999")),
    ],
)
def test_nobody_else_is_believed(wrong: Request) -> None:
    assert not channel().verify(wrong)


def test_the_greeting() -> None:
    asked = {"hub.mode": "subscribe", "hub.verify_token": "v" * 16, "hub.challenge": "<b>42"}
    hello = Request("GET", asked, {}, b"", 1.0)
    assert channel().verify(hello)
    reply = channel().parse(hello).reply
    assert (reply.status, reply.body, reply.content_type) == (200, b"<b>42", "text/plain")
    assert not channel().verify(Request("GET", {**asked, "hub.verify_token": "w" * 16}, {}, b"", 1.0))
    assert not channel().verify(Request("GET", {}, {}, b"", 1.0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("APP_SECRETS", '["short"]'), ("APP_SECRETS", "[]"), ("PHONE_NUMBER_ID", "+49 151"), ("VERIFY_TOKEN", "hunter2")],
)
def test_settings_that_cannot_be_right_are_a_sentence(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"APP_SECRETS": json.dumps([OTHER]), "PHONE_NUMBER_ID": NUMBER, "VERIFY_TOKEN": "v" * 16, "TOKEN": "t"}
    for key, one in {**given, name: value}.items():
        monkeypatch.setenv(f"FRONTDESK_WHATSAPP__{key}", one)
    with pytest.raises(SettingsError, match=f"FRONTDESK_WHATSAPP__{name}"):
        Settings.read()


# What it means


def test_every_message_of_every_list_is_read() -> None:
    changes = [{"messages": [text(f"m{n}-{k}") for k in range(4)]} for n in range(3)]
    both = event(*changes)
    both["entry"].append(event({"messages": [text("m9")]})["entry"][0])
    messages = channel().parse(request(both)).messages
    assert [one.id for one in messages] == [f"m{n}-{k}" for n in range(3) for k in range(4)] + ["m9"]


def test_one_message_that_cannot_be_read_keeps_no_other_from_being_taken() -> None:
    lost = {"from": "4915112345678", "id": "m1", "timestamp": "900", "type": "image", "image": {"caption": "no id"}}
    received = parsed({"messages": [lost, text("m2")], "statuses": [{"status": "read"}]})
    assert [one.id for one in received.messages] == ["m2"]
    assert received.ignored == ("malformed", "malformed")


def test_a_message() -> None:
    contacts = [{"profile": {"name": "Ada"}, "wa_id": "4915112345678"}]
    (one,) = parsed({"messages": [text("m1")], "contacts": contacts}).messages
    assert (one.conversation_id, one.text, one.at) == (f"whatsapp-{NUMBER}:4915112345678", "hello", 900.0)
    assert one.address == {"phone": "4915112345678", "message": "m1"}
    assert one.metadata == {"name": "Ada", "phone": "4915112345678"}


@pytest.mark.parametrize("told", ["message", "contact"])
def test_people_without_a_number_are_known_by_their_id(told: str) -> None:
    message = {key: value for key, value in text("m1").items() if key != "from"}
    contacts = [{"profile": {"name": "Ada"}, "user_id": "US.1349"}]
    if told == "message":
        message["from_user_id"], contacts = "US.1349", []
    else:
        message["from"], contacts[0]["wa_id"] = "4915112345678", "4915112345678"
    (one,) = parsed({"messages": [message], "contacts": contacts}).messages
    assert one.conversation_id == f"whatsapp-{NUMBER}:US.1349"
    assert one.address["user"] == "US.1349"


@pytest.mark.parametrize("kind", ["button_reply", "list_reply"])
def test_a_press(kind: str) -> None:
    content = {"type": "interactive", "interactive": {"type": kind, kind: {"id": "5f0c86d1-2-0", "title": "Yes"}}}
    (one,) = parsed({"messages": [{**text("m1"), **content}]}).messages
    assert (one.press, one.text, one.payload) == ("5f0c86d1-2-0", "Yes", None)


@pytest.mark.parametrize("typed", ["/restart", '/cancel{"order":"1"}', "5f0c86d1-2-0"])
def test_what_is_typed_presses_nothing(typed: str) -> None:
    (one,) = parsed({"messages": [text("m1", typed)]}).messages
    assert (one.press, one.payload, one.text) == (None, None, typed)


@pytest.mark.parametrize(
    ("content", "attachment", "caption"),
    [
        (
            {"type": "image", "image": {"id": "7", "mime_type": "image/jpeg", "caption": "broken"}},
            Attachment("image", "7", "image/jpeg"),
            "broken",
        ),
        (
            {"type": "document", "document": {"id": "8", "mime_type": "application/pdf", "filename": "bill.pdf"}},
            Attachment("file", "8", "application/pdf", "bill.pdf"),
            "",
        ),
        (
            {"type": "location", "location": {"latitude": 52.5, "longitude": 13.4, "name": "Home"}},
            Attachment("place", "52.5,13.4", name="Home"),
            "",
        ),
        (
            {"type": "contacts", "contacts": [{"name": {"formatted_name": "Bo"}, "phones": [{"phone": "+49"}]}]},
            Attachment("contact", "+49", name="Bo"),
            "",
        ),
    ],
)
def test_media_are_references(content: dict[str, Any], attachment: Attachment, caption: str) -> None:
    bare = {key: value for key, value in text("m1").items() if key != "text"}
    (one,) = parsed({"messages": [{**bare, **content}]}).messages
    assert (one.attachments, one.text) == ((attachment,), caption)


def test_receipts_and_thumbs() -> None:
    failed = {"errors": [{"code": 131047}], "recipient_id": "4915112345678", "biz_opaque_callback_data": "k-2-0"}
    statuses = [
        {"id": "w1", "status": "sent"},
        {"id": "w1", "status": "delivered", "recipient_user_id": "US.1", "biz_opaque_callback_data": "k-1-0"},
        {"id": "w2", "status": "failed", **failed},
    ]
    thumb = {"id": "m1", "from": "49", "type": "reaction", "reaction": {"message_id": "w1", "emoji": "👎"}}
    received = parsed({"statuses": statuses}, {"messages": [thumb]})
    assert received.receipts == (
        Receipt(Arrival.DELIVERED, "w1", "k-1-0", f"whatsapp-{NUMBER}:US.1"),
        Receipt(
            Arrival.FAILED,
            "w2",
            "k-2-0",
            f"whatsapp-{NUMBER}:4915112345678",
            "The customer wrote more than 24 hours ago: only a template may be sent.",
        ),
    )
    assert received.reactions == (Reaction("w1", "down"),)
    assert received.ignored == ("status",)


@pytest.mark.parametrize(
    "value", [{}, {"messages": [text("m1", type="unsupported", text={})]}, {"errors": [{"code": 1}]}, {"messages": 7}]
)
def test_what_does_not_matter_is_counted_or_nothing(value: dict[str, Any]) -> None:
    assert parsed(value).messages == ()


fields = st.sampled_from(["id", "from", "type", "text", "interactive", "image", "location", "reaction", "timestamp"])


@given(
    st.dictionaries(fields, JSON_VALUES, max_size=6),
    st.dictionaries(fields | st.text(max_size=6), JSON_VALUES, max_size=4),
)
def test_whatever_comes_is_read_or_refused(message: dict[str, Any], status: dict[str, Any]) -> None:
    try:
        parsed({"messages": [message], "statuses": [status], "contacts": [status]})
    except Malformed:
        return


# What is sent


def buttons(number: int) -> tuple[Button, ...]:
    return tuple(Button(f"Choice {n}", f"/c{n}") for n in range(number))


def sent(message: Outbound, address: dict[str, str] | None = None, **more: Any) -> list[dict[str, Any]]:
    said = delivery(message, {"phone": "49", "message": "m1"} if address is None else address, **more)
    return [json.loads(call.body) for call in channel().render(said)]


def test_a_text() -> None:
    assert sent(Outbound("**Hi**")) == [
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "49",
            "type": "text",
            "text": {"body": "*Hi*", "preview_url": False},
        }
    ]


def test_whoever_has_no_number_is_written_to_by_id() -> None:
    (body,) = sent(Outbound("Hi"), {"user": "US.1", "message": "m1"})
    assert (body["recipient"], "to" in body) == ("US.1", False)


@pytest.mark.parametrize(("number", "kind"), [(3, "button"), (4, "list"), (10, "list")])
def test_choices(number: int, kind: str) -> None:
    (body,) = sent(Outbound("Which?", buttons(number)))
    assert body["interactive"]["type"] == kind


def test_the_key_and_the_token_come_with_the_attempt() -> None:
    (call,) = channel().render(delivery("Hi", {"phone": "49"}))
    assert "EAAtoken" not in repr(call)
    signed = channel().sign(call, Signing("k-2-0", 1.0))
    assert signed.headers["Authorization"] == "Bearer EAAtoken"
    assert json.loads(signed.body)["biz_opaque_callback_data"] == "k-2-0"
    foreign = channel().sign(Call("https://evil.example/x"), Signing("k", 1.0))
    assert "Authorization" not in foreign.headers


def answer(status: int, code: int | None = None, **body: Any) -> Answer:
    error = {} if code is None else {"error": {"code": code}}
    return Answer(status, {}, json.dumps({**error, **body}).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(200, messages=[{"id": "wamid.1"}]), Fate.ARRIVED),
        (answer(400, 131056), Fate.RETRY),
        (answer(429, 80007), Fate.RETRY),
        (answer(400, 131047), Fate.GIVE_UP),
        (answer(400, 131026), Fate.GIVE_UP),
        (answer(400, 100), Fate.GIVE_UP),
        (answer(401, 190), Fate.REFUSED),
        (answer(403, 131031), Fate.REFUSED),
        (answer(500, 131000), Fate.AMBIGUOUS),
        (answer(500), Fate.AMBIGUOUS),
        (Answer(502, {}, b"<html>", 1.0), Fate.AMBIGUOUS),
        (Silence(True, "no answer"), Fate.AMBIGUOUS),
        (Silence(False, "nobody"), Fate.RETRY),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    verdict = channel().classify(Call(""), outcome)
    assert verdict.fate is fate
    assert verdict.provider_id == ("wamid.1" if fate is Fate.ARRIVED else None)


def test_only_what_is_about_the_account_holds_the_account() -> None:
    assert channel().classify(Call(""), answer(400, 130429)).account
    assert not channel().classify(Call(""), answer(400, 131056)).account


def test_a_file_is_fetched_from_meta_alone() -> None:
    photo = Attachment("image", "7")
    first = channel().media(photo, ())
    assert first is not None
    assert first.url == "https://graph.facebook.com/v23.0/7"
    there = answer(200, url="https://lookaside.fbsbx.com/whatsapp/1")
    second = channel().media(photo, (there,))
    assert second is not None
    assert "Authorization" in channel().sign(second, Signing("", 1.0)).headers
    assert channel().media(photo, (answer(200, url="https://evil.example/1"),)) is None
    assert channel().media(photo, (answer(200, url="https://lookaside.fbsbx.com.evil.example/1"),)) is None


# Conversations


def cloud(provider: Any) -> WhatsappCloudApi:
    assert isinstance(provider, WhatsappCloudApi)
    return provider


async def test_many_customers_in_one_request_are_all_answered(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp") as (provider, _):
        whatsapp = cloud(provider)
        customers = [f"49151000{n:03}" for n in range(5)] + ["US.1349", "US.1350"]
        messages = [whatsapp.message(one, type="text", text={"body": "ask"}) for one in customers]
        assert await whatsapp.post(whatsapp.event(*messages)) == 200
        await whatsapp.until(lambda: all(whatsapp.texts(one) == ["answer"] for one in customers))


async def test_a_receipt_settles_what_nobody_knew(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp", "cut") as (provider, service):
        whatsapp = cloud(provider)
        await whatsapp.say("4915112345678", "ask")
        await settled(service.journal, DeliveryState.UNKNOWN)
        (name,) = whatsapp.sent
        assert await whatsapp.post(whatsapp.event(statuses=(whatsapp.status(name, "delivered"),))) == 200
        await settled(service.journal, DeliveryState.DELIVERED)
        assert whatsapp.texts("4915112345678") == ["answer"]


async def test_what_failed_after_all_is_a_dead_letter_with_the_reason(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp") as (provider, service):
        whatsapp = cloud(provider)
        await whatsapp.say("4915112345678", "ask")
        await settled(service.journal, DeliveryState.DELIVERED)
        (name,) = whatsapp.sent
        failed = whatsapp.status(name, "failed", errors=[{"code": 131026}])
        await whatsapp.post(whatsapp.event(statuses=(failed,)))
        (letter,) = await service.journal.deliveries([DeliveryState.GIVEN_UP])
        assert "cannot reach the number" in letter.error


async def test_the_greeting_reaches_the_running_service(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp") as (provider, _):
        whatsapp = cloud(provider)
        assert await whatsapp.exchange(greeting(whatsapp.settings, "42")) == (200, b"42")
        assert await whatsapp.exchange(greeting(whatsapp.settings, "42", "wrong")) == (401, b"")


async def test_another_accounts_messages_are_refused(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp") as (provider, service):
        whatsapp = cloud(provider)
        foreign = whatsapp.event(whatsapp.message("49", type="text", text={"body": "ask"}), number="999")
        assert await whatsapp.exchange(foreign) == (401, b"")
        assert await service.journal.conversations() == []
