"""The model as a service of its own, for a GPU that many chat servers share: texts with their deadline over HTTP."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Protocol, TypeAlias

from aiohttp import web

from nlu import wire
from nlu.engine.batcher import Late, Overloaded
from nlu.types import Query, Understanding

HEALTH = "/health"
RETRY_SECONDS = 1
"""What a caller who was refused is asked to wait."""
GRACE_SECONDS = 5.0
"""How long answers under way may take to leave when the service stops."""
_QUESTION, _QUESTION_SECONDS = "where is my order", 2.0

log = logging.getLogger(__name__)


class Punctual(Protocol):
    """Understands in time or not at all: nlu.understand.Service."""

    @property
    def model(self) -> str: ...

    async def answer(self, queries: Sequence[Query], until: float) -> list[Understanding]:
        """Raises Overloaded, and Late for what cannot be there by `until` on the event loop's clock."""


Doors: TypeAlias = Callable[[web.Server], AbstractContextManager[object]]
"""Gives connections to the server until the context is left: bot.listening.accepting at a listener."""


@asynccontextmanager
async def serving(
    understander: Punctual, token: str, doors: Doors, routes: Sequence[web.RouteDef] = ()
) -> AsyncIterator[None]:
    """Answers while the context is open, other routes too; an empty token lets everybody in who reaches it."""
    app = ModelServer(understander, token).app()
    app.add_routes(routes)
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # a small body may unpack to a large one
        handler_cancellation=True,  # nobody understands for who hung up
        shutdown_timeout=GRACE_SECONDS,
    )
    await runner.setup()
    assert runner.server is not None
    try:
        with doors(runner.server):
            yield
    finally:
        await runner.cleanup()


class ModelServer:
    def __init__(self, understander: Punctual, token: str) -> None:
        self._understander, self._token = understander, token.encode()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=wire.LARGEST_QUESTION)
        app.add_routes([web.post(wire.PATH, self.understand), web.get(HEALTH, self.health)])
        return app

    async def understand(self, request: web.Request) -> web.Response:
        """503 if too many texts wait, 504 for what would be too late."""
        came = asyncio.get_running_loop().time()
        self._check(request)
        try:
            asked = wire.read_question(await request.read())
        except wire.Unreadable as problem:
            raise web.HTTPBadRequest(text=str(problem)) from None
        return await self._answer(asked.queries(), came + asked.milliseconds / 1000)

    async def _answer(self, queries: Sequence[Query], until: float) -> web.Response:
        try:
            found = await self._understander.answer(queries, until)
        except Overloaded:
            headers = {"Retry-After": str(RETRY_SECONDS)}
            return web.Response(status=503, text="Too many texts are waiting.", headers=headers)
        except Late:
            return web.Response(status=504, text="No time was left to answer.")
        except Exception:
            log.exception("a request of %s texts failed", len(queries))
            return web.Response(status=500, text="Something went wrong here; it has been logged.")
        body = wire.packed(wire.Answer(self._understander.model, tuple(found)))
        return web.Response(body=body, content_type=wire.CONTENT_TYPE)

    async def health(self, request: web.Request) -> web.Response:
        """The model is asked a real question."""
        until = asyncio.get_running_loop().time() + _QUESTION_SECONDS
        status = (await self._answer([Query(_QUESTION)], until)).status
        told = {200: "ok", 500: "failing"}.get(status, "overloaded")
        body = {"status": told, "model": self._understander.model}
        return web.json_response(body, status=200 if told == "ok" else 503)

    def _check(self, request: web.Request) -> None:
        if "Origin" in request.headers:
            raise web.HTTPForbidden(text="No page may ask.")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        known = hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self._token)
        if self._token and (scheme.lower() != "bearer" or not known):
            raise web.HTTPUnauthorized(text="The token is missing or wrong; see FRONTDESK_MODEL_TOKEN.")
