"""Signed REST: the official vector, the official library, hostile bytes, and a program that talks to the service."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp.http_exceptions import BadHttpMessage
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from bot import logs
from bot.agents import Agents
from bot.channels.connector import Signing
from bot.channels.received import Message, Request
from bot.channels.settings import Limits
from bot.channels.signed import Signed, signature
from bot.channels.verdict import Answer, Call, Fate
from bot.config import Settings, SettingsError
from bot.dialogue.defaults import RESPONSES
from bot.fanout import Fanout
from bot.hub import Hub
from bot.messages import Author, Button, Entry, Outbound
from bot.secrets import read_secrets
from bot.wire import Malformed
from tests.deliveries import delivery
from tests.receiver import SECRET, Receiver
from tests.service import KeywordUnderstander, Widget, running

# The specification's own vector (libraries/python/tests/test_webhooks.py in standard-webhooks/standard-webhooks).
VECTOR_ID, VECTOR_AT, VECTOR_BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
VECTOR = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 characters!").decode()


def channel(*secrets: str) -> Signed:
    return Signed("https://example.com/replies", read_secrets(secrets or (SECRET,)), Limits(4000, 16))


def request(
    signed: str = VECTOR, message_id: str = VECTOR_ID, at: str = str(VECTOR_AT), now: float = VECTOR_AT, **more: Any
) -> Request:
    headers = {"webhook-id": message_id, "webhook-timestamp": at, "webhook-signature": signed}
    return Request(**{"method": "POST", "query": {}, "headers": headers, "body": VECTOR_BODY, "now": now, **more})


# Signatures


def test_the_official_vector() -> None:
    assert channel().verify(request())
    call = Call("", VECTOR_BODY, {})
    assert channel().sign(call, Signing(VECTOR_ID, VECTOR_AT)).headers == {
        "webhook-id": VECTOR_ID,
        "webhook-timestamp": str(VECTOR_AT),
        "webhook-signature": VECTOR,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        request(VECTOR.replace("J1OE=", "J1OA=")),
        request(VECTOR.removeprefix("v1,")),
        request(VECTOR.replace("v1,", "v2,")),
        request(""),
        request(body=VECTOR_BODY + b" "),
        request(message_id="msg_other"),
        request(message_id=""),
        request(message_id=f"{VECTOR_ID}.1"),
        request(at=str(VECTOR_AT + 1)),
        request(method="PUT"),
        request(headers={}),
        request(" ".join(["v1,x"] * 8 + [VECTOR])),
    ],
)
def test_anything_wrong_is_refused(wrong: Request) -> None:
    assert not channel().verify(wrong)


@pytest.mark.parametrize(("seconds", "taken"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_time_may_be_five_minutes_off(seconds: int, taken: bool) -> None:
    assert channel().verify(request(now=VECTOR_AT + seconds)) is taken


@pytest.mark.parametrize(
    "at", ["", "abc", "+1614265330", " 1614265330", "1_614_265_330", "١٦١٤٢٦٥٣٣٠", "1e9", "9" * 30]
)
def test_a_time_is_plain_digits(at: str) -> None:
    signed = signature(read_secrets([SECRET])[0], VECTOR_ID, at, VECTOR_BODY)
    assert not channel().verify(request(signed, at=at))


def test_an_id_cannot_borrow_from_the_time() -> None:
    signed = signature(read_secrets([SECRET])[0], "a.1", str(VECTOR_AT), b"")
    assert not channel().verify(request(signed, message_id="a.1", body=b""))


def test_secrets_can_be_changed_without_a_gap() -> None:
    both = channel(OTHER, SECRET)
    assert both.verify(request())
    assert both.verify(request(f"v1,old {VECTOR} v2,new"))
    headers = dict(both.sign(Call("", b"{}"), Signing("m1", time())).headers)
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(b"{}", headers)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_é", "whsec_" + "QUFB" * 30]
)
def test_a_secret_that_is_none_is_a_sentence_that_does_not_tell_it(
    secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_SIGNED__URL", "https://example.com/replies")
    monkeypatch.setenv("FRONTDESK_SIGNED__SECRETS", json.dumps([SECRET, secret]))
    with pytest.raises(SettingsError, match=r"FRONTDESK_SIGNED__SECRETS: a secret is whsec_ and 24 to 64") as told:
        Settings.read()
    assert len(secret) < 10 or secret not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"), [("URL", "https://example.com/replies"), ("SECRETS", json.dumps([SECRET])), ("URL", "example")]
)
def test_half_a_webhook_is_a_sentence(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"FRONTDESK_SIGNED__{name}", value)
    with pytest.raises(SettingsError, match=r"FRONTDESK_SIGNED__(URL|SECRETS): is missing"):
        Settings.read()


ids = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="."), min_size=1, max_size=60)


@given(message_id=ids, body=st.dictionaries(st.text(), st.text()))
def test_the_official_library_and_ours_agree(message_id: str, body: dict[str, str]) -> None:
    raw = json.dumps(body).encode()
    theirs = Webhook(SECRET).sign(message_id, datetime.now(UTC), raw.decode())
    at = str(int(time()))
    signed = channel().sign(Call("", raw), Signing(message_id, float(at)))
    assert signed.headers["webhook-signature"] in (
        theirs,
        Webhook(SECRET).sign(message_id, datetime.fromtimestamp(int(at), UTC), raw.decode()),
    )
    assert channel().verify(
        request(
            Webhook(SECRET).sign(message_id, datetime.fromtimestamp(VECTOR_AT, UTC), raw.decode()), message_id, body=raw
        )
    )


anything = st.text(max_size=80) | st.sampled_from([VECTOR, VECTOR_ID, str(VECTOR_AT), "v1,é", "v1", "\udcff", "\x00"])


@given(signed=anything, message_id=anything, at=anything, body=st.binary(max_size=80) | st.just(VECTOR_BODY))
def test_verifying_never_raises_and_takes_only_what_is_signed(
    signed: str, message_id: str, at: str, body: bytes
) -> None:
    given = request(signed, message_id, at, body=body)
    taken = channel().verify(given)
    assert taken == (VECTOR in signed.split(" ") and (message_id, at, body) == (VECTOR_ID, str(VECTOR_AT), VECTOR_BODY))


# Messages


def event(**data: Any) -> bytes:
    return json.dumps({"type": "message", "data": {"conversation": "c1", "text": "hello", **data}}).encode()


def test_a_message() -> None:
    (message,) = channel().parse(request(body=event(text=" where is it?\0 ", metadata={"plan": "gold"}))).messages
    assert message == Message(
        "signed-c1", VECTOR_ID, {"conversation": "c1"}, text="where is it?", metadata={"plan": "gold"}
    )


def test_a_pressed_button() -> None:
    (message,) = channel().parse(request(body=event(text="Yes", payload="/affirm"))).messages
    assert (message.text, message.payload) == ("Yes", "/affirm")
    (message,) = channel().parse(request(body=event(text="", payload="/affirm"))).messages
    assert (message.text, message.payload) == ("", "/affirm")
    (message,) = channel().parse(request(body=event(text="/affirm"))).messages
    assert message.payload is None, "a customer who writes a slash presses nothing"


@pytest.mark.parametrize("body", [b'{"type": "receipt", "data": 7}', b'{"data": {}}', b'{"type": ["message"]}'])
def test_other_events_are_none_of_our_business(body: bytes) -> None:
    received = channel().parse(request(body=body))
    assert (received.messages, received.ignored, received.reply.status) == ((), ("other",), 200)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "Not valid JSON"),
        (b"[]", "JSON object"),
        (b"\xff", "Not valid JSON"),
        (b'{"type": "message", "data": [1]}', "`data` must be an object"),
        (event(conversation=""), "`conversation` is empty"),
        (event(conversation=7), "`conversation` must be text"),
        (event(conversation="x" * 201), "`conversation` is longer"),
        (event(text=""), "`text` is empty"),
        (event(text={"$ne": ""}), "`text` must be text"),
        (event(text="x" * 4001), "`text` is longer"),
        (event(payload=["/x"]), "`payload` must be text"),
        (event(metadata="gold"), "`metadata` must be an object"),
        (b"[" * 100, "nested deeper"),
    ],
)
def test_what_is_no_message_is_a_sentence(body: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        channel().parse(request(body=body))


def test_a_reply() -> None:
    message = Outbound("Anything *else*?", (Button("Yes", "/affirm"),), rateable=True)
    entry = Entry("signed-c1", 2, Author.BOT, 0.5, message, reply_to=1)
    (call,) = channel().render(delivery(entry, {"conversation": "c1"}))

    assert call.url == "https://example.com/replies"
    assert json.loads(call.body) == {
        "type": "message",
        "timestamp": "1970-01-01T00:00:00.500+00:00",
        "data": {
            "conversation": "c1",
            "seq": 2,
            "reply_to": 1,
            "author": "bot",
            "text": "Anything *else*?",
            "buttons": [{"title": "Yes", "payload": "/affirm"}],
            "image": "",
            "cards": [],
            "source": None,
            "custom": None,
        },
    }
    assert call.repeatable
    assert channel().render(delivery(entry, {"conversation": "c1"})) == (call,), "the same bytes each time"


def test_a_receiver_that_refuses_is_named() -> None:
    verdict = channel().classify(Call(""), Answer(410, {}, b"", 0.0))
    assert verdict.fate is Fate.GIVE_UP
    assert verdict.error
    assert "FRONTDESK_SIGNED__URL" in verdict.error


# The running service


@dataclass
class Program:
    """A program of the operator's that talks for its customers."""

    url: str
    session: aiohttp.ClientSession

    async def say(
        self, text: str, message_id: str = "m1", *, secret: str = SECRET, **more: Any
    ) -> tuple[int, bytes, Mapping[str, str]]:
        return await self.post(event(text=text, **more), message_id, secret)

    async def post(self, body: bytes, message_id: str, secret: str = SECRET) -> tuple[int, bytes, Mapping[str, str]]:
        now = datetime.now(UTC)
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(secret).sign(message_id, now, body.decode()),
        }
        async with self.session.post(self.url, data=body, headers=headers) as response:
            return response.status, await response.read(), response.headers


