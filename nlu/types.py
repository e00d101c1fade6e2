"""What the language part says about a text: plain values, no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, Self

ERROR_BUDGET = 0.03
"""Share of the in-scope texts that may be answered wrongly at once, unless the operator says otherwise."""


def family(intent: str) -> str:
    """The intent that a retrieval intent counts for: `faq/returns` is one of `faq`. Any other is its own."""
    return intent.partition("/")[0]


class Tune(StrEnum):
    """What a training changes."""

    ALL = "all"
    """The upper layers and the heads."""
    ADAPTERS = "adapters"
    """Few weights beside those of the upper layers (LoRA, Hu et al. 2021), and the heads."""
    HEAD = "head"
    """The heads for intents; the layers stay as the last model has them."""


class Verdict(StrEnum):
    """What the model's calibrated thresholds say about an understanding."""

    SURE = "sure"
    """One meaning stands out: act on it."""
    AMBIGUOUS = "ambiguous"
    """Two or three meanings are likely: ask which."""
    UNSURE = "unsure"
    """No meaning is likely enough, or the text is out of scope: do not guess."""


@dataclass(frozen=True, slots=True)
class Intent:
    name: str
    confidence: float
    """Calibrated probability, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Entity:
    """`text[start:end]` of the original text, `end` exclusive; `value` after synonyms."""

    entity: str
    start: int
    end: int
    value: str
    confidence: float
    extractor: str
    role: str | None = None
    group: str | None = None

    def moved(self, by: int) -> Entity:
        return replace(self, start=self.start + by, end=self.end + by)

    def to_rasa(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "entity": self.entity,
            "start": self.start,
            "end": self.end,
            "value": self.value,
            "confidence_entity": self.confidence,
            "extractor": self.extractor,
        }
        if self.role is not None:
            found["role"] = self.role
        if self.group is not None:
            found["group"] = self.group
        return found

    @classmethod
    def from_rasa(cls, found: Mapping[str, Any]) -> Self:
        kept = {name: found[name] for name in ("entity", "start", "end", "value", "extractor")}
        return cls(**kept, confidence=found["confidence_entity"], role=found.get("role"), group=found.get("group"))


@dataclass(frozen=True, slots=True)
class Passage:
    """A section of a knowledge-base article that may answer a text."""

    article: str
    """The article's id: its file name without the suffix."""
    title: str
    section: str
    """The section's heading; empty for the article's opening."""
    text: str
    """The section's Markdown."""
    url: str
    """Where a customer can read the article; empty if nowhere."""
    score: float
    """The probability that the article answers the text."""
    sure: bool
    """Whether the score passes the model's knowledge threshold."""


@dataclass(frozen=True, slots=True)
class Understanding:
    text: str
    intent: Intent
    ranking: tuple[Intent, ...]
    """Most likely first; `intent` is its head."""
    verdict: Verdict
    candidates: tuple[Intent, ...] = ()
    """The two or three meanings to offer when the verdict is AMBIGUOUS."""
    entities: tuple[Entity, ...] = ()
    passages: tuple[Passage, ...] = ()
    """Best first; empty when the model has no knowledge base."""
    searched: bool = True
    """False if no passages were looked for, since the intent is answered without them."""
    scope: float = 1.0
    """Probability-like score that the text is in scope, 0 to 1."""
    model: str = ""
    """Id of the model that said so."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    language: str = ""
    """ISO 639-1 code of another language than the assistant's, in which a text that is not understood surely is."""
    corrected: str = ""
    """The text as it was read, if mistyped words in it were taken for others; else empty."""
    requests: tuple[Request, ...] = ()
    """The parts of a text that makes several requests, in its order; empty where there is one."""

    def to_rasa(self) -> dict[str, Any]:
        """Rasa's `parse_data`, with additions under `metadata`: `passages` if they were looked for, and `language`,
        `corrected` and `requests` where they say something."""
        return {
            "text": self.text,
            "intent": {"name": self.intent.name, "confidence": self.intent.confidence},
            "entities": [entity.to_rasa() for entity in self.entities],
            "intent_ranking": [{"name": i.name, "confidence": i.confidence} for i in self.ranking],
            "metadata": {
                **self.metadata,
                "verdict": self.verdict.value,
                "scope": self.scope,
                "model": self.model,
                **({"passages": [_named(passage) for passage in self.passages]} if self.searched else {}),
                **({"language": self.language} if self.language else {}),
                **({"corrected": self.corrected} if self.corrected else {}),
                **({"requests": [request.to_rasa() for request in self.requests]} if self.requests else {}),
            },
        }


def _named(passage: Passage) -> dict[str, Any]:
    return {
        "article": passage.article,
        "section": passage.section,
        "score": passage.score,
        "sure": passage.sure,
    }


@dataclass(frozen=True, slots=True)
class Request:
    """One of several requests in a text, understood by itself."""

    start: int
    """Where `meant.text` begins in the whole text; its entities' places are its own."""
    meant: Understanding

    @property
    def end(self) -> int:
        return self.start + len(self.meant.text)

    @classmethod
    def within(cls, whole: Understanding, start: int, meant: Understanding) -> Self:
        """With the entities that the whole text has there: more words tell them better."""
        end = start + len(meant.text)
        inside = (e for e in whole.entities if start <= e.start and e.end <= end)
        return cls(start, replace(meant, entities=tuple(e.moved(-start) for e in inside)))

    def to_rasa(self) -> dict[str, Any]:
        """The main part of Rasa's `parse_data`, with all places in the whole text."""
        return {
            "text": self.meant.text,
            "start": self.start,
            "end": self.end,
            "intent": {"name": self.meant.intent.name, "confidence": self.meant.intent.confidence},
            "entities": [entity.moved(self.start).to_rasa() for entity in self.meant.entities],
            "verdict": self.meant.verdict.value,
        }


@dataclass(frozen=True, slots=True)
class Query:
    """A text to be understood."""

    text: str
    without_articles: frozenset[str] = frozenset()
    """Intents that need no passages: for a text that surely has one of them none are looked for."""


class Understander(Protocol):
    """The one face the chat service sees of the language part."""

    @property
    def model(self) -> str:
        """Id of the model in use."""

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        """One understanding per text, in order. Never raises on a text's content. `without_articles`: as in Query."""
