"""What a messaging channel is: a few pure functions and what it can do. The service around it does all the I/O.

Inbound: `verify`, then `parse`; what they return is accepted into the journal before the provider is answered.
Outbound: `render` makes calls of a delivery, `sign` adds what is secret as one is sent, `classify` says what came of
it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from bot.channels.capabilities import Capabilities
from bot.channels.received import Attachment, Received, Request
from bot.channels.verdict import Answer, Call, Outcome, Verdict
from bot.journal.values import Delivery


@dataclass(frozen=True, slots=True)
class Token:
    """What a provider lends for a while to whoever proved who they are."""

    value: str
    until: float


@dataclass(frozen=True, slots=True)
class Signing:
    """What an attempt to send is signed with."""

    key: str
    """Names the call: it is the same at every attempt and no other call's."""
    now: float
    token: str = ""
    """Of a connector that asks for one with `grant`."""


@dataclass(frozen=True, slots=True)
class Check:
    """A question about the settings that only the provider can answer."""

    what: str
    """For a person: "The token", "The webhook's address"."""
    call: Call
    """With its secrets."""
    judge: Callable[[Outcome], str | None]
    """None if all is well, or a sentence that says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Risk:
    what: str
    """For a person, as of a Check."""
    warning: str
    """A sentence that says what can happen and what to do."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where messages lie until we fetch them, for want of a provider that brings them."""

    url: str
    """`imaps://...`."""
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    every: float = 10.0
    """Seconds between two looks."""
    days: int = 3
    """What is older is left alone."""
    hourly: int = 30
    """Messages of one customer that are taken in an hour."""


class Connector(ABC):
    """One account of one channel. Subclasses are frozen dataclasses; the fields without a default come first."""

    name: str
    """The channel of its conversations, and the last part of its webhook's path."""
    capabilities: Capabilities
    strict: bool = False
    """Who uses an id twice for different messages is told; a provider that did could only send the same again."""
    again: int = HTTPStatus.SERVICE_UNAVAILABLE
    """The status at which the provider sends an event again: we could not store it."""

    @abstractmethod
    def verify(self, request: Request) -> bool:
        """Whether the provider sent it. Never raises, and does the same work for every stranger."""

    @abstractmethod
    def parse(self, request: Request) -> Received:
        """All that is in it; events that do not matter are named as ignored. Raises Malformed, and nothing else."""

    @abstractmethod
    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        """The calls that show the entry to the customer, in order; the same ones each time."""

    def mailbox(self) -> Mailbox | None:
        """None: the provider calls our webhook. Else each mail is the body of a Request, and nobody may bring one."""
        return None

    def render_late(self, delivery: Delivery) -> tuple[Call, ...]:
        """As `render`, once `capabilities.window` has closed: what the provider still takes, a template say."""
        return ()

    @abstractmethod
    def classify(self, call: Call, outcome: Outcome) -> Verdict: ...

    def sign(self, call: Call, signing: Signing) -> Call:
        """The call with what is secret, and with the key where the provider takes one."""
        return call

    def lacks(self, request: Request) -> Call | None:
        """What has to be asked next before `verify` can tell: where keys are published, say, and then the keys.
        `learn` is told what came of it. A stranger must not be able to make us ask often."""
        return None

    def learn(self, outcome: Outcome, now: float) -> None:  # noqa: B027  most connectors know all they need
        """Takes what `lacks` asked for, or that it was not to be had."""

    def grant(self, now: float) -> Call | None:
        """Asks for a token, if calls need one."""
        return None

    def token(self, answer: Answer) -> Token | None:
        """The token in an answer to `grant`; None if it was refused."""
        return None

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        """Shows the customer that an answer is being written, for `capabilities.typing` seconds."""
        return None

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """The next call that leads to an attachment's bytes, after those answers; the last answer is the bytes. None:
        there is nothing to fetch. Redirects are followed without secrets, and no matter of the connector's."""
        return None

    @property
    def bases(self) -> tuple[str, ...]:
        """Where the settings say that files are. Every other address has to be public, on the way to a file."""
        return ()

    def checks(self, public_url: str) -> tuple[Check, ...]:
        """What `frontdesk channels check` asks the provider. `public_url`: where the service is for the world."""
        return ()

    @property
    def risks(self) -> tuple[Risk, ...]:
        """What the settings allow and whoever made them may not want."""
        return ()


def with_headers(call: Call, **headers: str) -> Call:
    """`Authorization="..."`; underscores become hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return replace(call, headers={**call.headers, **named})
