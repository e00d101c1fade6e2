"""What is kept of a customer's words: redacted, in their language, by somebody whose name nobody reads."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from bot.config import Settings
from bot.customers import CUSTOMER
from bot.journal.values import UtteranceKey
from bot.text import storable
from bot.tokens import Signer, load_key
from bot.wire import clean_text
from nlu.languages import language_of
from nlu.learning.redaction import Redactor
from nlu.source import is_blank

MOST_CHARACTERS = 2000
"""Of a message: a longer one is a letter or something pasted, and nobody learns an intent from it."""
EMPTY, LONG, REPEATED = (
    "nothing in it",
    f"longer than {MOST_CHARACTERS} characters",
    "the same as the customer's message before",
)
WORDS = "words"
"""What a digest of a text is for."""
_ID_CHARS = 200
_PLACEHOLDER = re.compile(r"<[a-z]+>")
_REMEMBERED = 20_000
"""Customers whose last message is remembered: those who wrote longest ago are forgotten."""


@dataclass(frozen=True, slots=True)
class Words:
    text: str
    """Redacted."""
    language: str | None


@dataclass(frozen=True, slots=True)
class Keeper:
    redactor: Redactor
    signer: Signer

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Raises BadKey."""
        return cls(Redactor.of(settings.order_numbers), Signer(load_key(settings.home, settings.secret)))

    def why_not(self, text: str) -> str | None:
        """The reason why a text is no use, if it is none."""
        if is_blank(text):
            return EMPTY
        return LONG if len(text) > MOST_CHARACTERS else None

    def words(self, text: str) -> Words:
        # A file is not asked at the service's door: what steers a terminal would steer the reviewer's.
        redacted = self.redactor.redact(clean_text(storable(text))).text
        return Words(redacted, language_of(_PLACEHOLDER.sub(" ", redacted)) or None)

    def customer(self, name: str) -> str:
        """The same for the same id or address; who has not the service's key cannot tell of whom it is."""
        return self.signer.digest(CUSTOMER, storable(name).strip().casefold())[:32]

    def mark(self, text: str) -> str:
        """The same for the same words, however they are redacted; who has not the service's key cannot try words."""
        return self.signer.digest(WORDS, storable(text))[:8]

    def conversation(self, name: str, customer: str | None) -> str:
        """As it is, unless it tells who wrote or no index takes it. A number that names the customer as well may be
        a phone's."""
        name = storable(name)
        whose = f"+{name}" if name.isdecimal() and customer in (None, name) else name
        tells = "@" in name or self.redactor.redact(whose).spans
        return self.customer(name) if tells or len(name) > _ID_CHARS else name

    def signed_in(self, metadata: Mapping[str, Any]) -> str | None:
        """The customer whom the page vouched for."""
        claims = metadata.get(CUSTOMER)
        name = (claims.get("id") or claims.get("email")) if isinstance(claims, Mapping) else None
        return self.customer(name) if isinstance(name, str) else None


@dataclass(slots=True)
class Repeats:
    """Tells whether somebody says the same again."""

    _last: OrderedDict[str, tuple[str, UtteranceKey]] = field(default_factory=OrderedDict)

    def before(self, customer: str, text: str, key: UtteranceKey) -> UtteranceKey | None:
        """The customer's message before this one if it said the same; remembers this one if not."""
        same = " ".join(text.casefold().split())
        last = self._last.get(customer)
        if last is not None and last[0] == same:
            return last[1]
        self._last[customer] = (same, key)
        self._last.move_to_end(customer)
        if len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)
        return None
