"""A call to a provider, what came of it, and what that means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus

JSON_BODY = {"Content-Type": "application/json"}
FORM_BODY = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request to the provider, as plain data without secrets."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: dict(JSON_BODY))
    method: str = "POST"
    repeatable: bool = False
    """The provider recognises it by our key and does not show it twice. Without that, a call that may have arrived is
    never repeated unasked."""


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
    EXPIRED = "expired"
    """It did not arrive because the token is not good any more: once more with a new one."""
    REFUSED = "refused"
    """It did not arrive, and nothing of this account will until a person has mended the settings."""


@dataclass(frozen=True, slots=True)
class Verdict:
    fate: Fate
    error: str | None = None
    """A sentence of ours for people; nothing that the provider or a customer wrote."""
    after: float | None = None
    """Seconds that the provider asks us to wait."""
    provider_id: str | None = None
    """The provider's name for the message that it took."""
    account: bool | None = False
    """The wait is for everything of the account, not for this conversation alone. None: the provider does not say."""


def usual_verdict(outcome: Outcome) -> Verdict:
    """What HTTP itself says about a call's fate; for the channels whose providers mean what they answer."""
    if isinstance(outcome, Silence):
        return Verdict(Fate.AMBIGUOUS if outcome.sent else Fate.RETRY, outcome.reason)
    if 200 <= outcome.status < 300:
        return Verdict(Fate.ARRIVED)
    return Verdict(_fate(outcome.status), in_words(outcome.status), retry_after(outcome))


_NOT_NOW = (HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


def _fate(status: int) -> Fate:
    if status in _NOT_NOW:
        return Fate.RETRY
    return Fate.AMBIGUOUS if status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT else Fate.GIVE_UP


def in_words(status: int) -> str:
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
