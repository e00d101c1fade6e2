"""Whether the service lives, and whether it can serve: the model is asked a real question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.journal.journal import Journal
from bot.sessions import Sessions
from nlu.types import Understander

_QUESTION = "where is my order"
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    journal: Journal
    sessions: Sessions
    understander: Understander
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/health/live", self.live), web.get("/health/ready", self.ready)]

    async def live(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """503 when messages could not be answered. Redis away only makes it slower: `degraded`, still ready."""
        database, redis, model = await asyncio.gather(
            _check(self.journal.ping()),
            _check(self.sessions.ping()),
            _check(self.understander.understand([_QUESTION])),
        )
        ready = database["ok"] and model["ok"] and not self.draining.is_set()
        status = (
            "ok" if ready and redis["ok"] else "degraded" if ready else "draining" if self.draining.is_set() else "down"
        )
        body = {
            "status": status,
            "database": database,
            "redis": redis,
            "model": model | {"id": self.understander.model},
        }
        return web.json_response(body, status=200 if ready else 503)


async def _check(question: Awaitable[Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await question
        ok = answer is not False
    except Exception:
        ok = False
    return {"ok": ok, "milliseconds": round((time.monotonic() - started) * 1000, 1)}