@asynccontextmanager
async def talking(home: Path, receiver: Receiver, **settings: Any) -> AsyncIterator[tuple[Program, Any]]:
    settings = {"signed": {"url": receiver.url, "secrets": [SECRET]}, **settings}
    async with running(home, **settings) as service, aiohttp.ClientSession() as session:
        yield Program(f"{service.url}/webhooks/signed", session), service


async def test_a_program_sends_messages_and_gets_the_replies(tmp_path: Path, database_url: str) -> None:
    async with Receiver.open() as receiver, talking(tmp_path, receiver, database_url=database_url) as (program, _):
        for number in range(3):
            status, body, _ = await program.say("ask", f"m{number}")
            assert (status, json.loads(body)) == (
                200,
                {"accepted": [{"message_id": f"m{number}"}]},
            )
            await receiver.until(lambda sent=number: len(receiver.seen["c1"]) == sent + 1)  # type: ignore[misc]
        assert receiver.seen == {"c1": ["answer"] * 3}


async def test_a_message_sent_again_is_answered_once(tmp_path: Path) -> None:
    async with Receiver.open() as receiver, talking(tmp_path, receiver) as (program, service):
        answers = await asyncio.gather(*(program.say("ask") for _ in range(5)))
        assert {(status, body) for status, body, _ in answers} == {(200, b'{"accepted":[{"message_id":"m1"}]}')}
        status, _, _ = await program.say("something else")
        assert status == 400
        await receiver.until(lambda: bool(receiver.seen["c1"]))
        assert len(await service.journal.entries("signed-c1")) == 2
    assert receiver.seen == {"c1": ["answer"]}


