"""What every simulator does: it answers our calls, keeps what each customer saw, and sends what customers do.

A subclass knows its provider's protocol: `taken` checks a call and says what the customer sees, `refused` and the
other answers have the provider's own shapes, `said` and `pressed` make the requests that its service would send.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import aiohttp
from aiohttp import web

from bot.channels.settings import ChannelSettings

HANG_SECONDS = 60.0
CALL_SECONDS = 15.0
"""How long a provider waits for us, if it does not say."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A button, a row of a list, a quick reply."""

    title: str
    id: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of ours as the customer's app shows it."""

    text: str = ""
    choices: tuple[Choice, ...] = ()
    image: str = ""
    id: str = ""
    """The provider's."""


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


@dataclass(frozen=True, slots=True)
class Event:
    """A request of the provider's to our webhook."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    query: str = ""
    """With its question mark."""


class NotTaken(Exception):
    """The provider refuses the call, which should not have been made; the sentence says what is wrong with it."""

    def __init__(self, answer: web.Response, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = answer


Show = Callable[[str, Shown], None]


async def _no_time(_: float) -> None:
    await asyncio.sleep(0)


@dataclass
class Provider(ABC):
    """`plan` says what becomes of the next calls; afterwards all goes well.

    ok            taken
    STATUS        that status in the provider's shape, and not taken; `retry_after` goes with it
    late STATUS   taken, and that status nevertheless
    hang          taken, and no answer
    cut           taken, and the connection cut
    lost          not taken, and the connection cut
    anything else what `planned` of the subclass makes of it
    """

    name: ClassVar[str]
    """Of the channel."""
    retries: ClassVar[tuple[float, ...]] = ()
    """Seconds after which the provider sends an event again that we did not take."""

    webhook: str = ""
    """Where our service takes its events."""
    plan: deque[str] = field(default_factory=deque)
    retry_after: float | None = None
    seen: dict[str, list[Shown]] = field(default_factory=lambda: defaultdict(list))
    """What each customer saw."""
    calls: list[str] = field(default_factory=list)
    """What became of each call."""
    faults: list[str] = field(default_factory=list)
    """What we did that we must not."""
    wait: Callable[[float], Awaitable[None]] = _no_time
    """Passes the time between two tries; a virtual clock in tests."""
    on_shown: Show = lambda _, __: None
    url: str = ""
    _known: dict[str, web.Response] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @abstractmethod
    def sample(cls, url: str) -> dict[str, Any]:
        """Settings of the channel for a try without an account: `url` is where the simulator listens."""

    @classmethod
    @abstractmethod
    def of(cls, settings: ChannelSettings) -> Self:
        """The provider of that account."""

    @abstractmethod
    async def taken(self, request: web.Request, body: bytes) -> Taken:
        """Checks the call as strictly as the provider does, or more. Raises NotTaken."""

    @abstractmethod
    def refused(self, status: int) -> web.Response:
        """An error of that status in the provider's shape, with `retry_after` if it says so."""

    @abstractmethod
    def said(self, customer: str, text: str) -> Event:
        """A customer wrote; each call is a message of its own."""

    @abstractmethod
    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        """A customer pressed what a message of ours offered."""

    @abstractmethod
    def resigned(self, event: Event, body: bytes) -> Event:
        """The same event with another body, as rightly signed: what a provider gone mad would send."""

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """A fault of the provider's own."""
        raise ValueError(f"{self.name} has no fault {kind!r}.")

    # -- from the customer

    async def say(self, customer: str, text: str) -> int:
        return await self.deliver(self.said(customer, text))

    async def press(self, customer: str, title: str) -> int:
        """The newest choice of that title."""
        for shown in reversed(self.seen[customer]):
            for choice in shown.choices:
                if choice.title == title:
                    return await self.deliver(self.pressed(customer, choice, shown))
        raise LookupError(f"{customer} was not offered {title!r}.")

    async def deliver(self, event: Event) -> int:
        """Sends it as the provider does, again and again until we take it; returns our last status."""
        status = await self.post(event)
        for seconds in self.retries:
            if 200 <= status < 300:
                break
            await self.wait(seconds)
            status = await self.post(event)
        return status

    async def post(self, event: Event) -> int:
        """Sends it once; 0 if nobody answered."""
        status, _ = await self.exchange(event)
        return status

    async def exchange(self, event: Event) -> tuple[int, bytes]:
        """Sends it once; our status, 0 if nobody answered, and body."""
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
        """Listens on loopback. Raises AssertionError at the end if we were at fault."""
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

    async def until(self, happened: Callable[[], bool], seconds: float = 20.0) -> None:
        """Once it has: looks whenever a call came. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not happened():
                self._came.clear()
                await self._came.wait()

    def texts(self, customer: str) -> list[str]:
        return [shown.text for shown in self.seen[customer]]

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
        for shown in taken.shown:
            self.seen[taken.customer].append(shown)
            self.on_shown(taken.customer, shown)
        self._came.set()
        return _copy(taken.answer)


def _copy(answer: web.Response) -> web.Response:
    """A response can be sent once."""
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def need(wanted: bool, answer: web.Response, sentence: str) -> None:
    """Raises NotTaken with the answer unless it is as wanted."""
    if not wanted:
        raise NotTaken(answer, sentence)
