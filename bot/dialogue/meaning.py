"""What a message means to the dialogue: an understood text or a pressed button."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from bot.messages import Inbound, Json
from nlu.types import Entity, Intent, Passage, Understanding, Verdict, family


class NotSearchedError(Exception):
    """Passages are wanted that were not looked for."""


@dataclass(frozen=True, slots=True)
class Meaning:
    text: str
    verdict: Verdict
    intent: str | None
    """Set when the verdict is SURE."""
    confidence: float = 1.0
    entities: tuple[Entity, ...] = ()
    found: tuple[Passage, ...] | None = ()
    """The passages, best first; None if nobody has looked for them."""
    candidates: tuple[Intent, ...] = ()
    ranking: tuple[Intent, ...] = ()
    language: str = ""
    """Of the text, if it is another one than the assistant's."""
    corrected: str = ""
    """The text as it was read, if mistyped words in it were taken for others."""
    slots: Mapping[str, Any] | None = None
    """Values that a button sets without an entity."""
    pressed: bool = False
    parsed: Mapping[str, Any] | None = None
    """The understanding in Rasa's form."""
    requests: tuple[Meaning, ...] = ()
    """The parts of a message that makes several requests."""

    @property
    def sure(self) -> bool:
        return self.verdict is Verdict.SURE and self.intent is not None

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Raises NotSearchedError."""
        if self.found is None:
            raise NotSearchedError
        return self.found

    @property
    def answer(self) -> Passage | None:
        """The passage that surely answers. Raises NotSearchedError."""
        return self.passages[0] if self.passages and self.passages[0].sure else None

    def acting_on(self, intent: Intent) -> Meaning:
        """The same message, taken to mean this."""
        return replace(self, verdict=Verdict.SURE, intent=intent.name, confidence=intent.confidence)

    def unsure(self) -> Meaning:
        return replace(self, verdict=Verdict.UNSURE, intent=None)

    def to_rasa(self, part: int = 0) -> Json:
        """Rasa's `parse_data`, with the verdict that the dialogue acts on under `metadata.settled`, and from the second
        thing on that a turn deals with its number under `metadata.part`."""
        parsed = dict(self.parsed or self._bare())
        if self.intent is not None:
            parsed["intent"] = {"name": self.intent, "confidence": self.confidence}
        marks = {"settled": self.verdict.value} | ({"part": part} if part else {})
        return {**parsed, "metadata": {**parsed.get("metadata", {}), **marks}}

    def kept(self) -> Json:
        """All that is needed to deal with it in a later turn; inverse of `recalled`."""
        return {
            "text": self.text,
            "parse_data": self.to_rasa(),
            "candidates": [asdict(intent) for intent in self.candidates],
            "passages": [asdict(passage) for passage in self.passages[:1]],
        }

    def _bare(self) -> Json:
        return {
            "text": self.text,
            "intent": {"name": self.intent, "confidence": self.confidence if self.intent else 0.0},
            "entities": [entity.to_rasa() for entity in self.entities],
            "intent_ranking": [{"name": i.name, "confidence": i.confidence} for i in self.ranking],
        }


def of_message(inbound: Inbound, understanding: Understanding | None, intents: frozenset[str]) -> Meaning:
    """A payload that is a slash message speaks for itself, and of an understanding only the passages count;
    everything else is as it was understood."""
    if inbound.payload is not None and inbound.payload.startswith("/"):
        pressed = _pressed(inbound.text, inbound.payload, intents)
        return replace(pressed, found=_found(understanding)) if understanding else pressed
    if understanding is None:
        return Meaning(inbound.text, Verdict.UNSURE, None)
    return replace(_understood(understanding), text=inbound.text)


def _understood(understanding: Understanding) -> Meaning:
    return Meaning(
        text=understanding.text,
        verdict=understanding.verdict,
        intent=understanding.intent.name if understanding.verdict is Verdict.SURE else None,
        confidence=understanding.intent.confidence,
        entities=understanding.entities,
        found=_found(understanding),
        candidates=understanding.candidates,
        ranking=understanding.ranking,
        language=understanding.language,
        corrected=understanding.corrected,
        parsed=understanding.to_rasa(),
        requests=tuple(_understood(request.meant) for request in understanding.requests),
    )


def _found(understanding: Understanding) -> tuple[Passage, ...] | None:
    return understanding.passages if understanding.searched else None


def recalled(kept: Mapping[str, Any]) -> Meaning:
    """What was meant in an earlier turn."""
    parsed = kept["parse_data"]
    verdict = Verdict(parsed["metadata"]["settled"])
    return Meaning(
        text=kept["text"],
        verdict=verdict,
        intent=parsed["intent"]["name"] if verdict is Verdict.SURE else None,
        confidence=parsed["intent"]["confidence"],
        entities=tuple(Entity.from_rasa(found) for found in parsed["entities"]),
        found=tuple(Passage(**passage) for passage in kept["passages"]),
        candidates=tuple(Intent(**intent) for intent in kept["candidates"]),
        ranking=tuple(Intent(**intent) for intent in parsed["intent_ranking"]),
        language=parsed["metadata"].get("language", ""),
        corrected=parsed["metadata"].get("corrected", ""),
        parsed=parsed,
    )


def payload_for(intent: str, entities: tuple[Entity, ...]) -> str:
    """The slash message of an intent with what was found in the text; inverse of how a press is read."""
    values: dict[str, list[Any]] = {}
    for found in entities:
        marks = {key: value for key, value in (("role", found.role), ("group", found.group)) if value is not None}
        values.setdefault(found.entity, []).append({"value": found.value, **marks} if marks else found.value)
    shown = {name: found[0] if len(found) == 1 else found for name, found in values.items()}
    return f"/{intent}" + (_dumped(shown) if shown else "")


def _dumped(values: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(values).decode()
    except TypeError:  # a lone surrogate in the customer's text
        return ""


def _pressed(text: str, payload: str, intents: frozenset[str]) -> Meaning:
    name, confidence, values = parse_payload(payload)
    known = name in intents or family(name) in intents
    entities = tuple(entity for key, value in values.items() for entity in _entities(key, value))
    return Meaning(
        text=text or payload,
        verdict=Verdict.SURE if known else Verdict.UNSURE,
        intent=name if known else None,
        confidence=confidence,
        entities=entities,
        ranking=(Intent(name, confidence),) if known else (),
        slots=values,
        pressed=True,
    )


def parse_payload(payload: str) -> tuple[str, float, dict[str, Any]]:
    """`/intent@0.98{"entity": "value"}` in its parts; a part that cannot be read is left out."""
    head, brace, tail = payload[1:].partition("{")
    name, _, number = head.partition("@")
    try:
        values = orjson.loads(brace + tail) if brace else {}
    except orjson.JSONDecodeError:
        values = {}
    return name.strip(), _confidence(number), values


def _confidence(number: str) -> float:
    try:
        return min(1.0, max(0.0, float(number))) if number.strip() else 1.0
    except ValueError:
        return 1.0


def _entities(name: str, value: Any) -> list[Entity]:
    found = []
    for item in value if isinstance(value, list) else [value]:
        marked = item if isinstance(item, dict) else {"value": item}
        if marked.get("value") is not None:
            role, group = marked.get("role"), marked.get("group")
            found.append(Entity(name, 0, 0, marked["value"], 1.0, "payload", role, group))
    return found
