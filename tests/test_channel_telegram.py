"""Telegram: what its updates mean, what it is sent, and conversations over a strict Bot API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.connector import Signing
from bot.channels.received import JOINED, Attachment, Reaction, Received, Request
from bot.channels.settings import Limits
from bot.channels.telegram import Telegram, TelegramSettings
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.config import Settings, SettingsError
from bot.journal.values import DeliveryState
from bot.messages import Button, Outbound
from bot.simulators.provider import Event
from bot.simulators.telegram import TelegramBotApi
from bot.wire import Malformed
from tests.deliveries import delivery
from tests.json_values import JSON_VALUES
from tests.test_simulators import talking

TOKEN, SECRET = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11", "a-secret-of-many-characters"
PRIVATE = {"id": 77, "type": "private"}
ADA = {"id": 77, "is_bot": False, "first_name": "Ada", "last_name": "Berg", "language_code": "de"}


def channel(**more: Any) -> Telegram:
    return TelegramSettings.model_validate({"token": TOKEN, "secret": SECRET, **more}).connect(Limits(4000, 16))


def request(update: Any = None, secret: str = SECRET, method: str = "POST", body: bytes | None = None) -> Request:
    raw = json.dumps({"update_id": 1, **(update or {})}).encode() if body is None else body
    return Request(method, {}, {"x-telegram-bot-api-secret-token": secret}, raw, 1000.0)


def message(**content: Any) -> dict[str, Any]:
    return {"message_id": 5, "from": ADA, "chat": PRIVATE, "date": 900, **content}


def parsed(update: dict[str, Any], **settings: Any) -> Received:
    return channel(**settings).parse(request(update))


# Who sent it


def test_the_secret_proves_the_sender() -> None:
    assert channel().verify(request())


@pytest.mark.parametrize(
    "wrong", [request(secret=""), request(secret=SECRET[:-1]), request(secret="\xff\udc80"), request(method="GET")]
)
def test_nobody_else_is_believed(wrong: Request) -> None:
    assert not channel().verify(wrong)


@pytest.mark.parametrize(("name", "value"), [("TOKEN", "hunter2"), ("SECRET", "short"), ("SECRET", "with space" * 3)])
def test_settings_that_cannot_be_right_are_a_sentence(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {"TOKEN": TOKEN, "SECRET": SECRET, name: value}
    for key, one in good.items():
        monkeypatch.setenv(f"FRONTDESK_TELEGRAM__{key}", one)
    with pytest.raises(SettingsError, match=f"FRONTDESK_TELEGRAM__{name}: must be") as told:
        Settings.read()
    assert value not in str(told.value)


# What it means


def test_a_message() -> None:
    (one,) = parsed({"message": message(text="where is it?")}).messages
    assert (one.conversation_id, one.id, one.text, one.at) == ("telegram-77", "5", "where is it?", 900.0)
    assert one.address == {"chat": "77"}
    assert one.metadata == {"name": "Ada Berg", "locale": "de"}


def test_the_start_button_greets_and_nothing_else_that_is_typed_presses_anything() -> None:
    assert parsed({"message": message(text="/start shop")}).messages[0].payload == JOINED
    for text in ("/restart", "/human", '/cancel{"order": "1"}', "5f0c86d1-2-0"):
        (one,) = parsed({"message": message(text=text)}).messages
        assert (one.payload, one.press) == (None, None)


def test_an_edit_is_a_message_of_its_own() -> None:
    (one,) = parsed({"edited_message": message(text="now", edit_date=950)}).messages
    assert (one.id, one.metadata["edits"]) == ("5:edit:950", "5")


def test_a_place_that_is_shared_live_is_answered_once() -> None:
    where = {"location": {"latitude": 52.5, "longitude": 13.4, "live_period": 900}}
    assert len(parsed({"message": message(**where)}).messages) == 1
    moved = parsed({"edited_message": message(edit_date=950, **where)})
    assert (moved.messages, moved.ignored) == ((), ("moved",))


def test_a_press() -> None:
    rows = [[{"text": "Yes", "callback_data": "5f0c86d1-2-0"}]]
    under = message(text="Sure?", reply_markup={"inline_keyboard": rows})
    received = parsed({"callback_query": {"id": "q1", "from": ADA, "data": "5f0c86d1-2-0", "message": under}})
    (one,) = received.messages
    assert (one.id, one.press, one.text) == ("q1", "5f0c86d1-2-0", "Yes")
    (seen,) = received.seen
    assert seen.url == "https://api.telegram.org/bot/answerCallbackQuery"
    assert json.loads(seen.body) == {"callback_query_id": "q1"}


@pytest.mark.parametrize(
    ("content", "attachment"),
    [
        (
            {"photo": [{"file_id": "small"}, {"file_id": "large", "file_size": 9}]},
            Attachment("image", "large", "image/jpeg", size=9),
        ),
        ({"voice": {"file_id": "v", "mime_type": "audio/ogg"}}, Attachment("audio", "v", "audio/ogg")),
        ({"document": {"file_id": "d", "file_name": "bill.pdf"}}, Attachment("file", "d", name="bill.pdf")),
        ({"location": {"latitude": 52.5, "longitude": 13.4}}, Attachment("place", "52.5,13.4")),
        ({"contact": {"phone_number": "+49"}}, Attachment("contact", "+49")),
    ],
)
def test_media_are_references(content: dict[str, Any], attachment: Attachment) -> None:
    (one,) = parsed({"message": message(**content)}).messages
    assert one.attachments == (attachment,)


@pytest.mark.parametrize(("emoji", "rating"), [("👍", "up"), ("👎", "down"), ("🤔", "none")])
def test_a_thumb(emoji: str, rating: Any) -> None:
    reaction = {"chat": PRIVATE, "message_id": 9, "new_reaction": [{"type": "emoji", "emoji": emoji}]}
    assert parsed({"message_reaction": reaction}).reactions == (Reaction("77:9", rating),)


@pytest.mark.parametrize(
    ("update", "kind"),
    [
        ({"my_chat_member": {"chat": PRIVATE}}, "membership"),
        ({"poll": {"id": "1"}}, "other"),
        ({}, "other"),
        ({"message": message(pinned_message={})}, "service_message"),
        ({"message": message(text="hi", **{"from": {**ADA, "is_bot": True}})}, "not_for_us"),
        ({"message": message(text="hi", chat={"id": -5, "type": "group"})}, "not_for_us"),
        ({"message": message(text="hi", chat={"id": -5, "type": "channel"})}, "not_for_us"),
        ({"callback_query": {"id": "q", "data": "x"}}, "not_for_us"),
    ],
)
def test_what_does_not_matter_is_counted(update: dict[str, Any], kind: str) -> None:
    received = parsed(update)
    assert (received.messages, received.ignored) == ((), (kind,))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"text": "@shop_bot where is it?"}, "where is it?"),
        ({"text": "/help"}, "/help"),
        ({"text": "yes", "reply_to_message": {"from": {"id": 123456}}}, "yes"),
        ({"text": "hello all"}, None),
        ({"text": "@shop_bottle hi"}, None),
        ({"text": "yes", "reply_to_message": {"from": {"id": 9}}}, None),
    ],
)
def test_in_groups_it_answers_who_means_it(content: dict[str, Any], text: str | None) -> None:
    group = message(chat={"id": -5, "type": "supergroup"}, **content)
    messages = parsed({"message": group}, groups=True, username="shop_bot").messages
    assert [one.text for one in messages] == ([] if text is None else [text])


names = st.sampled_from(["message", "edited_message", "callback_query", "message_reaction", "update_id"])


@given(
    st.dictionaries(
        names, JSON_VALUES | st.dictionaries(st.sampled_from(list(message(text=""))), JSON_VALUES), max_size=3
    )
)
def test_whatever_comes_is_read_or_refused(update: dict[str, Any]) -> None:
    try:
        parsed(update)
    except Malformed:
        return


@given(st.binary(max_size=50))
def test_whatever_bytes_come_are_read_or_refused(body: bytes) -> None:
    try:
        channel().parse(request(body=body))
    except Malformed:
        return


# What is sent


def test_an_answer_with_buttons() -> None:
    said = delivery(Outbound("**Sure?** 1 < 2", (Button("Yes", "/affirm"), Button("No", "/deny"))), {"chat": "77"})
    (call,) = channel().render(said)
    assert call.url == "https://api.telegram.org/bot/sendMessage"
    assert json.loads(call.body) == {
        "chat_id": 77,
        "text": "<b>Sure?</b> 1 &lt; 2",
        "parse_mode": "HTML",
        "link_preview_options": {"is_disabled": True},
        "reply_markup": {
            "inline_keyboard": [
                [{"text": "Yes", "callback_data": "5f0c86d1-2-0"}],
                [{"text": "No", "callback_data": "5f0c86d1-2-1"}],
            ]
        },
    }


def test_the_token_is_only_in_what_is_sent() -> None:
    (call,) = channel().render(delivery("Hello", {"chat": "77"}))
    assert TOKEN not in repr(call)
    assert channel().sign(call, Signing("k", 1.0)).url == f"https://api.telegram.org/bot{TOKEN}/sendMessage"
    assert channel().sign(Call("https://evil.example/bot/x"), Signing("k", 1.0)).url == "https://evil.example/bot/x"
    assert TOKEN not in repr(channel())


def test_marks_that_telegram_could_not_read_are_left_out_once() -> None:
    said = Outbound("**Is** 1 < 2? `x` [Yes](https://shop.example/?a=1&b=2)", (Button("Yes", "/affirm"),))
    (call,) = channel().render(delivery(said, {"chat": "77"}))
    unreadable = answer(400, description="Bad Request: can't parse entities: Unsupported start tag")
    verdict = channel().classify(call, unreadable)
    assert (verdict.fate, verdict.after) == (Fate.RETRY, 0.0)
    (bare,) = channel().render(delivery(said, {"chat": "77"}, error=verdict.error))
    sent = json.loads(bare.body)
    assert sent["text"] == "Is 1 < 2? x Yes (https://shop.example/?a=1&b=2)"
    assert "parse_mode" not in sent
    assert sent["reply_markup"] == json.loads(call.body)["reply_markup"]
    assert channel().classify(bare, unreadable).fate is Fate.GIVE_UP


def answer(status: int, **body: Any) -> Answer:
    return Answer(status, {}, json.dumps({"ok": status == 200, **body}).encode(), 1.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (answer(200, result={"message_id": 9, "chat": {"id": 77}}), Fate.ARRIVED),
        (answer(200, ok=False), Fate.GIVE_UP),
        (Answer(200, {}, b'{"ok":true,"resu', 1.0), Fate.AMBIGUOUS),
        (Answer(200, {}, b"", 1.0), Fate.AMBIGUOUS),
        (Answer(200, {}, b"[]", 1.0), Fate.AMBIGUOUS),
        (Answer(200, {}, b"{}", 1.0), Fate.AMBIGUOUS),
        (answer(400, description="Bad Request: chat not found"), Fate.GIVE_UP),
        (answer(401), Fate.REFUSED),
        (answer(403, description="Forbidden: bot was blocked by the user"), Fate.GIVE_UP),
        (answer(404), Fate.REFUSED),
        (answer(429, parameters={"retry_after": 7}), Fate.RETRY),
        (answer(500), Fate.AMBIGUOUS),
        (Answer(502, {}, b"<html>", 1.0), Fate.AMBIGUOUS),
        (Silence(True, "no answer"), Fate.AMBIGUOUS),
        (Silence(False, "nobody"), Fate.RETRY),
    ],
)
def test_what_came_of_it(outcome: Any, fate: Fate) -> None:
    verdict = channel().classify(Call(""), outcome)
    assert verdict.fate is fate
    if fate is Fate.ARRIVED:
        assert verdict.provider_id == "77:9"
    if outcome == answer(429, parameters={"retry_after": 7}):
        assert (verdict.after, verdict.account) == (7, None), "the chat's limit, or the bot's"


def test_a_file_is_fetched_in_two_steps() -> None:
    photo = Attachment("image", "large")
    first = channel().media(photo, ())
    assert first is not None
    assert json.loads(first.body) == {"file_id": "large"}
    there = answer(200, result={"file_path": "photos/file_1.jpg"})
    second = channel().media(photo, (there,))
    assert second is not None
    assert channel().sign(second, Signing("", 1.0)).url == f"https://api.telegram.org/file/bot{TOKEN}/photos/file_1.jpg"
    assert channel().media(photo, (there, answer(200))) is None
    assert channel().media(photo, (answer(200, result={"file_path": "../../getMe"}),)) is None


# A conversation


def api(provider: Any) -> TelegramBotApi:
    assert isinstance(provider, TelegramBotApi)
    return provider


async def test_a_press_is_seen_and_answered_once(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, _):
        telegram = api(provider)
        await telegram.say("77", "ask")
        await telegram.until(lambda: bool(telegram.seen["77"]))
        (shown,) = telegram.seen["77"]
        event: Event = telegram.pressed("77", shown.choices[0], shown)
        assert [await telegram.post(event) for _ in range(2)] == [200, 200]
        await telegram.until(lambda: len(telegram.seen["77"]) == 2)
        await telegram.until(lambda: any(signal.startswith("seen ") for signal in telegram.signals))
        await telegram.say("77", "ask")
        await telegram.until(lambda: len(telegram.seen["77"]) == 3)


async def test_who_blocked_the_bot_makes_a_dead_letter(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram", "403") as (provider, service):
        await provider.say("77", "ask")
        await provider.until(lambda: provider.calls == ["403"])
        await provider.say("77", "ask")
        await provider.until(lambda: len(provider.seen["77"]) == 1)
        (letter,) = await service.journal.deliveries([DeliveryState.GIVEN_UP])
        assert letter.error == "The customer has blocked the bot."


async def test_the_wait_that_telegram_asks_for_is_kept(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram", "429") as (provider, service):
        provider.retry_after = 30
        await provider.say("77", "ask")
        await provider.until(lambda: provider.calls == ["429"])
        while not (waiting := await service.journal.deliveries())[0].error:
            await provider.wait(0)
        assert waiting[0].due_at - waiting[0].offered_at > 29


async def test_a_text_whose_marks_telegram_cannot_read_comes_without_them(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram", "entities") as (provider, _):
        await provider.say("77", "ask")
        await provider.until(lambda: len(provider.seen["77"]) == 1)
        assert provider.calls == ["entities", "ok"]
        assert api(provider).marks == ["HTML", ""]
        assert provider.texts("77") == ["answer"]


async def test_who_opens_the_chat_is_greeted_and_who_sends_a_picture_is_told(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, _):
        telegram = api(provider)
        await telegram.say("77", "/start")
        await telegram.until(lambda: telegram.texts("77") == ["Hello! What can I do for you?"])
        await telegram.post(telegram.update(message=telegram.message("77", photo=[{"file_id": "large"}])))
        await telegram.until(lambda: len(telegram.seen["77"]) == 2)
        shown = telegram.seen["77"][1]
        assert shown.text == "I cannot look at that. Please tell me in words, or talk to a person."
        assert [choice.title for choice in shown.choices] == ["Talk to a person"]


@pytest.mark.parametrize("keyboard", [True, 7, "x", {"a": 1}, [True], [["x"]], [[{"callback_data": [1]}]]])
def test_a_press_under_a_keyboard_that_is_none_is_a_press(keyboard: object) -> None:
    under = message(reply_markup={"inline_keyboard": keyboard})
    press = {"id": "q1", "from": ADA, "data": "5f0c86d1-2-0", "message": under}
    (pressed,) = parsed({"callback_query": press}).messages
    assert (pressed.text, pressed.press) == ("", "5f0c86d1-2-0")
