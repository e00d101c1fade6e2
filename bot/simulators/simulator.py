"""What every simulator does: it keeps what each customer saw, and sends what customers do.

A subclass knows its provider's protocol.
"""

from __future__ import annotations

import asyncio
import itertools
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from bot.channels.settings import ChannelSettings


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
class File:
    """What a customer sends beside words."""

    name: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """What a customer did, as the provider brings it to us: a request to our webhook."""

    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    query: str = ""
    """With its question mark."""


Show = Callable[[str, Shown], None]


async def _no_time(_: float) -> None:
    await asyncio.sleep(0)


@dataclass
class Simulator(ABC):
    """`plan` says what becomes of the next calls; afterwards all goes well.

    ok            taken
    STATUS        that status in the provider's shape, and not taken; `retry_after` goes with it
    late STATUS   taken, and that status nevertheless
    hang          taken, and no answer
    cut           taken, and the connection cut
    lost          not taken, and the connection cut
    anything else what the subclass makes of it
    """

    name: ClassVar[str]
    """Of the channel."""
    retries: ClassVar[tuple[float, ...]] = ()
    """Seconds after which the provider sends an event again that we did not take."""
    refusals: ClassVar[Mapping[int, str]] = {
        0: "Nobody answers at {webhook}; start the service with the same settings.",
        401: "The service does not know us (401): start it with the same settings.",
        404: "There is no such address (404): is {webhook} a Frontdesk service?",
    }
    """What our statuses mean, for whoever plays the customer."""

    webhook: str = ""
    """Where our service takes its events."""
    public_url: str = "https://chat.example.com"
    """Where the service is for the world: some providers sign that address."""
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
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def count_from(self, number: int) -> None:
        """What is named from now on has no name of an earlier try: a service remembers those."""
        self._numbers = itertools.count(number)

    @classmethod
    @abstractmethod
    def sample(cls, url: str) -> dict[str, Any]:
        """Settings of the channel for a try without an account: `url` is where the simulator listens."""

    @classmethod
    @abstractmethod
    def of(cls, settings: ChannelSettings) -> Self:
        """The provider of that account."""

    @abstractmethod
    def open(self, port: int = 0) -> AbstractAsyncContextManager[Self]:
        """Listens on loopback. Raises AssertionError at the end if we were at fault."""

    @abstractmethod
    def said(self, customer: str, text: str) -> Event:
        """A customer wrote; each call is a message of its own."""

    @abstractmethod
    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        """A customer pressed what a message of ours offered."""

    def sent_file(self, customer: str, file: File) -> Event:
        """A customer sent a file. It is there for whoever may fetch it."""
        raise LookupError(f"{self.name} has no files.")

    def resolved(self, customer: str, *labels: str) -> Event:
        """People are done with what was handed over to them, and called it so."""
        raise LookupError(f"In {self.name} nobody takes conversations over.")

    @abstractmethod
    def resigned(self, event: Event, body: bytes) -> Event:
        """The same event with another body, as rightly signed: what a provider gone mad would send."""

    @abstractmethod
    async def exchange(self, event: Event) -> tuple[int, bytes]:
        """Sends it once; our status, 0 if nobody answered, and body."""

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

    # -- from our service

    async def until(self, happened: Callable[[], bool], seconds: float = 20.0) -> None:
        """Once it has: looks whenever a call came. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while not happened():
                self._came.clear()
                await self._came.wait()

    def texts(self, customer: str) -> list[str]:
        return [shown.text for shown in self.seen[customer]]

    def show(self, customer: str, *messages: Shown) -> None:
        for shown in messages:
            self.seen[customer].append(shown)
            self.on_shown(customer, shown)
        self._came.set()
