"""Messenger's and Instagram's Send API, as strict as the real one about what it is sent."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import orjson
from aiohttp import web

from bot.channels.messenger import InstagramSettings, Messenger, MessengerSettings
from bot.channels.meta import MetaSettings
from bot.channels.settings import ChannelSettings, Limits
from bot.messages import Json
from bot.simulators.meta import SAMPLE, authorised, graph_error, signed
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

PAGE = "102345678901234"
_CODES = {400: 100, 401: 190, 403: 10, 429: 613, 500: 2, 503: 2}


@dataclass
class MessengerSendApi(Provider):
    name: ClassVar[str] = "messenger"
    retries: ClassVar[tuple[float, ...]] = (5, 60, 600, 3600)
    longest: ClassVar[int] = 2000
    """Bytes of a text on Instagram, characters on Messenger."""

    settings: MetaSettings = field(kw_only=True)
    signals: list[str] = field(default_factory=list)
    """Customers who were shown typing."""
    sent: dict[str, Json] = field(default_factory=dict)
    """What we sent, by its id."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {**SAMPLE, "page_id": PAGE, "api": url, "files": f"{url}/cdn"}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        assert isinstance(settings, MessengerSettings | InstagramSettings)
        return cls(settings=settings)

    @property
    def account(self) -> str:
        connector = self.settings.connect(Limits(4000, 16))
        assert isinstance(connector, Messenger)
        return connector.account

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        if request.path.startswith("/cdn/"):
            return self._cdn(request)
        authorised(request, self.settings)
        own = f"/{self.settings.version}/{self.account}"
        if request.method == "GET" and request.path == own:
            return Taken(web.json_response({"id": self.account, "name": "Shop"}))
        if request.method == "GET" and request.path == f"{own}/subscribed_apps":
            fields = ["messages", "messaging_postbacks"]
            return Taken(web.json_response({"data": [{"id": "1", "subscribed_fields": fields}]}))
        known = (request.method, request.path) == ("POST", f"{own}/messages")
        need(known, graph_error(404, 100, "Unsupported request"), f"{request.method} {request.path}")
        asked = orjson.loads(body)
        customer = asked["recipient"]["id"]
        if asked.get("sender_action") == "typing_on":
            self.signals.append(customer)
            return Taken(web.json_response({"recipient_id": customer}))
        need(asked["messaging_type"] in ("RESPONSE", "MESSAGE_TAG"), _wrong("messaging_type"), "the messaging type")
        name = f"m_out{next(self._numbers)}"
        self.sent[name] = asked
        shown = tuple(self._shown(asked["message"], name))
        return Taken(web.json_response({"recipient_id": customer, "message_id": name}), customer, shown)

    def _cdn(self, request: web.Request) -> Taken:
        """Who has the address may have the file; nobody there wants to know our token."""
        need("Authorization" not in request.headers, graph_error(400, 100, "an error"), "a token for the files' host")
        return served(self.file(request.path.removeprefix("/cdn/"), graph_error(404, 100, "URL signature expired")))

    def _shown(self, message: Json, name: str) -> list[Shown]:
        need(len(message["metadata"]) <= 1000, _wrong("metadata"), "the metadata")
        attachment = message.get("attachment")
        if attachment is None:
            text = self._fits(message["text"])
            replies = message.get("quick_replies", [])
            need(len(replies) <= 13, _wrong("quick_replies"), f"{len(replies)} quick replies")
            return [Shown(text, _choices(replies), id=name)]
        payload = attachment["payload"]
        if attachment["type"] == "image":
            return [Shown(image=payload["url"], id=name)]
        if payload["template_type"] == "button":
            _length(payload["text"], 640, "text")
            need(1 <= len(payload["buttons"]) <= 3, _wrong("buttons"), "the number of buttons")
            return [Shown(payload["text"], _choices(payload["buttons"]), id=name)]
        need(1 <= len(payload["elements"]) <= 10, _wrong("elements"), "the number of elements")
        return [_card(element, name) for element in payload["elements"]]

    def _fits(self, text: str) -> str:
        size = len(text.encode()) if self.name == "instagram" else len(text)
        need(1 <= size <= self.longest, _wrong("text"), f"a text of {size}")
        return text

    def refused(self, status: int) -> web.Response:
        answer = graph_error(status, _CODES.get(status, 2), "an error")
        if self.retry_after is not None:
            answer.headers["Retry-After"] = f"{self.retry_after:g}"
        return answer

    # -- events

    def said(self, customer: str, text: str) -> Event:
        return self.event(self.happened(customer, message={"mid": self.mid(), "text": text}))

    def sent_file(self, customer: str, file: File) -> Event:
        mid = self.mid()
        self.files[mid] = file
        kind = file.type.partition("/")[0]
        payload = {"url": f"{self.url}/cdn/{mid}"}
        told = [{"type": kind if kind in ("image", "audio", "video") else "file", "payload": payload}]
        return self.event(self.happened(customer, message={"mid": mid, "attachments": told}))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        if len(under.choices) <= 3:
            postback = {"mid": self.mid(), "title": choice.title, "payload": choice.id}
            return self.event(self.happened(customer, postback=postback))
        message = {"mid": self.mid(), "text": choice.title, "quick_reply": {"payload": choice.id}}
        return self.event(self.happened(customer, message=message))

    def resigned(self, event: Event, body: bytes) -> Event:
        return signed(body, self.settings)

    def mid(self) -> str:
        return f"m_in{next(self._numbers)}"

    def happened(self, customer: str, **content: Any) -> Json:
        sides = {"sender": {"id": customer}, "recipient": {"id": self.account}}
        return {**sides, "timestamp": int(time.time() * 1000), **content}

    def echo(self, name: str) -> Json:
        """Of a message that we sent."""
        sent = self.sent[name]
        sides = {"sender": {"id": self.account}, "recipient": sent["recipient"]}
        message = {"mid": name, "is_echo": True, "app_id": 1, "metadata": sent["message"]["metadata"]}
        return {**sides, "timestamp": int(time.time() * 1000), "message": message}

    def event(self, *happened: Json, account: str | None = None) -> Event:
        """All of them in one request."""
        entry = {"id": account or self.account, "time": int(time.time() * 1000), "messaging": list(happened)}
        kind = "instagram" if self.name == "instagram" else "page"
        return signed(orjson.dumps({"object": kind, "entry": [entry]}), self.settings)


def _card(element: Json, name: str) -> Shown:
    title = _length(element["title"], 80, "title")
    subtitle = _length(element.get("subtitle", ""), 80, "subtitle")
    text = "\n".join(line for line in (title, subtitle) if line)
    return Shown(text, _choices(element.get("buttons", [])), element.get("image_url", ""), name)


def _choices(given: list[Json]) -> tuple[Choice, ...]:
    for one in given:
        _length(one["title"], 20, "title")
        _length(one["payload"], 1000, "payload")
    return tuple(Choice(one["title"], one["payload"]) for one in given)


def _length(text: str, most: int, name: str) -> str:
    need(len(text) <= most, _wrong(name), f"the length of {name}: {len(text)}")
    return text


def _wrong(name: str) -> web.Response:
    return graph_error(400, 100, f"(#100) Invalid parameter: {name}")
