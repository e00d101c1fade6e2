"""One call to a provider: signed, with the account's token, and judged by its channel."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from bot import metrics
from bot.channels.connector import Connector, Signing
from bot.channels.guard import Refused, Why
from bot.channels.verdict import Call, Fate, Outcome, Verdict
from bot.grants import Grants, NoToken

log = logging.getLogger(__name__)


class Calls(Protocol):
    async def call(self, call: Call) -> Outcome: ...


class Sender:
    def __init__(self, calls: Calls, clock: Callable[[], float] = time.time) -> None:
        self._calls, self._clock = calls, clock
        self._grants = Grants(calls.call, clock)

    async def send(self, connector: Connector, call: Call, key: str) -> Verdict:
        """Never raises. `key` names the call at every attempt."""
        try:
            token = await self._grants.token(connector)
            with metrics.CALL_SECONDS.labels(connector.name).time():
                outcome = await self._calls.call(connector.sign(call, Signing(key, self._clock(), token)))
            verdict = connector.classify(call, outcome)
        except NoToken as none:
            fate = Fate.REFUSED if none.refused else Fate.RETRY
            sentence = f"The provider gave no token; `frontdesk channels check {connector.name}` says why."
            return Verdict(fate, sentence, account=True)
        except Exception:
            log.exception("channel %s failed", connector.name)
            return Verdict(Fate.AMBIGUOUS, "The channel failed while it was sent; the log says why.")
        if verdict.fate is Fate.EXPIRED:
            self._grants.expired(connector, token)
        return verdict

    async def signed(self, connector: Connector, call: Call) -> Call:
        """With what is secret, for somebody else to call. Raises Refused."""
        try:
            token = await self._grants.token(connector)
        except NoToken:
            sentence = f"The provider gave no token; `frontdesk channels check {connector.name}` says why."
            raise Refused(Why.PROVIDER, sentence) from None
        return connector.sign(call, Signing("media", self._clock(), token))
