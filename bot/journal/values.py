"""What the journal answers with: frozen values beside those of `bot.messages`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.messages import Author, Entry, Event, Inbound, Json, Outbound, Owner


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    channel: str
    epoch: str
    """Names this log of the conversation; another epoch means that sequence numbers began anew."""
    last_seq: int
    owner: Owner
    reason: str | None
    """Why it went to the queue."""
    fence: int
    version: int
    """Number of the message (or notice) that `state` belongs to; 0: no stored snapshot may be trusted."""
    state: Json
    metadata: Json
    created_at: float
    last_at: float
    queued_at: float | None
    """Since when the customer waits for a person."""


@dataclass(frozen=True, slots=True)
class Accepted:
    seq: int
    duplicate: bool
    entry: Entry


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was accepted and has no answer yet."""

    seq: int
    inbound: Inbound
    attempts: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody other than the bot's turn adds to a conversation: an agent, or the system itself.

    A notice that changes `owner` or `state` raises the fence, so that a turn under way cannot undo it. Whoever computed
    `state` from an earlier one gives the `fence` taken before reading that.
    """

    message: Outbound
    owner: Owner | None = None
    reason: str | None = None
    events: tuple[Event, ...] = ()
    state: Json | None = None
    fence: int | None = None
    deliver: bool = False


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the console's list."""

    conversation_id: str
    channel: str
    owner: Owner
    reason: str | None
    entries: int
    last_text: str
    last_author: Author | None
    last_at: float
    queued_at: float | None
    unanswered: int
    metadata: Json


@dataclass(frozen=True, slots=True)
class Counts:
    conversations: int
    entries: int
    unanswered: int
    """Messages accepted and not processed."""
    queued: int
    """Conversations waiting for a person."""
    dead: int
    """Messages that were given up with an apology."""
    undelivered: int


@dataclass(frozen=True, slots=True)
class Step:
    """The nth action of the turn that answers a message."""

    conversation_id: str
    seq: int
    n: int


class ActionStatus(StrEnum):
    NEW = "new"
    """Nobody started it before: run it."""
    DONE = "done"
    """It ran; `result` is what it answered."""
    STARTED_BEFORE = "started_before"
    """It was started and its end is unknown: run it again only if that is harmless."""


@dataclass(frozen=True, slots=True)
class ActionRun:
    status: ActionStatus
    name: str
    result: Json | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry that a provider still has to be given."""

    id: int
    channel: str
    entry: Entry
    attempts: int
