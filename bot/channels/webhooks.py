"""The door of all messaging channels: what a provider sent is verified, parsed, accepted, and then acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import HttpVersion11, web

from bot import metrics
from bot.admission import Busy
from bot.channels.connector import Connector
from bot.channels.intake import Intake
from bot.channels.received import Reply, Request
from bot.channels.verdict import Call, Outcome
from bot.journal.errors import StaleFence, Unavailable

REFUSED = Reply(401)
LARGEST = 4 * 1024 * 1024
"""Bytes of a request: Meta's batches have up to three million."""
QUESTIONS = 3
"""That may have to be asked before a request can be verified."""


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    intake: Intake
    connectors: Mapping[str, Connector]
    call: Callable[[Call], Awaitable[Outcome]]
    _learning: defaultdict[str, asyncio.Lock] = field(init=False, default_factory=lambda: defaultdict(asyncio.Lock))

    def routes(self) -> list[web.RouteDef]:
        return [web.route("*", "/webhooks/{channel}", self.receive, expect_handler=_expected)]

    async def receive(self, request: web.Request) -> web.Response:
        """All that is in it, in order. If a message cannot be stored, the provider is told to send all of it again."""
        connector = self.connectors.get(request.match_info["channel"])
        came = await _received(request)
        called = connector is not None and connector.mailbox() is None
        if connector is None or not called or not await self._verified(connector, came):
            metrics.REFUSED.labels("signature").inc()
            return _response(REFUSED)
        received = connector.parse(came)
        try:
            await self.intake.take(connector, received, came.now)
        except (Busy, StaleFence, Unavailable):
            if connector.again == HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            return web.Response(status=connector.again)
        return _response(received.reply)

    async def _verified(self, connector: Connector, came: Request) -> bool:
        if connector.lacks(came):
            async with self._learning[connector.name]:
                await self._learn(connector, came)
        return connector.verify(came)

    async def _learn(self, connector: Connector, came: Request) -> None:
        """Who needs the same as another waits, and finds that there is nothing to be asked any more."""
        for _ in range(QUESTIONS):
            missing = connector.lacks(came)
            if missing is None:
                return
            connector.learn(await self.call(missing), came.now)


async def _expected(request: web.Request) -> None:
    """Who waits for it is told to send the body. What else is expected is ignored (RFC 9110, 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the answer itself has not begun


async def _received(request: web.Request) -> Request:
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = await request.clone(client_max_size=LARGEST).read()
    return Request(request.method, request.query, headers, body, time.time(), request.raw_path)


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, content_type=reply.content_type)
