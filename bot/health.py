"""Whether the service lives, and whether it can serve: the model is asked a real question."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.journal.journal import Journal
from bot.language import Language
from bot.sessions import Sessions

_QUESTION = "where is my order"
_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    journal: Journal
    sessions: Sessions
    language: Language
    draining: asyncio.Event = field(default_factory=asyncio.Event)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/health/live", self.live), web.get("/health/ready", self.ready)]

    async def live(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(self, request: web.Request) -> web.Response:
        """503 when messages could not be answered. Redis away only makes it slower: `degraded`, still ready."""
        database, redis, model = await asyncio.gather(
            _check(self.journal.ping()), _check(self.sessions.ping()), self._model()
        )
        ready = database["ok"] and model["ok"] and not self.draining.is_set()
        body = {
            "status": self._status(ready, redis["ok"]),
            "database": database,
            "redis": redis,
            "model": model | {"id": self.language.model},
        }
        return web.json_response(body, status=200 if ready else 503)

    async def _model(self) -> dict[str, Any]:
        if not self.language.loaded.is_set():
            return {"ok": False, "message": "The model is loading."}
        return await _check(self.language.understand([_QUESTION]))

    def _status(self, ready: bool, redis: bool) -> str:
        if ready:
            return "ok" if redis else "degraded"
        if self.draining.is_set():
            return "draining"
        return "down" if self.language.loaded.is_set() else "loading"


async def _check(question: Awaitable[Any]) -> dict[str, Any]:
    started = time.monotonic()
    try:
        async with asyncio.timeout(_SECONDS):
            answer = await question
        ok = answer is not False
    except Exception:
        ok = False
    return {"ok": ok, "milliseconds": round((time.monotonic() - started) * 1000, 1)}
