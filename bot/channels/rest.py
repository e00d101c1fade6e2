"""Rasa's REST channel: a message in, its replies out in the same exchange."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
from aiohttp import web

from bot.dispatcher import Dispatcher
from bot.doors import Doors
from bot.messages import Button, Entry, Inbound, Outbound
from bot.wire import Malformed, clean_text, read_object, text_field

Json = dict[str, Any]

CHANNEL = "rest"
_SENDER_CHARS = 200
_ID_CHARS = 128


@dataclass(frozen=True, slots=True)
class RestLimits:
    text: int
    depth: int
    seconds: float


@dataclass(frozen=True, slots=True)
class RestDoor:
    dispatcher: Dispatcher
    doors: Doors
    limits: RestLimits

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/webhooks/rest/", self.health),
            web.post("/webhooks/rest/webhook", self.webhook),
        ]

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def webhook(self, request: web.Request) -> web.StreamResponse:
        self.doors.check_api(request)
        sender, inbound = self._inbound(await request.read())
        if not inbound.text:
            return web.json_response([])
        accepted = await self.dispatcher.receive(inbound)
        entries = await self.dispatcher.replies(accepted, self.limits.seconds)
        items = [item for entry in entries for item in render(sender, entry)]
        if request.query.get("stream") == "true":
            return _stream(items)
        return web.Response(body=orjson.dumps(items), content_type="application/json")

    def _inbound(self, body: bytes) -> tuple[str, Inbound]:
        data = read_object(body, self.limits.depth)
        sender = text_field(data, "sender", longest=_SENDER_CHARS, default="default")
        text = clean_text(text_field(data, "message", longest=self.limits.text, default=""))
        metadata = {} if data.get("metadata") is None else data["metadata"]
        if not isinstance(metadata, dict):
            raise Malformed("`metadata` must be an object.")
        channel = text_field(data, "input_channel", longest=_ID_CHARS, default=CHANNEL)
        message_id = text_field(data, "message_id", longest=_ID_CHARS, default=str(uuid4()))
        payload = text if text.startswith("/") else None
        metadata = {**metadata, "input_channel": channel}
        key = f"{CHANNEL}-{clean_text(sender)}"
        return sender, Inbound(key, message_id, text, CHANNEL, time.time(), payload=payload, metadata=metadata)


def render(recipient: str, entry: Entry) -> list[Json]:
    """An entry as the items of Rasa's REST answer: text is split at blank lines unless it has buttons."""
    message = entry.message
    items: list[Json] = []
    text = _with_source(message)
    if message.buttons:
        items.append({"text": text, "buttons": _buttons(message.buttons)})
    elif text:
        items += [{"text": part} for part in text.split("\n\n") if part.strip()]
    if message.custom is not None:
        items.append({"custom": dict(message.custom)})
    if message.image:
        items.append({"image": message.image})
    for card in message.cards:
        line = " : ".join(part for part in (card.title, card.subtitle) if part)
        items.append({"text": line} | ({"buttons": _buttons(card.buttons)} if card.buttons else {}))
    return [{"recipient_id": recipient, **item} for item in items]


def _with_source(message: Outbound) -> str:
    if message.source is None:
        return message.text
    return f"{message.text}\n\n[{message.source.title}]({message.source.url})"


def _buttons(buttons: tuple[Button, ...]) -> list[Json]:
    return [button.to_json() for button in buttons]


def _stream(items: list[Json]) -> web.Response:
    """Rasa calls this an event stream, though it is one JSON object a line."""
    lines = b"".join(orjson.dumps(item) + b"\n" for item in items)
    return web.Response(body=lines, content_type="text/event-stream")