async def test_a_flood_waits_and_keeps_nobody_else_out(tmp_path: Path) -> None:
    """Some providers send once: what they bring is taken, up to a bound of its own, and the widget is served."""
    gate, under_way = asyncio.Event(), Counter[str]()

    async def hold(text: str) -> None:
        under_way[text] += 1
        if text == "ask a flood":
            await gate.wait()

    bounds = {"understander": KeywordUnderstander(before=hold), "queue_size": 2, "backlog": 60, "turn_timeout": 60.0}
    async with (
        Receiver.open() as receiver,
        talking(tmp_path, receiver, **bounds) as (program, service),
        Widget.open(service.url) as widget,
    ):
        asked = [await program.say("ask a flood", f"m{number}", conversation=f"c{number}") for number in range(61)]
        assert [status for status, *_ in asked] == [200] * 60 + [503]
        assert (await widget.ask("ask"))[0]["text"] == "answer"
        assert under_way["ask a flood"] == 16, "only some are answered at a time"
        claimed = await service.sessions.leased([f"signed-c{number}" for number in range(60)])
        assert len(claimed) == 16, "nobody keeps up claims for what only waits"
        gate.set()
        await receiver.until(lambda: sum(map(len, receiver.seen.values())) == 60)


async def test_a_customer_who_floods_leaves_room_and_has_the_last_messages_answered(tmp_path: Path) -> None:
    begun, gate, texts = asyncio.Event(), asyncio.Event(), list[str]()

    async def hold(text: str) -> None:
        texts.append(text)
        if "flood" in text:
            begun.set()
            await gate.wait()

    bounds = {"understander": KeywordUnderstander(before=hold), "backlog": 10, "conversation_backlog": 4}
    async with Receiver.open() as receiver, talking(tmp_path, receiver, **bounds) as (program, service):
        for number in range(20):
            status, _, _ = await program.say(f"ask flood {number}", f"m{number}", conversation="flood")
            assert status == 200, "whoever is over the bound is acknowledged: the provider would hold up everybody"
            await begun.wait()
        assert (await program.say("ask", "other", conversation="other"))[0] == 200
        await receiver.until(lambda: receiver.seen["other"] == ["answer"])
        gate.set()
        await receiver.until(lambda: len(receiver.seen["flood"]) == 6)
        said = await service.journal.entries("signed-flood")
        assert [entry.message.text for entry in said if entry.author is Author.USER] == [
            f"ask flood {number}" for number in range(20)
        ], "the log has them all"
        assert not await service.journal.waiting("signed-flood")
    notice = RESPONSES["utter_crowded"][0].content["text"]
    assert receiver.seen["flood"] == ["answer", notice, *["answer"] * 4]
    assert [text for text in texts if "flood" in text] == [f"ask flood {number}" for number in (0, 16, 17, 18, 19)]


