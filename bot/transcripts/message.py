"""What the readers of transcripts give: messages, and what they had to leave out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO

BROKEN = "broken JSON"
NO_TEXT = "no text in it"
STAFF = "not a customer's words"
COMMAND = "a pressed button or a command"
NOT_UTF8 = "bytes that are not in the file's encoding"


class Writer(Enum):
    CUSTOMER = "customer"
    STAFF = "staff"
    """A person of the shop, a bot, or the system."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Message:
    line: int
    text: str
    writer: Writer = Writer.CUSTOMER
    who: str = ""
    """As the transcript names the writer."""
    conversation: str | None = None
    id: str | None = None
    at: float | None = None
    customer: str | None = None
    """Id, address or name."""
    asked: str | None = None
    intent: str | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class LeftOut:
    line: int
    reason: str


Item = Message | LeftOut


@dataclass(slots=True)
class Way:
    """How to read, as far as the person said so; and what a reader tells of how it read."""

    format: str = ""
    encoding: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Field to the name of its column."""
    customers: frozenset[str] = frozenset()
    """Writers who are customers, in lower case."""
    own: frozenset[str] = frozenset()
    """E-mail addresses and domains of the shop, in lower case."""
    remarks: list[str] = field(default_factory=list)
    file: BinaryIO | None = None
    """The one being read: its position is how far reading has come."""

    def position(self) -> int:
        return self.file.tell() if self.file is not None and not self.file.closed else 0


Items = Iterator[Item]
