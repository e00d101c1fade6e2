"""A program that receives our signed webhooks: strict about what it is sent, and able to fail in every way."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SEVERAL = 20
"""Seconds to wait for what has to happen."""


@dataclass
class Receiver:
    """It keeps what the customer saw. `plan` says what becomes of the next requests; afterwards all goes well.

    ok            taken, 200
    STATUS        that status, and not taken; 429 and 503 with the `retry_after`
    late 500      taken, and 500 nevertheless
    hang          taken, and no answer
    cut           taken, and the connection cut
    lost          not taken, and the connection cut
    """

    url: str = ""
    plan: deque[str] = field(default_factory=deque)
    retry_after: str | None = None
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Each request: its id and what became of it."""
    seen: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """What each customer saw."""
    faults: list[str] = field(default_factory=list)
    """What we did that we must not."""
    most_at_once: int = 0
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    _taken: dict[str, bytes] = field(default_factory=dict)
    _last: dict[str, int] = field(default_factory=dict)
    _under_way: dict[str, str] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def open(cls, *plan: str) -> AsyncIterator[Self]:
        receiver = cls(plan=deque(plan))
        receiver.hold.set()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", receiver._receive)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/replies"
        try:
            yield receiver
        finally:
            receiver.hold.set()
            await runner.cleanup()
        assert receiver.faults == [], receiver.faults

    async def until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(SEVERAL):
            while not happened():
                await asyncio.sleep(0.005)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        event = self._checked(request, body)
        message_id, conversation = request.headers["webhook-id"], event["data"]["conversation"]
        kind = self.plan.popleft() if self.plan else "ok"
        self.calls.append((message_id, kind))
        if conversation in self._under_way:
            self.faults.append(f"two calls of {conversation} at once")
        self._under_way[conversation] = message_id
        self.most_at_once = max(self.most_at_once, len(self._under_way))
        try:
            await self.hold.wait()
            await asyncio.sleep(0.002)  # as long as it takes to notice a second call at once
            return await self._answer(request, kind, message_id, event["data"], body)
        finally:
            self._under_way.pop(conversation, None)

    def _checked(self, request: web.Request, body: bytes) -> Any:
        if request.method != "POST" or request.path != "/replies":
            self.faults.append(f"{request.method} {request.path}")
        if request.headers.get("Content-Type") != "application/json":
            self.faults.append("the content type")
        try:
            return Webhook(SECRET).verify(body, dict(request.headers.items()))
        except Exception as error:
            self.faults.append(f"a bad signature: {error!r}")
            return json.loads(body)

    async def _answer(
        self, request: web.Request, kind: str, message_id: str, data: Any, body: bytes
    ) -> web.StreamResponse:
        if kind.isdigit():
            asked = {"Retry-After": self.retry_after} if self.retry_after else {}
            return web.Response(status=int(kind), headers=asked, text=f"words of the customer: {data['text']}")
        if kind != "lost":
            self._take(message_id, data, body)
        if kind in ("cut", "lost") and request.transport:
            request.transport.abort()
        if kind == "hang":
            self._under_way.pop(data["conversation"], None)  # the caller's deadline ends it, not ours
            await asyncio.sleep(SEVERAL)
        return web.Response(status=500 if kind == "late 500" else 200)

    def _take(self, message_id: str, data: Any, body: bytes) -> None:
        if message_id in self._taken:
            if self._taken[message_id] != body:
                self.faults.append(f"{message_id} came with another body")
            return
        self._taken[message_id] = body
        conversation = data["conversation"]
        if data["seq"] <= self._last.get(conversation, 0):
            self.faults.append(f"{conversation}: {data['seq']} after {self._last[conversation]}")
        self._last[conversation] = data["seq"]
        self.seen[conversation].append(data["text"])