async def test_what_an_agent_says_is_delivered(tmp_path: Path) -> None:
    async with Receiver.open() as receiver, talking(tmp_path, receiver) as (program, service):
        await program.say("ask")
        await receiver.until(lambda: len(receiver.seen["c1"]) == 1)
        await Agents(service.journal, Fanout(Hub(), service.sessions, service.journal)).reply(
            "signed-c1", "Mara", "I am here."
        )
        await receiver.until(lambda: len(receiver.seen["c1"]) == 3)
        assert receiver.seen["c1"] == ["answer", "You are talking to Mara now.", "I am here."]


async def test_strangers_get_401_without_a_body_and_no_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Receiver.open() as receiver, talking(tmp_path, receiver) as (program, service):
        caplog.clear()
        refused = [
            (await program.say("ask", secret=OTHER))[:2],
            (await program.post(b"not json", "m2", OTHER))[:2],
            *[await _plain(program, method, path) for method in ("GET", "PUT", "POST") for path in ("", "x")],
        ]
        assert set(refused) == {(401, b"")}
        assert await service.journal.conversation("signed-c1") is None
        assert not [record for record in caplog.records if record.name.startswith(("bot", "aiohttp"))]


async def _plain(program: Program, method: str, path: str) -> tuple[int, bytes]:
    headers = {"webhook-id": "m1", "webhook-timestamp": str(int(time())), "webhook-signature": VECTOR}
    async with program.session.request(method, program.url + path, headers=headers, data=event()) as response:
        return response.status, await response.read()


