"""Tokens that providers lend: asked for once, by whoever needs one first, and used by all until they run out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from bot.channels.connector import Connector, Token
from bot.channels.verdict import Answer, Call, Outcome

log = logging.getLogger(__name__)

EARLY = 0.2
"""The part of a token's life that is left when a new one is asked for."""
SOONEST = 5.0
"""Seconds until it is asked for again, whatever its life is."""


class NoToken(Exception):
    """The provider lends none. `refused`: it knows us and does not want to."""

    def __init__(self, refused: bool) -> None:
        super().__init__("The provider gave no token.")
        self.refused = refused


@dataclass(slots=True)
class _Held:
    token: Token | None = None
    renew_at: float = 0.0
    failures: int = 0
    refused: bool = False
    """At the last failure."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Grants:
    def __init__(self, call: Callable[[Call], Awaitable[Outcome]], clock: Callable[[], float] = time.time) -> None:
        self._call, self._clock = call, clock
        self._held: dict[str, _Held] = {}

    async def token(self, connector: Connector) -> str:
        """ "" for a connector that needs none. Raises NoToken."""
        asked = connector.grant(self._clock())
        if asked is None:
            return ""
        held = self._held.setdefault(connector.name, _Held())
        failures = held.failures
        async with held.lock:
            if held.failures > failures:  # who asks one after the other waits longer than a delivery may take
                raise NoToken(held.refused)
            if held.token is None or self._clock() >= held.renew_at:
                await self._renew(held, connector, asked)
            assert held.token is not None
            return held.token.value

    async def _renew(self, held: _Held, connector: Connector, asked: Call) -> None:
        """Raises NoToken if there is none that can still be used."""
        try:
            held.token = await self._fetch(connector, asked)
        except NoToken as none:
            if held.token is None or self._clock() >= held.token.until:
                held.failures, held.refused = held.failures + 1, none.refused
                raise
        now = self._clock()
        held.renew_at = now + max(SOONEST, (held.token.until - now) * (1 - EARLY))

    def expired(self, connector: Connector, token: str) -> None:
        """The provider did not take it; one that was fetched since stays."""
        held = self._held.get(connector.name)
        if held and held.token and held.token.value == token:
            held.token = None

    async def _fetch(self, connector: Connector, asked: Call) -> Token:
        outcome = await self._call(asked)
        if not isinstance(outcome, Answer):
            raise NoToken(refused=False)
        token = _read(connector, outcome)
        if token is None:
            log.error("channel %s: the provider refused a token (%s)", connector.name, outcome.status)
            raise NoToken(refused=400 <= outcome.status < 500 and outcome.status not in (408, 429))
        return token


def _read(connector: Connector, answer: Answer) -> Token | None:
    try:
        return connector.token(answer)
    except Exception:
        log.exception("channel %s cannot read its token", connector.name)
        return None
