"""What a messaging channel is: a few pure functions and what it can do. The service around it does all the I/O.

Inbound: `verify`, then `parse`; what they return is accepted into the journal before the provider is answered.
Outbound: `render` makes calls of an entry, `sign` adds what is secret as one is sent, `classify` says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Protocol

from bot.messages import Entry, Inbound, Json


@dataclass(frozen=True, slots=True)
class Request:
    """What a stranger sent."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    now: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    deduplicates: bool
    """Its provider recognises a call by our key and does not show it twice. Without that, a call that may have arrived
    is never repeated unasked."""


@dataclass(frozen=True, slots=True)
class Call:
    """A POST to the provider, as plain data without secrets."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said to a call."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Silence:
    """A call without an answer."""

    sent: bool
    """Some of it may have reached the provider."""
    reason: str
    """A sentence."""


Outcome = Answer | Silence


class Fate(StrEnum):
    ARRIVED = "arrived"
    RETRY = "retry"
    """It certainly did not arrive, and may later."""
    GIVE_UP = "give_up"
    """It did not arrive and never will."""
    AMBIGUOUS = "ambiguous"
    """It may have arrived."""


@dataclass(frozen=True, slots=True)
class Verdict:
    fate: Fate
    error: str | None = None
    """A sentence of ours for people; nothing that the provider or a customer wrote."""
    after: float | None = None
    """Seconds that the provider asks us to wait."""
    provider_id: str | None = None


class Connector(Protocol):
    @property
    def name(self) -> str:
        """The channel of its conversations, and the last part of its webhook's path."""

    @property
    def capabilities(self) -> Capabilities: ...

    def verify(self, request: Request) -> bool:
        """Whether the provider sent it. Never raises."""

    def parse(self, request: Request) -> tuple[Inbound, ...]:
        """All messages in it, with their addresses; none for kinds of events that do not matter. Raises Malformed."""

    def render(self, address: Json, entry: Entry) -> tuple[Call, ...]:
        """The calls that show the entry to the customer, in order; the same ones each time."""

    def sign(self, call: Call, key: str, now: float) -> dict[str, str]:
        """Headers for this attempt. `key` names the call: it is the same at every attempt and no other call's."""

    def classify(self, outcome: Outcome) -> Verdict: ...


def usual_verdict(outcome: Outcome) -> Verdict:
    """What HTTP itself says about a call's fate; for the channels whose providers mean what they answer."""
    if isinstance(outcome, Silence):
        return Verdict(Fate.AMBIGUOUS if outcome.sent else Fate.RETRY, outcome.reason)
    if 200 <= outcome.status < 300:
        return Verdict(Fate.ARRIVED)
    return Verdict(_fate(outcome.status), _in_words(outcome.status), retry_after(outcome))


_NOT_NOW = (HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def _fate(status: int) -> Fate:
    if status in _NOT_NOW:
        return Fate.RETRY
    return Fate.AMBIGUOUS if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT else Fate.GIVE_UP


def _in_words(status: int) -> str:
    try:
        return f"The provider answered {status} ({HTTPStatus(status).phrase})."
    except ValueError:
        return f"The provider answered {status}."


def retry_after(answer: Answer) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3); None if there is none that can be read."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - answer.at)
    except (ValueError, TypeError, OverflowError):
        return None
