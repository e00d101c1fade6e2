"""Rasa's model API: what the model makes of a text, without a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import orjson
from aiohttp import web

from bot.doors import Doors
from bot.wire import read_object, text_field
from nlu.types import Understander

_MINIMUM_COMPATIBLE = "3.0.0"


@dataclass(frozen=True, slots=True)
class ModelDoor:
    understander: Understander
    doors: Doors
    text_chars: int
    json_depth: int

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/model/parse", self.parse),
            web.get("/status", self.status),
            web.get("/version", self.version),
        ]

    async def parse(self, request: web.Request) -> web.Response:
        self.doors.check_api(request)
        data = read_object(await request.read(), self.json_depth)
        text = text_field(data, "text", longest=self.text_chars)
        understood = (await self.understander.understand([text]))[0].to_rasa()
        if data.get("message_id") is not None:
            understood["message_id"] = text_field(data, "message_id", longest=200)
        return web.Response(body=orjson.dumps(understood), content_type="application/json")

    async def status(self, request: web.Request) -> web.Response:
        self.doors.check_api(request)
        model = self.understander.model
        return web.json_response({"model_file": model, "model_id": model, "num_active_training_jobs": 0})

    async def version(self, request: web.Request) -> web.Response:
        return web.json_response({"version": version("frontdesk"), "minimum_compatible_version": _MINIMUM_COMPATIBLE})