async def test_a_signed_request_that_is_no_message_is_told_so(tmp_path: Path) -> None:
    async with Receiver.open() as receiver, talking(tmp_path, receiver) as (program, _):
        status, body, _ = await program.post(event(text=7), "m1")
        assert (status, json.loads(body)["message"]) == (400, "`text` must be text.")
        status, body, _ = await program.post(b'{"type": "ping"}', "m1")
        assert (status, json.loads(body)) == (200, {"accepted": []})
        status, body, _ = await program.say("ask", "m" * 300)
        assert status == 401, "an id is at most 255 characters"


async def test_without_its_settings_the_channel_is_not_there(tmp_path: Path) -> None:
    async with running(tmp_path) as service, aiohttp.ClientSession() as session:
        assert (await Program(f"{service.url}/webhooks/signed", session).say("ask"))[:2] == (401, b"")


def test_their_verifier_raises_where_ours_says_no() -> None:
    """Why it is an oracle in the tests and no dependency: one header of a stranger's would be a traceback."""
    headers = {"webhook-id": "m1", "webhook-timestamp": str(int(time())), "webhook-signature": "without a comma"}
    with pytest.raises(ValueError, match="unpack") as raised:
        Webhook(SECRET).verify(b"{}", headers)
    assert not isinstance(raised.value, WebhookVerificationError)
    assert not channel().verify(request("without a comma"))


NASTY: list[tuple[str, dict[str, str], bytes]] = [
    ("POST", {"Content-Encoding": "gzip"}, b"not gzip"),
    ("POST", {"Content-Encoding": "deflate"}, b"\x00\xff\x00"),
    ("POST", {"Content-Encoding": "br"}, b"\x00\xff\x00"),
    ("POST", {"Transfer-Encoding": "chunked", "Content-Length": ""}, b"zz\r\nx"),
    ("POST", {"Content-Type": "multipart/form-data; boundary="}, b"--\r\n"),
    ("POST", {"Content-Type": "\udcff"}, b"{}"),
    ("POST", {"webhook-id": "é", "webhook-timestamp": "\udcff", "webhook-signature": "v1,\udcff\udcfe é"}, b"{}"),
    ("POST", {"webhook-id": "m" * 7000}, b"\xff" * 1000),
    ("POST", {}, b"x" * 300_000),
    ("BREW", {}, b""),
    ("HEAD", {}, b""),
    ("OPTIONS", {"Origin": "https://elsewhere.example"}, b""),
    ("DELETE", {"Expect": "100-continue"}, b""),
]


async def _raw(url: str, method: str, headers: dict[str, str], body: bytes) -> int:
    """The status of a request whose bytes are exactly these."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    given = {"Host": "x", "Content-Length": str(len(body)), "Connection": "close", **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    writer.write(f"{method} {parts.path} HTTP/1.1\r\n{head}\r\n".encode("utf-8", "surrogateescape") + body)
    try:
        async with asyncio.timeout(60):
            while b" 100 " in (line := await reader.readline()):
                await reader.readline()
        return int(line.split()[1])
    finally:
        writer.close()


async def test_no_stranger_gets_more_than_a_refusal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Receiver.open() as receiver, talking(tmp_path, receiver) as (program, service):
        caplog.clear()
        statuses = {
            (method, *headers, len(body)): await _raw(program.url, method, headers, body)
            for method, headers, body in NASTY
        }
        assert {key: status for key, status in statuses.items() if status not in (400, 401, 413)} == {}
        assert not [record for record in caplog.records if record.levelno >= logging.WARNING and logs._ours(record)]
        assert await service.journal.conversations() == []
        assert (await program.say("ask"))[0] == 200, "and the service goes on"


@pytest.mark.parametrize(
    ("name", "error", "kept"),
    [
        ("aiohttp.server", BadHttpMessage("no HTTP"), False),
        ("aiohttp.server", ValueError("a fault of ours"), True),
        ("bot.outbox", BadHttpMessage("a provider's"), True),
    ],
)
def test_only_what_is_no_http_is_kept_out_of_the_log(name: str, error: Exception, kept: bool) -> None:
    record = logging.LogRecord(name, logging.ERROR, "", 1, "it failed", None, (type(error), error, None))
    assert logs._ours(record) is kept
