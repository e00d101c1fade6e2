"""What a provider sends: its request, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from bot.channels.verdict import Call
from bot.journal.values import Arrival, Rating, Receipt
from bot.messages import Json

__all__ = ["Arrival", "Attachment", "Message", "Reaction", "Receipt", "Received", "Release", "Reply", "Request"]

JOINED = "/joined"
"""What it means that somebody opens a conversation, by a button of the app or by adding the bot."""
ATTACHED = "/attached"
"""What a message without words means: a picture, a voice, a place."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a stranger sent."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes
    now: float
    path: str = ""
    """The path and the query, byte for byte as they came."""


KINDS = ("image", "audio", "video", "file", "place", "contact", "sticker")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A reference to what came with a message. Nothing is fetched until a person wants to see it."""

    kind: Literal["image", "audio", "video", "file", "place", "contact", "sticker"]
    reference: str
    """The provider's name for it, or its address; of a place its latitude and longitude."""
    type: str = ""
    """Its media type, as the sender says."""
    name: str = ""
    size: int | None = None
    """Bytes, as the sender says."""

    def to_json(self) -> Json:
        return {
            "kind": self.kind,
            "reference": self.reference,
            "type": self.type,
            "name": self.name,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, data: Json) -> Attachment | None:
        """None for what `to_json` did not write: metadata may be a stranger's."""
        kind, size = data.get("kind"), data.get("size")
        reference, type_, name = data.get("reference"), data.get("type"), data.get("name")
        if not (isinstance(reference, str) and isinstance(type_, str) and isinstance(name, str)) or kind not in KINDS:
            return None
        return cls(kind, reference, type_, name, size if isinstance(size, int) and size >= 0 else None)


def place(latitude: object, longitude: object, name: str = "") -> Attachment | None:
    """None if it is nowhere."""
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in (latitude, longitude)):
        return None
    return Attachment("place", f"{latitude},{longitude}"[:60], name=name)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a customer; the door makes it an Inbound."""

    conversation_id: str
    id: str
    """The provider's. The same id is the same message."""
    address: Mapping[str, str]
    """Where the answer goes; the conversation keeps the last one."""
    text: str = ""
    press: str | None = None
    """The id of a button, as it came back; `text` is then its title, where the provider tells it."""
    payload: str | None = None
    """JOINED, or what a trusted program says that it means; never what a customer wrote."""
    attachments: tuple[Attachment, ...] = ()
    at: float | None = None
    """When it was written, by the provider's clock; messages of one request are taken in this order."""
    metadata: Mapping[str, object] = field(default_factory=dict)
    """Of the customer and the message; custom actions see it."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """A customer's thumb under a message of ours."""

    provider_id: str
    rating: Rating


@dataclass(frozen=True, slots=True)
class Release:
    """People, somewhere else, gave a conversation back to the bot."""

    conversation_id: str
    labels: tuple[str, ...] = ()
    """What they had put on it by then."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the provider is told at once."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain"


ACKNOWLEDGED = Reply()


@dataclass(frozen=True, slots=True)
class Received:
    """All that was in a request."""

    messages: tuple[Message, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    reactions: tuple[Reaction, ...] = ()
    released: tuple[Release, ...] = ()
    seen: tuple[Call, ...] = ()
    """Calls to make at once, once all is accepted: that a press was seen, say. Nothing depends on them."""
    ignored: tuple[str, ...] = ()
    """What else there was, in words of ours and few: they are counted."""
    reply: Reply = ACKNOWLEDGED


def conversation(channel: str, *parts: str) -> str:
    """A conversation's id: the channel's name, and whatever tells its conversations apart."""
    return f"{channel}-{':'.join(quote(part, safe='@+=!~ ') for part in parts)}"
