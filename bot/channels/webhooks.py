"""The door of all messaging channels: what a provider sent is verified, parsed, accepted, and then acknowledged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from aiohttp import web

from bot import metrics
from bot.channels.connector import Connector, Request
from bot.dispatcher import Dispatcher
from bot.messages import Inbound, Json


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    dispatcher: Dispatcher
    connectors: Mapping[str, Connector]

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/webhooks/{channel}", self.receive)]

    async def receive(self, request: web.Request) -> web.Response:
        """All of its messages, in order. If one cannot be stored, the provider is told to send all of it again."""
        connector = self.connectors.get(request.match_info["channel"])
        received = await _received(request)
        if connector is None or not connector.verify(received):
            metrics.REFUSED.labels("signature").inc()
            return web.Response(status=401)
        messages = connector.parse(received)
        if not messages:
            metrics.IGNORED.labels(connector.name).inc()
        return web.json_response({"accepted": [await self._accept(message) for message in messages]})

    async def _accept(self, message: Inbound) -> Json:
        accepted = await self.dispatcher.receive(message)
        return {"message_id": message.message_id, "seq": accepted.seq}


async def _received(request: web.Request) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(request.method, request.query, headers, await request.read(), time.time())
