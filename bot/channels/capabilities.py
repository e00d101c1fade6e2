"""What a channel can show and how fast: answers are put into its form by these."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a channel counts when it says how long a text may be."""

    CHARACTERS = "characters"
    UTF16 = "utf16"
    """Code units: an emoji is two."""
    BYTES = "bytes"
    """Of UTF-8."""


class Markup(StrEnum):
    """How a channel writes bold, italics, code and links."""

    PLAIN = "plain"
    HTML = "html"
    """Telegram's few elements."""
    MRKDWN = "mrkdwn"
    """Slack's."""
    WHATSAPP = "whatsapp"
    MARKDOWN = "markdown"
    """CommonMark, as Teams reads it."""


@dataclass(frozen=True, slots=True)
class Options:
    """One way to offer choices."""

    most: int
    title: int
    """Longest title, in the channel's unit."""
    text: int | None = None
    """Longest text above them, if it may be shorter than a plain message's."""
    pictured: int = 0
    """Longest text that one message shows with them and an image; 0 if none shows all three."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A token bucket."""

    rate: float
    """Calls a second."""
    burst: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    longest: int
    """Of a text, in `unit`."""
    unit: Unit = Unit.CHARACTERS
    markup: Markup = Markup.PLAIN
    buttons: Options | None = None
    choices: Options | None = None
    """A list to choose from, or quick replies: whatever takes more than the buttons do."""
    images: bool = False
    caption: int = 0
    """Longest text that an image can carry."""
    cards: bool = False
    """It shows cards in a form of its own; else they become images and texts."""
    typing: float | None = None
    """Seconds for which one signal shows that somebody writes."""
    window: float | None = None
    """Seconds after the customer's last message in which it takes ours."""
    account: Pace | None = None
    conversation: Pace | None = None

    @property
    def numbers_from(self) -> int:
        """The fewest choices that become a numbered text, out of which the customer answers with a number."""
        return 1 + max((way.most for way in (self.buttons, self.choices) if way), default=0)
