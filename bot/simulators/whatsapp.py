"""WhatsApp's Cloud API, as strict as the real one about what it is sent."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import orjson
from aiohttp import web

from bot.channels.settings import ChannelSettings
from bot.channels.whatsapp import WhatsappSettings
from bot.messages import Json
from bot.simulators.meta import SAMPLE, authorised, graph_error, signed
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

_CODES = {400: 131009, 401: 190, 403: 10, 404: 131026, 429: 130429, 500: 131000, 503: 131016}


@dataclass
class WhatsappCloudApi(Provider):
    name: ClassVar[str] = "whatsapp"
    retries: ClassVar[tuple[float, ...]] = (5, 30, 300, 1800, 7200, 43200, 86400)

    settings: WhatsappSettings = field(kw_only=True)
    signals: list[str] = field(default_factory=list)
    """Messages that were marked as read."""
    sent: dict[str, Json] = field(default_factory=dict)
    """What we sent, by its id."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {**SAMPLE, "phone_number_id": "106540352242922", "api": url, "files": f"{url}/files"}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("WhatsappSettings", settings))

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        authorised(request, self.settings)
        number = f"/{self.settings.version}/{self.settings.phone_number_id}"
        if request.method == "GET" and request.path == number:
            return Taken(web.json_response({"id": self.settings.phone_number_id, "verified_name": "Shop"}))
        if request.method == "GET":
            return self._media(request.path)
        known = (request.method, request.path) == ("POST", f"{number}/messages")
        need(known, graph_error(404, 100, "Unsupported request"), f"{request.method} {request.path}")
        asked = orjson.loads(body)
        need(asked["messaging_product"] == "whatsapp", _wrong("messaging_product"), "the product")
        if asked.get("status") == "read":
            need(asked["typing_indicator"] == {"type": "text"}, _wrong("typing_indicator"), "the typing indicator")
            self.signals.append(asked["message_id"])
            return Taken(web.json_response({"success": True}))
        return self._message(asked)

    def _media(self, path: str) -> Taken:
        """By a file's number its address, and there its bytes."""
        folder, _, name = path.rpartition("/")
        file = self.file(name, graph_error(400, 100, "Unsupported get request."))
        if folder == "/files":
            return served(file)
        need(folder == f"/{self.settings.version}", graph_error(404, 100, "Unsupported request"), path)
        told = {"url": f"{self.url}/files/{name}", "mime_type": file.type, "file_size": len(file.body), "id": name}
        return Taken(web.json_response({"messaging_product": "whatsapp", **told}))

    def _message(self, asked: Json) -> Taken:
        to = asked.get("to") or asked.get("recipient")
        need(isinstance(to, str) and bool(to), _wrong("to"), "the recipient")
        shown = _SHOWN[asked["type"]](asked[asked["type"]])
        name = f"wamid.out{next(self._numbers)}"
        self.sent[name] = asked
        answer = {"messaging_product": "whatsapp", "contacts": [{"input": to}], "messages": [{"id": name}]}
        text, choices, image = shown
        return Taken(web.json_response(answer), str(to), (Shown(text, choices, image, name),))

    def refused(self, status: int) -> web.Response:
        answer = graph_error(status, _CODES.get(status, 131000), "an error")
        if self.retry_after is not None:
            answer.headers["Retry-After"] = f"{self.retry_after:g}"
        return answer

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """`code N`: that error of WhatsApp's own."""
        return graph_error(400, int(kind.removeprefix("code ")), "an error")

    # -- events

    def said(self, customer: str, text: str) -> Event:
        return self.event(self.message(customer, type="text", text={"body": text}))

    def sent_file(self, customer: str, file: File) -> Event:
        name = f"{next(self._numbers):015}"
        self.files[name] = file
        told = {"id": name, "mime_type": file.type, "filename": file.name}
        return self.event(self.message(customer, type="document", document=told))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        kind = "button_reply" if len(under.choices) <= 3 else "list_reply"
        reply = {"type": kind, kind: {"id": choice.id, "title": choice.title}}
        return self.event(self.message(customer, type="interactive", interactive=reply))

    def resigned(self, event: Event, body: bytes) -> Event:
        return signed(body, self.settings)

    def message(self, customer: str, **content: Any) -> Json:
        """From a phone number, or from a user id such as US.1349."""
        name = "from" if customer.isdigit() else "from_user_id"
        return {"id": f"wamid.in{next(self._numbers)}", name: customer, "timestamp": str(int(time.time())), **content}

    def status(self, name: str, status: str, **more: Any) -> Json:
        """What became of a message that we sent."""
        sent = self.sent[name]
        who = {"recipient_id": sent["to"]} if "to" in sent else {"recipient_user_id": sent["recipient"]}
        key = {"biz_opaque_callback_data": sent["biz_opaque_callback_data"]}
        return {"id": name, "status": status, "timestamp": str(int(time.time())), **who, **key, **more}

    def event(self, *messages: Json, statuses: tuple[Json, ...] = (), number: str | None = None) -> Event:
        """All of them in one request, a change each."""
        metadata = {"phone_number_id": number or self.settings.phone_number_id, "display_phone_number": "15550783881"}
        values = [
            {"messages": [message], "contacts": [{"profile": {"name": "Ada"}, **_ids(message)}]} for message in messages
        ]
        values += [{"statuses": [status]} for status in statuses]
        product = {"messaging_product": "whatsapp", "metadata": metadata}
        changes = [{"field": "messages", "value": {**product, **value}} for value in values]
        told = {"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}
        return signed(orjson.dumps(told), self.settings)


def _ids(message: Json) -> Json:
    return {"wa_id": message["from"]} if "from" in message else {"user_id": message["from_user_id"]}


def _wrong(name: str) -> web.Response:
    return graph_error(400, 100, f"(#100) Invalid parameter: {name}")


def _fits(text: str, least: int, most: int, name: str) -> str:
    need(least <= len(text) <= most, _wrong(name), f"the length of {name}: {len(text)}")
    return text


def _text(asked: Json) -> tuple[str, tuple[Choice, ...], str]:
    return _fits(asked["body"], 1, 4096, "text.body"), (), ""


def _image(asked: Json) -> tuple[str, tuple[Choice, ...], str]:
    return _fits(asked.get("caption", ""), 0, 1024, "caption"), (), asked["link"]


def _interactive(asked: Json) -> tuple[str, tuple[Choice, ...], str]:
    text = _fits(asked["body"]["text"], 1, 1024, "body")
    header = asked.get("header", {})
    if asked["type"] == "button":
        need(header.keys() <= {"type", "image"}, _wrong("header"), "the header")
        replies = [button["reply"] for button in asked["action"]["buttons"]]
        need(1 <= len(replies) <= 3, _wrong("buttons"), f"{len(replies)} buttons")
        return text, _choices(replies, 20, 256), header["image"]["link"] if header else ""
    need(not header, _wrong("header"), "a list's header")
    _fits(asked["action"]["button"], 1, 20, "the list's button")
    rows = [row for section in asked["action"]["sections"] for row in section["rows"]]
    need(1 <= len(rows) <= 10, _wrong("rows"), f"{len(rows)} rows")
    return text, _choices(rows, 24, 200), ""


def _choices(given: list[Json], title: int, name: int) -> tuple[Choice, ...]:
    titles = [_fits(one["title"], 1, title, "title") for one in given]
    need(len(set(titles)) == len(titles), _wrong("title"), "two choices of one title")
    return tuple(Choice(one["title"], _fits(one["id"], 1, name, "id")) for one in given)


def _template(asked: Json) -> tuple[str, tuple[Choice, ...], str]:
    return f"template {asked['name']} ({asked['language']['code']})", (), ""


_SHOWN = {"text": _text, "image": _image, "interactive": _interactive, "template": _template}
