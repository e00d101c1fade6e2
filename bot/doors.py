"""Who may come in: origins, addresses, tokens of the API, and how much at a time."""

from __future__ import annotations

import hmac
import ipaddress
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from bot.presence import Presence
from bot.rates import Buckets
from bot.sessions import Sessions

_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class DoorPolicy:
    origins: frozenset[str]
    trusted_proxies: frozenset[str]
    api_token: str | None
    connections_per_address: int
    conversations_per_hour: int


@dataclass(frozen=True, slots=True)
class Doors:
    policy: DoorPolicy
    sessions: Sessions
    presence: Presence
    connections: Counter[str] = field(default_factory=Counter)
    paces: Buckets = field(default_factory=Buckets)

    def check_origin(self, request: web.Request) -> None:
        """Refuses pages that may not embed the widget. Programs send no Origin, and tokens are no cookies."""
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self.policy.origins and not _is_own(origin, request.host):
            raise web.HTTPForbidden(text="This page may not embed the widget; see FRONTDESK_ORIGINS.")

    def address(self, request: web.Request) -> str:
        """The visitor's address: the last one in X-Forwarded-For that is not a proxy we trust."""
        hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
        address = request.remote or "unknown"
        while hops and address in self.policy.trusted_proxies:
            address = hops.pop()
        return address

    @asynccontextmanager
    async def connection(self, address: str) -> AsyncIterator[bool]:
        """Counts a connection while it is open; False if the address has too many, at all servers together."""
        self.connections[address] += 1
        try:
            yield await self._connected(address) <= self.policy.connections_per_address
        finally:
            self.connections[address] -= 1
            self.presence.tell(_connections(address), self.connections[address])
            if not self.connections[address]:
                del self.connections[address]

    async def _connected(self, address: str) -> int:
        return await self.presence.count(_connections(address), self.connections[address])

    async def may_begin(self, address: str) -> float:
        """0.0, or the seconds until the address may begin another conversation."""
        hourly = self.policy.conversations_per_hour
        return await self.sessions.allow(f"begin:{address}", rate=hourly / 3600, burst=hourly)

    def pace(self, conversation_id: str, rate: float, burst: int) -> float:
        """0.0, or the seconds until the conversation may get another message. Each server counts for itself: asking
        Redis would cost every message more than it protects."""
        return self.paces.allow(conversation_id, rate, burst)

    def check_api(self, request: web.Request) -> None:
        """The REST channel and the model API: with the token, or from this machine while no token is set."""
        token = self.policy.api_token
        if token is None:
            if not _is_local(request):
                raise web.HTTPUnauthorized(text="Set FRONTDESK_API_TOKEN to use this from another machine.")
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given = given if scheme.lower() == "bearer" else request.query.get("token", "")
        if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode()):
            raise web.HTTPUnauthorized(text="The token is missing or wrong.")


def _connections(address: str) -> str:
    return f"connections:{address}"


def _is_own(origin: str, host: str) -> bool:
    return origin in (f"http://{host}", f"https://{host}")


def _is_local(request: web.Request) -> bool:
    """Asked by a program on this machine, and not through a proxy or a page that rebound its name to it."""
    if "X-Forwarded-For" in request.headers or "Origin" in request.headers:
        return False
    try:
        is_here = ipaddress.ip_address(request.remote or "").is_loopback
        return is_here and (urlsplit(f"//{request.host}").hostname or "") in _LOCAL_NAMES
    except ValueError:
        return False
