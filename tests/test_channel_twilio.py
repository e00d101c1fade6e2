"""Twilio: the official vectors, the official library, numbers for choices, receipts, and conversations."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from bot.channels.connector import Signing
from bot.channels.gsm import to_gsm
from bot.channels.received import Arrival, Attachment, Receipt, Received, Request
from bot.channels.settings import ChannelError, Limits
from bot.channels.twilio import Twilio, TwilioSettings
from bot.channels.twilio_signature import is_signed, signature
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.journal.values import DeliveryState
from bot.messages import Button, Outbound
from bot.simulators.twilio import TwilioApi
from bot.wire import Malformed
from tests.deliveries import delivery, settled
from tests.test_simulators import talking

PUBLIC = "https://chat.example.com"
ACCOUNT, TOKEN, OTHER = "AC" + "a" * 32, "0123456789abcdef0123456789abcdef", "another-auth-token"
# Of twilio-python's tests (tests/unit/test_request_validator.py).
FORM = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
PATH = "/myapp.php?foo=1&bar=2"
TWICE = [
    ("Sid", "CA123"),
    ("SidAccount", "AC123"),
    ("Digits", "5678"),
    ("Digits", "1234"),
    ("Digits", "1234"),
]
JSON_BODY = b'{"property": "value", "boolean": true}'
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


def settings(**more: Any) -> TwilioSettings:
    known = {"account_sid": ACCOUNT, "auth_tokens": [OTHER, TOKEN], "sender": "+15017122661"}
    return TwilioSettings.model_validate({**known, **more})


def channel(**more: Any) -> Twilio:
    return settings(**more).connect(Limits(4000, 16, PUBLIC))


def request(form: dict[str, str] | None = None, query: str = "", **more: Any) -> Request:
    full = {"AccountSid": ACCOUNT, **(form or {})}
    path = f"/webhooks/twilio{query}"
    headers = {"x-twilio-signature": signature(TOKEN, PUBLIC + path, list(full.items()))}
    asked = {name: values[0] for name, values in parse_qs(query[1:]).items()}
    return replace(Request("POST", asked, headers, urlencode(full).encode(), 1.0, path), **more)


def said(**content: str) -> dict[str, str]:
    return {"MessageSid": "SM1", "From": "+4915112345678", "To": "+15017122661", "NumMedia": "0", **content}


def parsed(form: dict[str, str], query: str = "") -> Received:
    return channel().parse(request(form, query))


# Who sent it


@pytest.mark.parametrize(
    ("base", "path", "form", "given"),
    [
        ("https://mycompany.com", PATH, FORM, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
        ("https://mycompany.com", PATH, FORM, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com", PATH, FORM, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
        ("http://mycompany.com:1234", PATH, FORM, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        ("https://mycompany.com", PATH, TWICE, "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    ],
)
def test_the_official_vectors(base: str, path: str, form: list[tuple[str, str]], given: str) -> None:
    asked = Request("POST", {}, {"x-twilio-signature": given}, b"", 1.0, path)
    assert is_signed(asked, base, ["12345"], form)
    assert not is_signed(asked, base, ["12346"], form)
    assert not is_signed(asked, base, ["12345"], form[:-2])
    assert not is_signed(replace(asked, path="/other"), base, ["12345"], form)


def test_the_official_vector_of_a_json_body() -> None:
    headers = {"x-twilio-signature": "a9nBmqA0ju/hNViExpshrM61xv4="}
    asked = Request("POST", {}, headers, JSON_BODY, 1.0, f"{PATH}&bodySHA256={HASH}")
    assert is_signed(asked, "https://mycompany.com", ["12345"], ())
    assert not is_signed(replace(asked, body=b"{}"), "https://mycompany.com", ["12345"], ())


@given(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=20), max_size=6), st.text(max_size=30))
def test_it_agrees_with_the_official_library(form: dict[str, str], given: str) -> None:
    theirs = RequestValidator(TOKEN)
    url = f"{PUBLIC}/webhooks/twilio"
    headers = {"x-twilio-signature": theirs.compute_signature(url, form)}
    asked = Request("POST", {}, headers, b"", 1.0, "/webhooks/twilio")
    assert is_signed(asked, PUBLIC, [TOKEN], list(form.items()))
    forged = replace(asked, headers={"x-twilio-signature": given})
    assert not is_signed(forged, PUBLIC, [TOKEN], list(form.items()))


def test_twilio_and_nobody_else_is_believed() -> None:
    assert channel().verify(request(said(Body="hi")))
    for wrong in (
        request(said(Body="hi"), headers={}),
        request(said(Body="hi"), headers={"x-twilio-signature": "\xe9\udcff"}),
        request(said(Body="hi"), body=b"\xff\xfe"),
        request(said(Body="hi"), body=urlencode({"AccountSid": ACCOUNT, "Body": "bye"}).encode()),
        request(said(Body="hi"), method="GET"),
        request(said(Body="hi"), path="/webhooks/twilio?key=1"),
        request(said(Body="hi", AccountSid="AC" + "b" * 32)),
    ):
        assert not channel().verify(wrong)


def test_without_a_public_address_there_is_nothing_to_verify() -> None:
    with pytest.raises(ChannelError, match="FRONTDESK_PUBLIC_URL"):
        settings().connect(Limits(4000, 16))


# What it means


def test_a_message() -> None:
    received = parsed(said(Body="where is it?", ProfileName="Ada"))
    (one,) = received.messages
    assert (one.conversation_id, one.id) == ("twilio-+15017122661:+4915112345678", "SM1")
    assert (one.text, one.address) == ("where is it?", {"customer": "+4915112345678"})
    assert one.metadata == {"name": "Ada", "phone": "+4915112345678"}
    assert (received.reply.body, received.reply.content_type) == (b"<Response/>", "text/xml")


@pytest.mark.parametrize("typed", ["/restart", '/cancel{"a":1}', "5f0c86d1-2-0"])
def test_what_is_typed_presses_nothing(typed: str) -> None:
    (one,) = parsed(said(Body=typed)).messages
    assert (one.press, one.payload) == (None, None)


def test_media_are_references_to_twilio_alone() -> None:
    url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1"
    (one,) = parsed(said(Body="", NumMedia="1", MediaUrl0=url, MediaContentType0="image/jpeg")).messages
    assert one.attachments == (Attachment("image", url, "image/jpeg"),)
    first = channel().media(one.attachments[0], ())
    assert first is not None
    assert "Authorization" in channel().sign(first, Signing("k", 1.0)).headers
    assert channel().media(one.attachments[0], (Answer(200, {}, b"", 1.0),)) is None
    for other in (
        "https://evil.example/",
        url.replace("/Media/", "/../../"),
        f"{url}.json",
        url.replace(ACCOUNT, "AC1"),
    ):
        assert channel().media(Attachment("image", other), ()) is None


def test_receipts() -> None:
    sides = {"MessageSid": "SM9", "To": "+4915112345678", "From": "+15017122661"}
    received = parsed({**sides, "MessageStatus": "undelivered", "ErrorCode": "30003"}, "?key=k-2-0")
    assert received.receipts == (
        Receipt(
            Arrival.FAILED,
            "SM9",
            "k-2-0",
            "twilio-+15017122661:+4915112345678",
            "The telephone is not reachable: switched off, perhaps.",
        ),
    )
    assert parsed({**sides, "MessageStatus": "sent"}).ignored == ("status",)
    assert parsed({**sides, "MessageStatus": "delivered"}).receipts == (Receipt(Arrival.DELIVERED, "SM9"),)


@pytest.mark.parametrize(
    ("form", "kind"), [(said(Body="STOP", OptOutType="STOP"), "opt_out"), (said(Body=" "), "other"), ({}, "other")]
)
def test_what_does_not_matter_is_counted(form: dict[str, str], kind: str) -> None:
    received = parsed(form)
    assert (received.messages, received.ignored) == ((), (kind,))


fields = st.sampled_from([*said(Body=""), "MessageStatus", "ErrorCode", "MediaUrl0", "Latitude", "OptOutType"])


@given(st.dictionaries(fields, st.text(max_size=20), max_size=9))
def test_whatever_comes_is_read_or_refused(form: dict[str, str]) -> None:
    try:
        parsed(form, "?key=%FF")
    except Malformed:
        return


# What is sent


def sent(message: Outbound, **more: Any) -> list[dict[str, str]]:
    calls = channel(**more).render(delivery(message, {"customer": "+49"}))
    return [{name: values[0] for name, values in parse_qs(call.body.decode()).items()} for call in calls]


def test_choices_are_numbers() -> None:
    assert sent(Outbound("Which?", (Button("A", "/a"), Button("B", "/b")))) == [
        {"To": "+49", "From": "+15017122661", "Body": "Which?\n\n1. A\n2. B"}
    ]


def test_the_key_comes_back_and_the_token_goes_to_twilio_alone() -> None:
    (call,) = channel().render(delivery("Hello", {"customer": "+49"}))
    assert OTHER not in repr(call)
    signed = channel().sign(call, Signing("k-2-0", 1.0))
    assert parse_qs(signed.body.decode())["StatusCallback"] == [f"{PUBLIC}/webhooks/twilio?key=k-2-0"]
    assert signed.headers["Authorization"].startswith("Basic ")
    assert "Authorization" not in channel().sign(Call("https://evil.example/"), Signing("k", 1.0)).headers


@pytest.mark.parametrize("sender", ["MG" + "0" * 32, "whatsapp:+14155238886"])
def test_other_senders(sender: str) -> None:
    (form,) = sent(Outbound("**Hi**"), sender=sender)
    if sender.startswith("MG"):
        assert (form["MessagingServiceSid"], form["Body"]) == (sender, "Hi")
    else:
        assert (form["From"], form["Body"]) == (sender, "*Hi*")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("“Grüße” – it’s 5 €…", '"Grüße" - it\'s 5 €...'),
        ("• one", "- one"),
        ("“Привет”", "“Привет”"),
        ("fine 👍…", "fine 👍…"),
    ],
)
def test_typographic_signs_are_plain_where_that_is_cheaper(text: str, plain: str) -> None:
    assert to_gsm(text, 1600) == plain


def test_a_text_in_the_cheap_alphabet_is_no_longer_than_twilio_takes() -> None:
    (form,) = sent(Outbound("…" + "a" * 159), longest=160)
    assert form["Body"] == "…" + "a" * 159


def answer(status: int, code: int | None = None, **body: Any) -> Answer:
    return Answer(status, {}, json.dumps({"code": code, **body}).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(201, sid="SM1"), Fate.ARRIVED),
        (answer(429, 20429), Fate.RETRY),
        (answer(400, 21611), Fate.RETRY),
        (answer(400, 21610), Fate.GIVE_UP),
        (answer(400, 63016), Fate.GIVE_UP),
        (answer(400, 12345), Fate.GIVE_UP),
        (answer(401, 20003), Fate.REFUSED),
        (answer(400, 21606), Fate.REFUSED),
        (answer(500), Fate.AMBIGUOUS),
        (Answer(400, {}, b"<html>", 1.0), Fate.GIVE_UP),
        (Silence(True, "no answer"), Fate.AMBIGUOUS),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    verdict = channel().classify(Call(""), outcome)
    assert verdict.fate is fate
    assert verdict.error or fate is Fate.ARRIVED


# Conversations


async def test_a_receipt_settles_what_nobody_knew(tmp_path: Path) -> None:
    async with talking(tmp_path, "twilio", "cut") as (provider, service):
        assert isinstance(provider, TwilioApi)
        await provider.say("4915112345678", "ask")
        await settled(service.journal, DeliveryState.UNKNOWN)
        (name,) = provider.sent
        assert urlsplit(provider.sent[name]["StatusCallback"]).path == "/webhooks/twilio"
        assert await provider.post(provider.status(name, "delivered")) == 200
        await settled(service.journal, DeliveryState.DELIVERED)
        assert len(provider.texts("4915112345678")) == 1


@pytest.mark.parametrize("sender", ["MG" + "0" * 32, "whatsapp:+14155238886"])
async def test_each_kind_of_sender_converses(sender: str, tmp_path: Path) -> None:
    async with talking(tmp_path, "twilio", sender=sender) as (provider, service):
        assert isinstance(provider, TwilioApi)
        await provider.say("4915112345678", "ask")
        await provider.until(lambda: len(provider.sent) == 1)
        (name,) = provider.sent
        assert await provider.post(provider.status(name, "delivered")) == 200
        await provider.say("4915112345678", "1")
        await provider.until(lambda: len(provider.sent) == 2)
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 4


async def test_who_opted_out_makes_a_dead_letter(tmp_path: Path) -> None:
    async with talking(tmp_path, "twilio", "code 21610") as (provider, service):
        await provider.say("4915112345678", "ask")
        (letter,) = await settled(service.journal, DeliveryState.GIVEN_UP)
        assert letter.error == "The customer has opted out with STOP."
