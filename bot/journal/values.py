"""What the journal answers with: frozen values beside those of `bot.messages`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from bot.messages import Author, Entry, Event, Inbound, Json, Outbound, Owner, State

Rating = Literal["up", "down", "none"]
OURS = "journal"
"""The source of utterances that were said here."""
APART = "@"
"""Between id and epoch of a conversation that is gone, where its utterances are kept."""


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
    address: Json | None
    """Where its provider takes replies. With one, everything that is said to the customer becomes a delivery."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What is known of a conversation before its first message."""

    conversation_id: str
    channel: str
    metadata: Mapping[str, Any]
    address: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Attached:
    """What came with a customer's message, as it was told."""

    channel: str
    attachments: list[Json]


@dataclass(frozen=True, slots=True)
class Accepted:
    seq: int
    duplicate: bool
    entry: Entry
    inbound: Inbound
    """The message as it was stored."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A conversation taken in hand: nobody with a lower fence can commit to it any more."""

    fence: int
    version: int
    owner: Owner
    settled: int
    """Up to here every message had its turn when the fence was raised."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that was accepted and has no answer yet."""

    seq: int
    inbound: Inbound


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a conversation, in order, and the number of the last entry when that was read."""

    last_seq: int
    waiting: list[Waiting]
    over: int = 0
    """The last of those that wait, too, and are left out because they are too many and older; 0 if there are none."""


@dataclass(frozen=True, slots=True)
class Passing:
    """Messages that get no turn of their own."""

    conversation_id: str
    upto: int
    """The last of them."""
    fence: int
    notice: Outbound | None
    """What the customer is told about it."""


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
    state: State | None = None
    fence: int | None = None


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
    turns: int
    """About as many as there ever were."""
    unanswered: int
    """Messages accepted and not processed."""
    queued: int
    """Conversations waiting for a person."""
    dead: int
    """Messages that were given up with an apology."""
    """Those that no person has dealt with yet."""
    undelivered: int
    """Replies on their way to a provider."""
    undeliverable: int
    """Replies that did not arrive, or nobody knows: a person decides."""


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


class DeliveryState(StrEnum):
    WAITING = "waiting"
    """It is tried, and tried again."""
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    """It did not arrive and is not tried any more: a dead letter, for a person to decide."""
    UNKNOWN = "unknown"
    """It may have arrived, and its provider would show it twice: a dead letter too."""
    DROPPED = "dropped"
    """A person decided against it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An entry that a provider has to be given."""

    id: int
    channel: str
    entry: Entry
    epoch: str
    """Of the conversation: with the entry's number it names the delivery in the whole world."""
    address: Json
    state: DeliveryState
    offered_at: float
    due_at: float
    attempts: int
    doubt: bool
    """A call before this one may have arrived."""
    parts: int
    """So many of its calls have arrived."""
    provider_ids: tuple[str, ...]
    error: str | None
    """What came of the last attempt, in words of ours."""
    owner: Owner = Owner.BOT
    """Who had the conversation once this was said."""
    heard_at: float | None = None
    """When the customer last wrote."""

    @property
    def key(self) -> str:
        """Names the next of its calls, in the whole world."""
        return f"{self.epoch}-{self.entry.seq}-{self.parts}"


@dataclass(frozen=True, slots=True)
class Settled:
    """What an attempt came to. WAITING: tried again at `due_at`, or, without one, its next part at once."""

    state: DeliveryState
    due_at: float | None = None
    doubt: bool = False
    parts: int = 0
    provider_ids: tuple[str, ...] = ()
    error: str | None = None
    key: str = ""
    """Of the call that is unknown."""
    tried: bool = True
    """False: nothing was called, and the attempt does not count."""


class Arrival(StrEnum):
    """What a provider tells of a message of ours after it took it."""

    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """`provider_id` names the message, or the `key` that we gave with it, and then the conversation is known too."""

    arrival: Arrival
    provider_id: str | None = None
    key: str | None = None
    conversation_id: str | None = None
    error: str | None = None
    """A sentence of ours: why it failed."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A customer's message that was given up."""

    entry: Entry
    failure: str
    owner: Owner
    """Who has the conversation now."""
    reason: str | None


@dataclass(frozen=True, slots=True)
class Utterance:
    """What a customer said, kept for learning."""

    source: str
    conversation: str
    message: str
    text: str
    """Redacted."""
    customer: str | None = None
    at: float | None = None
    language: str | None = None
    """ISO 639-1, where it is plain."""
    asked: str | None = None
    """The slot that a form was waiting for."""
    signals: Mapping[str, Any] = field(default_factory=dict)
    intent: str | None = None
    """As a model understood it, with its calibrated probability and what the dialogue made of it."""
    confidence: float | None = None
    verdict: str | None = None
    model: str | None = None
    id: int = 0
    """0 until it is kept."""

    @property
    def key(self) -> UtteranceKey:
        """Names it: it is kept once."""
        return self.source, self.conversation, self.message


UtteranceKey = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """A signal that came after the message."""

    key: UtteranceKey
    signals: Mapping[str, Any]
    """None takes one back."""


class Kind(StrEnum):
    """What a person says of an utterance."""

    INTENT = "intent"
    OUT_OF_SCOPE = "out_of_scope"
    ARTICLE = "article"
    """A question that an article answers."""
    IGNORE = "ignore"
    """Nothing to learn from."""


def person(name: str) -> str:
    """The same for names that differ in case and blanks: nobody is asked twice."""
    return " ".join(name.split()).casefold()


@dataclass(frozen=True, slots=True)
class Review:
    """A person's word on one utterance."""

    utterance_id: int
    kind: Kind
    label: str | None
    """The intent's name, or the article's."""
    reviewer: str
    decision: str = ""
    """Shared by the utterances that were decided together."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Reviewed:
    utterance: Utterance
    review: Review


@dataclass(frozen=True, slots=True)
class Mark:
    """How far the journal was read for learning."""

    turn: int
    """The last one that was taken."""
    fence: int
    """Another one means that something was erased: what was read before may be gone."""


@dataclass(frozen=True, slots=True)
class Whose:
    """A customer, by all that the journal knows of them."""

    conversations: tuple[str, ...]
    customers: tuple[str, ...] = ()
    """The digests under which their utterances are kept."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What there is, or was, of a customer."""

    rows: Mapping[str, int] = field(default_factory=dict)
    """By table."""
    utterances: tuple[UtteranceKey, ...] = ()
    texts: frozenset[str] = frozenset()
    """Of the utterances."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What is older than it may be kept: how much of each kind."""

    conversations: int = 0
    utterances: int = 0
    dead_letters: int = 0
    """Messages and replies that were given up."""


@dataclass(frozen=True, slots=True)
class PastTurn:
    """A turn, or a notice, with the message that it was about."""

    id: int
    conversation_id: str
    seq: int
    at: float
    owner: Owner
    """Who had the conversation afterwards."""
    reason: str | None
    model: str
    events: tuple[Event, ...]
    text: str = ""
    """The customer's message as it came; empty for a notice."""
    said_at: float = 0.0
    metadata: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Thumb:
    conversation_id: str
    seq: int
    """Of the message whose answer was rated."""
    rating: str
