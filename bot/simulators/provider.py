"""A simulator of a provider that is called over HTTP and calls our webhook.

A subclass knows its provider's protocol: `taken` checks a call and says what the customer sees, `refused` and the
other answers have the provider's own shapes, `said` and `pressed` make the requests that its service would send.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

from bot.simulators.simulator import Choice, Event, File, Shown, Simulator

__all__ = ["Choice", "Event", "File", "NotTaken", "Provider", "Shown", "Taken", "need", "served"]

HANG_SECONDS = 60.0
CALL_SECONDS = 15.0
"""How long a provider waits for us, if it does not say."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A call that the provider understood."""

    answer: web.Response
    customer: str = ""
    """Who sees it; empty for a call that shows nothing."""
    shown: tuple[Shown, ...] = ()
    key: str | None = None
    """By which the provider knows a repeated call; None if it does not look."""
    again: web.Response | None = None
    """What it answers to a repeated one; else as to the first."""


class NotTaken(Exception):
    """The provider refuses the call, which should not have been made; the sentence says what is wrong with it."""

    def __init__(self, answer: web.Response, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = answer


@dataclass
class Provider(Simulator):
    """Its `plan` knows what `planned` does, too."""

    files: dict[str, File] = field(default_factory=dict)
    """What customers sent, by the provider's names for it."""
    _known: dict[str, web.Response] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    @abstractmethod
    async def taken(self, request: web.Request, body: bytes) -> Taken:
        """Checks the call as strictly as the provider does, or more. Raises NotTaken."""

    @abstractmethod
    def refused(self, status: int) -> web.Response:
        """An error of that status in the provider's shape, with `retry_after` if it says so."""

    def file(self, name: str, missing: web.Response) -> File:
        """Raises NotTaken."""
        need(name in self.files, missing, f"the file {name}")
        return self.files[name]

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """A fault of the provider's own."""
        raise ValueError(f"{self.name} has no fault {kind!r}.")

    async def exchange(self, event: Event) -> tuple[int, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALL_SECONDS))
        try:
            url = f"{self.webhook}{event.query}"
            sent = self._session.request(event.method, url, data=event.body or None, headers=event.headers)
            async with sent as response:
                return response.status, await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0, b""

    # -- from our service

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[Self]:
        app = web.Application(client_max_size=64 << 20)
        app.router.add_route("*", "/{path:.*}", self._receive)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()
            if self._session is not None:
                await self._session.close()
        assert self.faults == [], self.faults

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            return await self._answered(request, body)
        finally:
            self._came.set()

    async def _answered(self, request: web.Request, body: bytes) -> web.StreamResponse:
        try:
            taken = await self.taken(request, body)
        except NotTaken as wrong:
            self.faults.append(str(wrong))
            return wrong.answer
        if not taken.shown:
            return taken.answer
        kind = self.plan.popleft() if self.plan else "ok"
        self.calls.append(kind)
        return await self._answer(request, kind, taken)

    async def _answer(self, request: web.Request, kind: str, taken: Taken) -> web.StreamResponse:
        if kind.isdigit():
            return self.refused(int(kind))
        if kind in ("ok", "hang", "cut") or kind.startswith("late "):
            answer = self._show(taken)
        elif kind != "lost":
            return self.planned(kind, taken)
        if kind in ("cut", "lost") and request.transport:
            request.transport.abort()
            return web.Response(status=500)
        if kind == "hang":
            await asyncio.sleep(HANG_SECONDS)
        return self.refused(int(kind[5:])) if kind.startswith("late ") else answer

    def _show(self, taken: Taken) -> web.Response:
        if taken.key is not None:
            if taken.key in self._known:
                return _copy(taken.again or self._known[taken.key])
            self._known[taken.key] = taken.answer
        self.show(taken.customer, *taken.shown)
        return _copy(taken.answer)


def served(file: File, content_type: str = "") -> Taken:
    return Taken(web.Response(body=file.body, content_type=content_type or file.type))


def _copy(answer: web.Response) -> web.Response:
    """A response can be sent once."""
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def need(wanted: bool, answer: web.Response, sentence: str) -> None:
    """Raises NotTaken with the answer unless it is as wanted."""
    if not wanted:
        raise NotTaken(answer, sentence)
