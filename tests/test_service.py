"""The service from outside: the widget protocol, REST, health; a real journal and a real Valkey behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from bot.app import Service
from bot.customers import vouch
from bot.journal.journal import Journal
from bot.journal.values import Conversation
from bot.messages import Button, Outbound
from tests.service import KeywordUnderstander, Widget, running


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running(tmp_path) as service:
        yield service


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_a_message_is_acknowledged_and_answered(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        acknowledged = await widget.say("ask", "m1")
        assert acknowledged == {"type": "ack", "id": "m1", "seq": 1}
        (answer,) = await widget.replies(1)
        assert (answer["seq"], answer["author"], answer["text"]) == (2, "bot", "answer")
        assert answer["buttons"] == ["Again", "A person"]


async def test_the_acknowledged_message_is_in_the_database(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.say("ask", "m1")
        entry = await service.journal.entry(widget.welcome["conversation"], 1)
        assert entry is not None
        assert (entry.message_id, entry.message.text) == ("m1", "ask")


async def test_a_message_sent_twice_is_answered_once(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        first, second = await widget.say("ask", "m1"), await widget.say("ask", "m1")
        assert first["seq"] == second["seq"] == 1
        await widget.replies(1)
        await widget.ask("ask")
        assert [e["reply_to"] for e in widget.entries if e["author"] == "bot"] == [1, 3]


async def test_another_text_under_a_known_id_is_refused(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.say("ask", "m1")
        refused = await widget.say("something else", "m1")
        assert refused["code"] == "id_conflict"


async def test_a_burst_is_answered_in_order(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        for number in range(20):
            await widget.send(type="message", id=f"m{number}", text="ask")
        await widget.replies(1)
        while len([e for e in widget.entries if e["author"] == "bot"]) < 20:
            await widget.until("entries")
        seqs = [entry["seq"] for entry in widget.entries]
        assert seqs == list(range(1, 41))
        answered = [entry["reply_to"] for entry in widget.entries if entry["author"] == "bot"]
        assert answered == sorted(answered)


async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_else(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
        token, epoch = widget.welcome["token"], widget.welcome["epoch"]
    async with Widget.open(service.url, token=token) as other:
        await other.ask("ask")
    async with Widget.open(service.url, token=token, epoch=epoch, last_seq=2) as again:
        await again.until("entries")
        assert [entry["seq"] for entry in again.entries] == [3, 4]


async def test_a_client_of_another_epoch_gets_everything(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
        token = widget.welcome["token"]
    async with Widget.open(service.url, token=token, epoch="another", last_seq=2) as again:
        await again.until("entries")
        assert [entry["seq"] for entry in again.entries] == [1, 2]


async def test_two_devices_of_a_customer_see_the_same(service: Service) -> None:
    async with (
        Widget.open(service.url) as phone,
        Widget.open(service.url, token=phone.welcome["token"]) as laptop,
    ):
        await phone.ask("ask")
        while len(laptop.entries) < 2:
            await laptop.until("entries")
        assert laptop.entries == phone.entries
        assert laptop.entries[0]["id"]


async def test_a_customer_whom_the_shop_knows_has_one_conversation_on_every_device(service: Service) -> None:
    def greeting(**claims: str) -> dict[str, str]:
        return {"customer": vouch(service.signer, claims, time.time() + 60)}

    async with (
        Widget.open(service.url, **greeting(id="c-17")) as phone,
        Widget.open(service.url, **greeting(id="c-17", email="a@example.org")) as laptop,
        Widget.open(service.url, **greeting(id="c-18")) as other,
        Widget.open(service.url, customer=vouch(service.signer, {"id": "c-17"}, time.time() - 1)) as late,
        Widget.open(service.url, token=other.welcome["token"], **greeting(id="c-17")) as known,
    ):
        names = [widget.welcome["conversation"] for widget in (phone, laptop, other, late, known)]
        assert names[0] == names[1]
        assert names[2] == names[4]
        assert len(set(names)) == 3
        await phone.ask("ask")
        while len(laptop.entries) < 2:
            await laptop.until("entries")
        assert laptop.entries == phone.entries
        assert other.entries == late.entries == []


async def test_older_entries_come_in_pages(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        for _ in range(5):
            await widget.ask("ask")
        await widget.send(type="history", before=7, limit=4)
        page = await widget.until("history")
        assert ([e["seq"] for e in page["entries"]], page["more"]) == ([3, 4, 5, 6], True)
        await widget.send(type="history", before=3, limit=4)
        page = await widget.until("history")
        assert ([e["seq"] for e in page["entries"]], page["more"]) == ([1, 2], False)


@pytest.mark.parametrize("missed", [1, 39, 40, 41, 80, 81])
async def test_the_last_page_of_what_was_missed_says_that_it_is_the_last(service: Service, missed: int) -> None:
    async with Widget.open(service.url) as widget:
        token, conversation = widget.welcome["token"], widget.welcome["conversation"]
        for _ in range(missed):
            await service.journal.append(conversation, Outbound("news"))
    async with Widget.open(service.url, token=token) as widget:
        pages = [await widget.until("entries")]
        while pages[-1]["more"]:
            pages.append(await widget.until("entries"))
        assert [entry["seq"] for page in pages for entry in page["entries"]] == list(range(1, missed + 1))


async def test_a_button_means_what_the_server_says(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
        pressed = await widget.press(2, 0)
        (answer,) = await widget.replies(pressed["seq"])
        assert answer["text"] == "answer"
        assert (await widget.press(2, 7))["code"] == "unknown_button"
        assert (await widget.press(1, 0))["code"] == "unknown_button"


async def test_a_yes_sent_again_is_the_same_yes_and_another_one_comes_too_late(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        question = Outbound("Sure?", buttons=(Button("Yes", "/affirm"),))
        asked = (await service.journal.append(widget.welcome["conversation"], question)).seq
        first = await widget.press(asked, 0, "m1")
        await widget.replies(first["seq"])
        await widget.ask("ask")
        assert await widget.press(asked, 0, "m1") == first == {"type": "ack", "id": "m1", "seq": asked + 1}
        assert (await widget.press(asked, 0, "m2"))["code"] == "unknown_button"


async def test_a_slash_message_from_the_widget_is_text(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        acknowledged = await widget.say("/ask")
        (answer, *_) = await widget.replies(acknowledged["seq"])
        assert answer["text"] != "answer"


async def test_a_person_is_always_one_command_away(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        acknowledged = await widget.command("human")
        assert await widget.until("owner") == {"type": "owner", "owner": "queue", "position": 1}
        await widget.replies(acknowledged["seq"])
        conversation = await service.journal.conversation(widget.welcome["conversation"])
        assert conversation is not None
        assert conversation.reason == "customer_request"


async def test_thumbs_are_kept(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
        await widget.send(type="feedback", seq=2, value="down")
        assert await widget.until("noted") == {"type": "noted", "seq": 2, "value": "down"}
        assert await service.journal.ratings(widget.welcome["conversation"]) == {2: "down"}
        await widget.send(type="feedback", seq=1, value="down")
        assert (await widget.until("error"))["code"] == "bad_frame"


async def test_every_device_of_a_customer_knows_the_thumbs(service: Service) -> None:
    async with Widget.open(service.url) as first:
        await first.ask("ask")
        async with Widget.open(service.url, token=first.welcome["token"]) as second:
            await second.send(type="feedback", seq=2, value="up")
            assert await first.until("noted") == {"type": "noted", "seq": 2, "value": "up"}
            assert await second.until("noted") == {"type": "noted", "seq": 2, "value": "up"}
        token, epoch = first.welcome["token"], first.welcome["epoch"]
        async with Widget.open(service.url, token=token) as fresh:
            await fresh.until("entries")
            assert [entry["rating"] for entry in fresh.entries] == [None, "up"]
            assert "ratings" not in fresh.welcome
        async with Widget.open(service.url, token=token, epoch=epoch, last_seq=2) as back:
            assert back.welcome["ratings"] == {"2": "up"}


@pytest.mark.parametrize("token", ["", "1.x.y", "nonsense", "1.d2ViLTE.AAAA"])
async def test_a_forged_token_opens_nothing(service: Service, token: str, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(f"{service.url}/widget/ws") as socket:
        await socket.send_json({"type": "hello", "token": token})
        assert (await socket.receive_json())["code"] == "bad_token"
        await socket.send_json({"type": "hello"})
        assert (await socket.receive_json())["type"] == "welcome"


async def test_nobody_sees_another_conversation(service: Service) -> None:
    async with Widget.open(service.url) as mine, Widget.open(service.url) as other:
        assert mine.welcome["conversation"] != other.welcome["conversation"]
        await mine.ask("ask")
        await other.send(type="history", before=100)
        assert (await other.until("history"))["entries"] == []
        assert (await other.press(2, 0))["code"] == "unknown_button"


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://shop.example", 101),
        ("own", 101),
        (None, 101),
        ("https://shop.example.evil.example", 403),
        ("https://evil-shop.example", 403),
        ("http://shop.example", 403),
        ("https://shop.example:8443", 403),
        ("HTTPS://SHOP.EXAMPLE", 403),
        ("https://shop.example/", 403),
        ("null", 403),
        ("http://[::1]", 403),
        ("http://user@127.0.0.1", 403),
        ("", 403),
    ],
)
async def test_only_pages_of_allowed_origins_may_connect(
    tmp_path: Path, http: aiohttp.ClientSession, origin: str | None, status: int
) -> None:
    async with running(tmp_path, origins=("https://shop.example",)) as service:
        headers = {} if origin is None else {"Origin": service.url if origin == "own" else origin}
        try:
            async with http.ws_connect(f"{service.url}/widget/ws", headers=headers):
                found = 101
        except aiohttp.WSServerHandshakeError as error:
            found = error.status
        assert found == status


async def test_whoever_does_not_say_hello_is_closed(service: Service, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(f"{service.url}/widget/ws") as socket:
        await socket.send_json({"type": "message", "id": "1", "text": "hi"})
        assert (await socket.receive_json())["code"] == "hello_first"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 1008


async def test_whoever_says_nothing_is_closed(
    service: Service, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.widget._HELLO_SECONDS", 0.05)
    async with http.ws_connect(f"{service.url}/widget/ws") as socket:
        assert (await socket.receive_json())["code"] == "hello_first"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_a_slow_database_is_not_held_against_who_said_hello(
    service: Service, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Journal.begin

    async def slowly(*given: Any) -> Conversation:
        await asyncio.sleep(3.5)
        return await begin(*given)

    monkeypatch.setattr(Journal, "begin", slowly)
    monkeypatch.setattr("bot.channels.widget._HELLO_SECONDS", 3)
    async with http.ws_connect(f"{service.url}/widget/ws") as socket:
        await socket.send_json({"type": "hello"})
        assert (await socket.receive_json())["type"] == "welcome"


async def test_malformed_frames_are_answered_and_the_conversation_goes_on(service: Service) -> None:
    bad = ["", "[]", "{", "null", "0" * 50_000, "[" * 5000, '{"type": 1}', '{"type": "message", "id": 5}', '"\\ud83d"']
    async with Widget.open(service.url) as widget:
        for frame in bad:
            await widget.socket.send_str(frame)
            assert (await widget.until("error"))["code"] == "bad_frame"
        await widget.socket.send_bytes(b"\x00\xff")
        assert (await widget.until("error"))["code"] == "bad_frame"
        assert (await widget.ask("ask"))[0]["text"] == "answer"


async def test_a_frame_over_the_limit_closes_the_socket_and_loses_nothing(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
        await widget.socket.send_str("x" * 200_000)
        with pytest.raises(ConnectionResetError, match="1009"):
            await widget.until("error")
        token, epoch = widget.welcome["token"], widget.welcome["epoch"]
    async with Widget.open(service.url, token=token, epoch=epoch, last_seq=2) as again:
        assert (await again.ask("ask"))[0]["seq"] == 4


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01ask\x02",
        "ask " + "0" * 3000,
        "ask 你好 😀 שלום",
        "ask'; DROP TABLE entries; --",
        "ask <img src=x onerror=alert(1)>",
        "ask {slot} {{7*7}} %s %n",
        "ask \u202e\u200b\ufeff",
    ],
)
async def test_hostile_text_is_answered(service: Service, text: str) -> None:
    async with Widget.open(service.url) as widget:
        assert (await widget.ask(text))[0]["author"] == "bot"


async def test_too_long_and_empty_texts_are_refused_with_their_code(service: Service) -> None:
    async with Widget.open(service.url) as widget:
        assert (await widget.say("x" * 4001))["code"] == "too_long"
        assert (await widget.say(" \n\x00 "))["code"] == "empty"


async def test_too_many_messages_are_refused_with_a_time_to_come_back(tmp_path: Path) -> None:
    async with running(tmp_path, rate=1.0, burst=2) as service, Widget.open(service.url) as widget:
        answers = [await widget.say("ask") for _ in range(3)]
        assert [answer["type"] for answer in answers] == ["ack", "ack", "error"]
        assert answers[2]["code"] == "rate_limited"
        assert 0 < answers[2]["retry_after"] <= 1


async def test_too_many_connections_and_conversations_are_refused(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with running(tmp_path, connections_per_address=2, conversations_per_hour=3) as service:
        async with (
            Widget.open(service.url),
            Widget.open(service.url),
            http.ws_connect(f"{service.url}/widget/ws") as third,
        ):
            assert (await third.receive_json())["code"] == "too_many"
        async with Widget.open(service.url):
            pass
        async with http.ws_connect(f"{service.url}/widget/ws") as fourth:
            await fourth.send_json({"type": "hello"})
            assert (await fourth.receive_json())["code"] == "too_many"


async def test_a_full_queue_refuses_before_it_accepts(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def hold(text: str) -> None:
        if "ask" in text:
            await gate.wait()

    async with running(tmp_path, KeywordUnderstander(before=hold), queue_size=2) as service:
        async with Widget.open(service.url) as widget:
            assert (await widget.say("ask 1"))["type"] == "ack"
            assert (await widget.say("ask 2"))["type"] == "ack"
            refused = await widget.say("ask 3", "m3")
            assert (refused["code"], refused["retry_after"]) == ("busy", 2.0)
            gate.set()
            await widget.replies(2)
            assert (await widget.say("ask 3", "m3"))["type"] == "ack"


async def test_one_sender_of_rest_takes_no_more_than_a_conversations_places(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    gate = asyncio.Event()

    async def hold(text: str) -> None:
        if "flood" in text:
            await gate.wait()

    async def ask(service: Service, sender: str, text: str, name: str) -> tuple[int, str | None, Any]:
        said = {"sender": sender, "message": text, "message_id": name}
        async with http.post(f"{service.url}/webhooks/rest/webhook", json=said) as answer:
            return answer.status, answer.headers.get("Retry-After"), await answer.json()

    understander = KeywordUnderstander(before=hold)
    async with running(tmp_path, understander, conversation_backlog=4) as service:
        flood = [asyncio.create_task(ask(service, "flood", "ask flood", f"m{number}")) for number in range(12)]
        refused = [await early for early in islice(asyncio.as_completed(flood), 8)]
        assert {(status, after, body["reason"]) for status, after, body in refused} == {(503, "2", "busy")}
        late = [await ask(service, "flood", "ask flood", "late"), await ask(service, "other", "ask", "m1")]
        assert [status for status, *_ in late] == [503, 200], "others are answered meanwhile"
        gate.set()
        answers = [await one for one in flood]
        assert sorted(status for status, *_ in answers) == [200] * 4 + [503] * 8
        assert all(body[0]["text"] == "answer" for status, _, body in answers if status == 200)
        assert (await ask(service, "flood", "ask flood", "late"))[0] == 200
        assert len(await service.journal.entries("rest-flood")) == 2 * 5, "what was refused was not accepted"


async def test_a_turn_that_raises_is_a_reply_and_a_hand_over(tmp_path: Path) -> None:
    async def explode(text: str) -> None:
        if "bomb" in text:
            raise RuntimeError("secret detail")

    async with running(tmp_path, KeywordUnderstander(before=explode)) as service, Widget.open(service.url) as widget:
        (answer,) = await widget.ask("bomb")
        assert "secret" not in answer["text"]
        assert "sorry" in answer["text"].lower()
        assert (await widget.until("owner"))["owner"] == "queue"


async def test_a_turn_that_takes_too_long_ends_with_an_apology_and_holds_up_nobody(tmp_path: Path) -> None:
    async def stall(text: str) -> None:
        if "stall" in text:
            await asyncio.Event().wait()

    understander = KeywordUnderstander(before=stall)
    async with running(tmp_path, understander, turn_timeout=0.5) as service:
        async with Widget.open(service.url) as slow, Widget.open(service.url) as quick:
            await slow.say("stall", "m1")
            assert (await quick.ask("ask"))[0]["text"] == "answer"
            (answer,) = await slow.replies(1)
            assert "sorry" in answer["text"].lower()


async def test_what_was_accepted_before_a_stop_is_answered_after_the_start(tmp_path: Path) -> None:
    async def stall(text: str) -> None:
        await asyncio.Event().wait()

    async with running(tmp_path, KeywordUnderstander(before=stall), secret="s", turn_timeout=60.0) as service:
        async with Widget.open(service.url) as widget:
            await widget.say("ask", "m1")
            token, epoch = widget.welcome["token"], widget.welcome["epoch"]
    async with running(tmp_path, secret="s") as service:
        async with Widget.open(service.url, token=token, epoch=epoch, last_seq=1) as widget:
            assert (await widget.replies(1))[0]["text"] == "answer"


async def test_a_drain_tells_the_widgets_when_to_come_back(tmp_path: Path) -> None:
    async def follow(url: str, ready: asyncio.Event) -> None:
        async with Widget.open(url) as widget:
            await widget.ask("ask")
            ready.set()
            assert 0 <= (await widget.until("drain"))["reconnect_in"] <= 3
            with pytest.raises(ConnectionResetError, match="1012"):
                await widget.until("pong")

    ready = asyncio.Event()
    async with running(tmp_path) as service:
        following = asyncio.create_task(follow(service.url, ready))
        await ready.wait()
    await following


async def test_rest_answers_as_rasa_does(service: Service, http: aiohttp.ClientSession) -> None:
    url = f"{service.url}/webhooks/rest/webhook"
    async with http.post(url, json={"sender": "u1", "message": "ask"}) as answer:
        assert answer.status == 200
        assert await answer.json() == [
            {
                "recipient_id": "u1",
                "text": "answer",
                "buttons": [{"title": "Again", "payload": "/ask"}, {"title": "A person", "payload": "/human"}],
            }
        ]
    async with http.post(url, json={"sender": "u1", "message": "/ask"}) as answer:
        assert (await answer.json())[0]["text"] == "answer"
    async with http.post(url, json={"sender": "u1", "message": ""}) as answer:
        assert await answer.json() == []
    async with http.post(f"{url}?stream=true", json={"message": "ask"}) as answer:
        assert answer.content_type == "text/event-stream"
    async with http.get(f"{service.url}/webhooks/rest/") as answer:
        assert await answer.json() == {"status": "ok"}


async def test_a_repeated_rest_message_gets_the_same_answer_once(service: Service, http: aiohttp.ClientSession) -> None:
    body = {"sender": "u1", "message": "ask", "message_id": "m1"}
    url = f"{service.url}/webhooks/rest/webhook"
    answers = []
    for _ in range(2):
        async with http.post(url, json=body) as answer:
            answers.append(await answer.json())
    assert answers[0] == answers[1]
    assert len(await service.journal.entries("rest-u1")) == 2
    async with http.post(url, json={**body, "message": "other"}) as answer:
        assert answer.status == 409


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"message": 5}', 400),
        (b'{"message": "hi", "sender": {"$ne": 1}}', 400),
        (b'{"message": "hi", "metadata": []}', 400),
        (b'{"message": "' + b"x" * 5000 + b'"}', 400),
        (b"[" * 100_000, 400),
        (b"x" * 300_000, 413),
        (b'{"message": "\xff\xfe"}', 400),
        (b'{"message": "\\ud800 ask"}', 200),
        (b'{"message": "ask", "sender": "\\udfff"}', 200),
        (b'{"message": "ask", "metadata": {"\\ud800": ["\\ud800"]}}', 200),
        (b'{"message": "hi", "message_id": ""}', 400),
    ],
)
async def test_a_bad_rest_body_is_refused(
    service: Service, http: aiohttp.ClientSession, body: bytes, status: int
) -> None:
    async with http.post(f"{service.url}/webhooks/rest/webhook", data=body) as answer:
        assert answer.status == status
        assert status == 200 or (await answer.json())["status"] == "failure"


async def test_the_api_asks_for_its_token(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    async with running(tmp_path, api_token="t0ken") as service:
        url = f"{service.url}/model/parse"
        for headers, query, status in (
            ({}, "", 401),
            ({"Authorization": "Bearer wrong"}, "", 401),
            ({"Authorization": "Bearer ünïcode"}, "", 401),
            ({"Authorization": "Bearer t0ken"}, "", 200),
            ({}, "?token=t0ken", 200),
        ):
            async with http.post(url + query, json={"text": "ask"}, headers=headers) as answer:
                assert answer.status == status, (headers, query)


@pytest.mark.parametrize(
    "headers", [{"X-Forwarded-For": "1.2.3.4"}, {"Origin": "http://evil.example"}, {"Host": "evil.example"}]
)
async def test_without_a_token_only_programs_on_this_machine_are_served(
    service: Service, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with http.post(f"{service.url}/webhooks/rest/webhook", json={"message": "ask"}, headers=headers) as answer:
        assert answer.status == 401


async def test_the_model_api_answers_in_rasas_shape(service: Service, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{service.url}/model/parse", json={"text": "ask", "message_id": "m"}) as answer:
        parsed = await answer.json()
    assert parsed["intent"] == {"name": "ask", "confidence": 1.0}
    assert parsed["text"] == "ask"
    assert parsed["message_id"] == "m"
    assert {"entities", "intent_ranking"} <= parsed.keys()


async def test_half_an_emoji_is_parsed(service: Service, http: aiohttp.ClientSession) -> None:
    body = b'{"text": "ask \\ud83d", "message_id": "\\ud83d"}'
    async with http.post(f"{service.url}/model/parse", data=body) as answer:
        parsed = await answer.json()
    assert (answer.status, parsed["text"], parsed["message_id"]) == (200, "ask \ufffd", "\ufffd")


async def test_readiness_asks_a_real_question(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    broken = False

    async def maybe(text: str) -> None:
        if broken:
            raise RuntimeError

    async with running(tmp_path, KeywordUnderstander(before=maybe)) as service:
        async with http.get(f"{service.url}/health/ready") as answer:
            assert (answer.status, (await answer.json())["status"]) == (200, "ok")
        broken = True
        async with http.get(f"{service.url}/health/ready") as answer:
            assert (answer.status, (await answer.json())["status"]) == (503, "down")
        async with http.get(f"{service.url}/health/live") as answer:
            assert answer.status == 200


async def test_metrics_count_what_was_accepted(service: Service, http: aiohttp.ClientSession) -> None:
    async with Widget.open(service.url) as widget:
        await widget.ask("ask")
    async with http.get(f"{service.url}/metrics") as answer:
        text = await answer.text()
    assert 'frontdesk_messages_accepted_total{channel="web"}' in text
    assert "frontdesk_turn_seconds_bucket" in text


async def test_unknown_paths_are_404_in_json(service: Service, http: aiohttp.ClientSession) -> None:
    for path in ("/nothing", "/help/none", "/widget/../config.py", "/console/conversations"):
        async with http.get(f"{service.url}{path}") as answer:
            assert answer.status in (401, 404), path
