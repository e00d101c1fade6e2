"""A program that talks for its customers by signed webhooks, as it should be written."""

from __future__ import annotations

import base64
import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import orjson
from aiohttp import web

from bot.channels.received import Request
from bot.channels.settings import ChannelSettings, Limits
from bot.channels.signed import SignedSettings, signature
from bot.secrets import read_secrets
from bot.simulators.provider import Choice, Event, Provider, Shown, Taken, need


@dataclass
class SignedProgram(Provider):
    name: ClassVar[str] = "signed"
    retries: ClassVar[tuple[float, ...]] = (5, 300, 1800)

    settings: SignedSettings = field(kw_only=True)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        secret = base64.b64encode(b"only for trying things out").decode()
        return {"url": f"{url}/replies", "secrets": [f"whsec_{secret}"]}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("SignedSettings", settings))

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        connector = self.settings.connect(Limits(1 << 20, 64))
        headers = {name.lower(): value for name, value in request.headers.items()}
        came = Request(request.method, request.query, headers, body, time.time(), request.raw_path)
        need(request.path == "/replies", web.Response(status=404), f"{request.method} {request.path}")
        need(connector.verify(came), web.Response(status=401), "a bad signature")
        data = orjson.loads(body)["data"]
        buttons = tuple(Choice(button["title"], button["payload"]) for button in data["buttons"])
        shown = Shown(data["text"], buttons, data["image"], headers["webhook-id"])
        return Taken(web.Response(), data["conversation"], (shown,), headers["webhook-id"])

    def refused(self, status: int) -> web.Response:
        asked = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return web.Response(status=status, headers=asked)

    def said(self, customer: str, text: str) -> Event:
        return self._event({"conversation": customer, "text": text})

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        return self._event({"conversation": customer, "text": choice.title, "payload": choice.id})

    def _event(self, data: dict[str, str]) -> Event:
        return self.resigned(Event(), orjson.dumps({"type": "message", "data": data}))

    def resigned(self, event: Event, body: bytes) -> Event:
        message_id, at = f"msg_{next(self._numbers)}", str(int(time.time()))
        (key, *_) = read_secrets(secret.get_secret_value() for secret in self.settings.secrets)
        headers = {"webhook-id": message_id, "webhook-timestamp": at}
        return Event(body, {**headers, "webhook-signature": signature(key, message_id, at, body)})
