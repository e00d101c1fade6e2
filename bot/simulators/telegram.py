"""Telegram's Bot API, as strict as the real one about what it is sent."""

from __future__ import annotations

import html
import itertools
import re
import time
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, cast

import orjson
from aiohttp import web

from bot.channels.settings import ChannelSettings
from bot.channels.telegram import TelegramSettings
from bot.messages import Json
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

_ENTITY = re.compile(r"</?(b|i|code|a)( href=\"[^\"<>]*\")?>")


@dataclass
class TelegramBotApi(Provider):
    name: ClassVar[str] = "telegram"
    retries: ClassVar[tuple[float, ...]] = (1, 2, 4, 8, 16, 32, 60, 60)

    settings: TelegramSettings = field(kw_only=True)
    signals: list[str] = field(default_factory=list)
    """Chats that were shown typing, and presses that were seen."""
    marks: list[str] = field(default_factory=list)
    """How the messages said that they are marked up."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {"token": "123456:only-for-trying-things-out", "secret": "only-for-trying-things-out", "api": url}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("TelegramSettings", settings))

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        if request.method == "GET" and request.path.startswith("/file/bot"):
            return self._bytes(request.path.removeprefix("/file/bot"))
        token, _, method = request.path.removeprefix("/bot").partition("/")
        known = token == self.settings.token.get_secret_value()
        need(known, _error(401, "Unauthorized"), "a wrong token")
        need(request.method == "POST", _error(405, "Method Not Allowed"), request.method)
        need(request.content_type == "application/json", _error(400, "Bad Request"), "the content type")
        asked = orjson.loads(body)
        methods = {
            "getMe": self._me,
            "getWebhookInfo": self._webhook_info,
            "getFile": self._file,
            "sendChatAction": self._chat_action,
            "answerCallbackQuery": self._seen,
            "sendMessage": self._message,
            "sendPhoto": self._photo,
        }
        need(method in methods, _error(404, "Not Found"), f"the method {method}")
        return methods[method](asked)

    def _me(self, _: Json) -> Taken:
        return Taken(_result({"id": 123456, "is_bot": True, "username": "shop_bot"}))

    def _webhook_info(self, _: Json) -> Taken:
        return Taken(_result({"url": self.webhook, "pending_update_count": 0}))

    def _file(self, asked: Json) -> Taken:
        name = asked["file_id"]
        self.file(name, _error(400, "Bad Request: invalid file_id"))
        return Taken(_result({"file_id": name, "file_path": f"documents/{name}"}))

    def _bytes(self, path: str) -> Taken:
        """Telegram does not say of what type a file is."""
        token, _, name = path.partition("/documents/")
        need(token == self.settings.token.get_secret_value(), _error(401, "Unauthorized"), "a wrong token")
        return served(self.file(name, _error(404, "Not Found")), "application/octet-stream")

    def _chat_action(self, asked: Json) -> Taken:
        need(asked["action"] == "typing", _error(400, "Bad Request: wrong parameter action"), "the action")
        self.signals.append(f"typing {asked['chat_id']}")
        return Taken(_result(True))

    def _seen(self, asked: Json) -> Taken:
        self.signals.append(f"seen {asked['callback_query_id']}")
        return Taken(_result(True))

    def _message(self, asked: Json) -> Taken:
        text = _parsed(asked, "text")
        need(bool(text.strip()), _error(400, "Bad Request: message text is empty"), "an empty text")
        need(_units(text) <= 4096, _error(400, "Bad Request: message is too long"), "a text that is too long")
        return self._sent(asked, Shown(text, _choices(asked)))

    def _photo(self, asked: Json) -> Taken:
        caption = _parsed(asked, "caption")
        need(_units(caption) <= 1024, _error(400, "Bad Request: message caption is too long"), "a long caption")
        return self._sent(asked, Shown(caption, _choices(asked), asked["photo"]))

    def _sent(self, asked: Json, shown: Shown) -> Taken:
        chat = asked["chat_id"]
        need(isinstance(chat, int), _error(400, "Bad Request: chat not found"), "the chat")
        self.marks.append(asked.get("parse_mode", ""))
        number = next(self._numbers)
        answer = _result({"message_id": number, "chat": {"id": chat}, "date": int(time.time())})
        return Taken(answer, str(chat), (Shown(shown.text, shown.choices, shown.image, str(number)),))

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """`entities`: it cannot read the marks in the text."""
        return _error(400, 'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 1')

    def refused(self, status: int) -> web.Response:
        more = {} if self.retry_after is None else {"parameters": {"retry_after": int(self.retry_after)}}
        return _error(status, {403: "Forbidden: bot was blocked by the user"}.get(status, "an error"), **more)

    # -- updates

    def said(self, customer: str, text: str) -> Event:
        return self.update(message=self.message(customer, text=text))

    def sent_file(self, customer: str, file: File) -> Event:
        name = f"file{next(self._numbers)}"
        self.files[name] = file
        told = {"file_id": name, "file_name": file.name, "mime_type": file.type, "file_size": len(file.body)}
        return self.update(message=self.message(customer, document=told))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        rows = [[{"text": one.title, "callback_data": one.id}] for one in under.choices]
        message = self.message(customer, text=under.text, reply_markup={"inline_keyboard": rows})
        query = {"id": str(next(self._numbers)), "from": message["from"], "data": choice.id, "message": message}
        return self.update(callback_query=query)

    def resigned(self, event: Event, body: bytes) -> Event:
        return replace(event, body=body)

    def message(self, customer: str, **content: Any) -> Json:
        sender = {"id": int(customer), "is_bot": False, "first_name": "Ada", "language_code": "en"}
        chat = {"id": int(customer), "type": "private"}
        number = next(self._numbers)
        return {"message_id": number, "from": sender, "chat": chat, "date": int(time.time()), **content}

    def update(self, **content: Json) -> Event:
        body = orjson.dumps({"update_id": next(self._numbers), **content})
        secret = self.settings.secret.get_secret_value()
        return Event(body, {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret})


def _parsed(asked: Json, name: str) -> str:
    """The text without its entities. Raises NotTaken for what Telegram cannot parse."""
    text = str(asked.get(name, ""))
    if asked.get("parse_mode") != "HTML":
        return text
    bare = _ENTITY.sub("", text)
    need("<" not in bare and ">" not in bare, _error(400, "Bad Request: can't parse entities"), f"the text {text!r}")
    return html.unescape(bare)


def _choices(asked: Json) -> tuple[Choice, ...]:
    rows = asked.get("reply_markup", {}).get("inline_keyboard", [])
    for button in (button for row in rows for button in row):
        data = button["callback_data"].encode()
        need(1 <= len(data) <= 64, _error(400, "Bad Request: BUTTON_DATA_INVALID"), "the data of a button")
    return tuple(Choice(button["text"], button["callback_data"]) for row in rows for button in row)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _result(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(status: int, description: str, **more: Any) -> web.Response:
    body = {"ok": False, "error_code": status, "description": description, **more}
    return web.json_response(body, status=status)
