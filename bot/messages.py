"""What travels through Frontdesk: frozen values with their JSON beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self

import orjson
from orjson import Fragment

from bot.text import Written, fragment

Json = dict[str, Any]
NUMBERS_FROM = "numbers_from"
"""In a message's metadata: its channel shows so many choices, or more, as a numbered text."""
LABELS = "labels"
"""In a message's metadata, and when people give a conversation back: what they had put on it by then."""
State = Written | Json
"""A tracker's state, as it is or written already."""


class Command(StrEnum):
    """What the widget's own controls send; text can never be mistaken for one."""

    RESTART = "restart"
    HUMAN = "human"


class Owner(StrEnum):
    """Who answers the customer."""

    BOT = "bot"
    QUEUE = "queue"
    """Waiting for a person."""
    AGENT = "agent"


class Author(StrEnum):
    USER = "user"
    BOT = "bot"
    AGENT = "agent"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message from a customer. `message_id` is the sender's own id: the same id is the same message."""

    conversation_id: str
    message_id: str
    text: str
    channel: str
    at: float
    payload: str | None = None
    """What a pressed button means (`/intent{"slot": "value"}`); set only by the server or a trusted channel."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    address: Mapping[str, Any] | None = None
    """Where its provider takes replies; kept with the conversation that the message begins."""

    def digest(self) -> str:
        """Tells a repeated message from another one under the same id."""
        return sha256(orjson.dumps([self.text, self.payload], option=orjson.OPT_SORT_KEYS)).hexdigest()

    def to_json(self) -> Json:
        return {
            "conversation_id": self.conversation_id,
            "message_id": self.message_id,
            "text": self.text,
            "channel": self.channel,
            "at": self.at,
            "payload": self.payload,
            "metadata": dict(self.metadata),
            "address": None if self.address is None else dict(self.address),
        }

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Button:
    title: str
    payload: str

    def to_json(self) -> Json:
        return {"title": self.title, "payload": self.payload}


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    subtitle: str = ""
    image: str = ""
    url: str = ""
    buttons: tuple[Button, ...] = ()

    def to_json(self) -> Json:
        return {
            "title": self.title,
            "subtitle": self.subtitle,
            "image": self.image,
            "url": self.url,
            "buttons": [b.to_json() for b in self.buttons],
        }


@dataclass(frozen=True, slots=True)
class Source:
    """The knowledge-base article an answer comes from."""

    title: str
    url: str
    article: str

    def to_json(self) -> Json:
        return {"title": self.title, "url": self.url, "article": self.article}


@dataclass(frozen=True, slots=True)
class Outbound:
    """One reply. `text` is Markdown of the safe kind (bold, lists, links)."""

    text: str = ""
    buttons: tuple[Button, ...] = ()
    image: str = ""
    cards: tuple[Card, ...] = ()
    source: Source | None = None
    custom: Mapping[str, Any] | None = None
    author: Author = Author.BOT
    rateable: bool = False
    """Whether thumbs up and down make sense."""
    response: str = ""
    """Name of the domain response it was rendered from."""

    @property
    def choices(self) -> tuple[Button, ...]:
        """Its buttons, then those of its cards: the order in which a numbered text counts them."""
        return (*self.buttons, *(button for card in self.cards for button in card.buttons))

    def numbered(self, numbers_from: int) -> bool:
        """Whether a channel that numbers so many choices, or more, numbers these: all of them, counted through."""
        return any(len(buttons) >= numbers_from for buttons in (self.buttons, *(card.buttons for card in self.cards)))

    def to_json(self) -> Json:
        return {
            "text": self.text,
            "buttons": [b.to_json() for b in self.buttons],
            "image": self.image,
            "cards": [c.to_json() for c in self.cards],
            "source": self.source.to_json() if self.source else None,
            "custom": dict(self.custom) if self.custom is not None else None,
            "author": self.author.value,
            "rateable": self.rateable,
            "response": self.response,
        }

    @classmethod
    def from_json(cls, data: Json) -> Self:
        source = data.get("source")
        return cls(
            text=data.get("text") or "",
            buttons=_buttons(data),
            image=data.get("image") or "",
            cards=tuple(_card(card) for card in data.get("cards") or ()),
            source=Source(**source) if source else None,
            custom=data.get("custom"),
            author=Author(data.get("author", Author.BOT)),
            rateable=bool(data.get("rateable")),
            response=data.get("response") or "",
        )


def _buttons(data: Json) -> tuple[Button, ...]:
    return tuple(Button(b["title"], b["payload"]) for b in data.get("buttons") or ())


def _card(data: Json) -> Card:
    fields = {key: data.get(key) or "" for key in ("title", "subtitle", "image", "url")}
    return Card(**fields, buttons=_buttons(data))


@dataclass(frozen=True, slots=True)
class Event:
    """A Rasa tracker event: `name` is its `event` field, `data` its other fields (rasa-formats: events)."""

    name: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict)
    _written: list[Fragment] = field(default_factory=list, init=False, repr=False, compare=False)

    def to_json(self) -> Json:
        return {"event": self.name, "timestamp": self.at, **self.data}

    def written(self) -> Fragment:
        """Its JSON, made once: the state carries an event through many turns."""
        if not self._written:
            self._written.append(fragment(self.to_json()))
        return self._written[0]

    @classmethod
    def from_json(cls, data: Json) -> Self:
        rest = {key: value for key, value in data.items() if key not in ("event", "timestamp")}
        return cls(data["event"], data.get("timestamp") or 0.0, rest)

    def with_data(self, **changes: Any) -> Self:
        return replace(self, data={**self.data, **changes})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a conversation as people see it: what the journal keeps and the widget follows."""

    conversation_id: str
    seq: int
    """1, 2, 3 ... without holes within a conversation."""
    author: Author
    at: float
    message: Outbound
    message_id: str | None = None
    """The client's id; only of a customer's message."""
    reply_to: int | None = None
    """`seq` of the customer's message that this answers."""
    part: int = 0
    """0, 1, 2 ... among the replies to one message."""
    rating: str | None = None
    """The customer's thumb: up, down, or none given."""

    def to_json(self) -> Json:
        return {
            "conversation_id": self.conversation_id,
            "seq": self.seq,
            "author": self.author.value,
            "at": self.at,
            "message": self.message.to_json(),
            "message_id": self.message_id,
            "reply_to": self.reply_to,
            "part": self.part,
            "rating": self.rating,
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything one message did; committed whole or not at all."""

    inbound: Inbound
    seq: int
    """The inbound message's sequence number."""
    events: tuple[Event, ...]
    replies: tuple[Outbound, ...]
    owner: Owner
    state: State = field(default_factory=dict)
    """The tracker's snapshot after the turn, as JSON."""
    reason: str | None = None
    """Why the conversation went to the queue, when it did in this turn."""
    model: str = ""
    seconds: float = 0.0
    """How long the turn took."""
    model_seconds: float = 0.0
    """The part of it spent waiting for the language model."""
