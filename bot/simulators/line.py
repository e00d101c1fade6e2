"""LINE's Messaging API, as strict as the real one about what it is sent."""

from __future__ import annotations

import base64
import hmac
import itertools
import re
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import orjson
from aiohttp import web

from bot.channels.line import LineSettings
from bot.channels.settings import ChannelSettings
from bot.messages import Json
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

BOT = "U00000000000000000000000000000000"
TOKEN_SECONDS = 60
_CONTENT = re.compile(r"/v2/bot/message/(\d+)/content")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MESSAGES = {400: "The request body has 1 error(s)", 401: "Authentication failed", 403: "Access to this API denied"}


@dataclass
class LineMessagingApi(Provider):
    """A customer is known by `U` and theirs."""

    name: ClassVar[str] = "line"
    retries: ClassVar[tuple[float, ...]] = (60, 300, 1800)

    settings: LineSettings = field(kw_only=True)
    signals: list[str] = field(default_factory=list)
    """Customers who were shown the loading animation."""
    pushed: int = 0
    """Calls that count against the plan."""
    tokens: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Reply tokens that were not used: whose, and since when."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        secrets = ["0123456789abcdef0123456789abcdef"]
        token = "only-for-trying-things-out"  # noqa: S105  nobody's
        return {"channel_secrets": secrets, "token": token, "user_id": BOT, "api": url, "api_data": url}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("LineSettings", settings))

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        wanted = f"Bearer {self.settings.token.get_secret_value()}"
        need(request.headers.get("Authorization") == wanted, _error(401), "the token")
        if content := _CONTENT.fullmatch(request.path):
            need(request.method == "GET", _error(405), request.method)
            return served(self.file(content[1], _error(404)))
        if request.method == "GET":
            return Taken(web.json_response({"userId": BOT, "endpoint": self.webhook, "active": True}))
        asked = orjson.loads(body)
        if request.path == "/v2/bot/chat/loading/start":
            need(asked["loadingSeconds"] in range(5, 61, 5), _error(400), "the seconds of the animation")
            self.signals.append(asked["chatId"].removeprefix("U"))
            return Taken(web.json_response({}, status=202))
        need(1 <= len(asked["messages"]) <= 5, _error(400), f"{len(asked['messages'])} messages")
        if request.path == "/v2/bot/message/reply":
            return self._reply(asked)
        need(request.path == "/v2/bot/message/push", _error(404), request.path)
        return self._push(asked, request.headers.get("X-Line-Retry-Key", ""))

    def _reply(self, asked: Json) -> Taken:
        """A token is good once; what was lost on the way back is lost."""
        customer, since = self.tokens.get(asked["replyToken"], ("", 0.0))
        if not customer or time.time() - since > TOKEN_SECONDS:
            return Taken(_error(400, "Invalid reply token"))
        if not self.plan or self.plan[0] != "lost":
            del self.tokens[asked["replyToken"]]
        return self._sent(customer, asked["messages"], None)

    def _push(self, asked: Json, key: str) -> Taken:
        need(_UUID.fullmatch(key) is not None, _error(400), f"the retry key {key!r}")
        self.pushed += 1
        return self._sent(asked["to"].removeprefix("U"), asked["messages"], key)

    def _sent(self, customer: str, messages: list[Json], key: str | None) -> Taken:
        names = [str(next(self._numbers)) for _ in messages]
        shown = tuple(_shown(message, name) for message, name in zip(messages, names, strict=True))
        answer = web.json_response({"sentMessages": [{"id": name} for name in names]})
        again = web.json_response({"message": "The retry key is already accepted"}, status=409)
        return Taken(answer, customer, shown, key, again)

    def refused(self, status: int) -> web.Response:
        answer = _error(status)
        if self.retry_after is not None:
            answer.headers["Retry-After"] = f"{self.retry_after:g}"
        return answer

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """`monthly`: the plan's messages are used up."""
        return _error(429, "You have reached your monthly limit.")

    # -- events

    def said(self, customer: str, text: str) -> Event:
        return self.event(self.happened(customer, "message", message={"id": self.id(), "type": "text", "text": text}))

    def sent_file(self, customer: str, file: File) -> Event:
        name = self.id()
        self.files[name] = file
        told = {"id": name, "type": "file", "fileName": file.name, "fileSize": len(file.body)}
        return self.event(self.happened(customer, "message", message=told))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        return self.event(self.happened(customer, "postback", postback={"data": choice.id}))

    def id(self) -> str:
        return str(next(self._numbers))

    def happened(self, customer: str, kind: str, **content: Any) -> Json:
        token, number = f"token{next(self._numbers)}", next(self._numbers)
        self.tokens[token] = (customer, time.time())
        return {
            "type": kind,
            "mode": "active",
            "timestamp": int(time.time() * 1000),
            "source": {"type": "user", "userId": f"U{customer}"},
            "webhookEventId": f"01H{number:023}",
            "deliveryContext": {"isRedelivery": False},
            "replyToken": token,
            **content,
        }

    def event(self, *happened: Json, destination: str = BOT) -> Event:
        """All of them in one request."""
        return self.signed(orjson.dumps({"destination": destination, "events": list(happened)}))

    def resigned(self, event: Event, body: bytes) -> Event:
        return self.signed(body)

    def signed(self, body: bytes) -> Event:
        key = self.settings.channel_secrets[0].get_secret_value().encode()
        signature = base64.b64encode(hmac.digest(key, body, "sha256")).decode()
        return Event(body, {"Content-Type": "application/json; charset=utf-8", "X-Line-Signature": signature})


def _shown(message: Json, name: str) -> Shown:
    kind = message["type"]
    if kind == "image":
        need(message["previewImageUrl"].startswith("https://"), _error(400), "the address of an image")
        return Shown(image=message["originalContentUrl"], id=name)
    if kind == "template":
        template = message["template"]
        need(1 <= len(message["altText"]) <= 400, _error(400), "the alternative text")
        need(1 <= len(template["text"]) <= 160, _error(400), "the length of a template's text")
        need(1 <= len(template["actions"]) <= 4, _error(400), "the number of actions")
        return Shown(template["text"], tuple(_choice(action) for action in template["actions"]), id=name)
    units = len(message["text"].encode("utf-16-le")) // 2
    need(1 <= units <= 5000, _error(400), f"a text of {units}")
    items = message.get("quickReply", {}).get("items", [])
    need(len(items) <= 13, _error(400), f"{len(items)} quick replies")
    return Shown(message["text"], tuple(_choice(item["action"]) for item in items), id=name)


def _choice(action: Json) -> Choice:
    need(1 <= len(action["label"]) <= 20, _error(400), "the length of a label")
    need(1 <= len(action["data"]) <= 300, _error(400), "the length of the data")
    return Choice(action["label"], action["data"])


def _error(status: int, message: str = "") -> web.Response:
    return web.json_response({"message": message or _MESSAGES.get(status, "an error")}, status=status)
