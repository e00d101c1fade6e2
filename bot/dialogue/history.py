"""What happened, in the few words that rules and stories are matched against; every move can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from bot.messages import Json

LENGTH = 120
"""Moves kept: some twenty-five turns."""

Found = tuple[str, str | None, str | None]
"""An entity, its role and its group."""


@dataclass(frozen=True, slots=True)
class Move:
    kind: Literal["said", "done", "slot", "loop", "stack"]
    name: str | None = None
    before: Any = None
    """What a slot, the loop or the stack was before."""
    hidden: bool = False
    """A turn that a form took for itself: rules and stories do not see it."""
    text: str = ""
    entities: tuple[Found, ...] = ()

    @property
    def hard(self) -> bool:
        return self.kind in ("said", "done") and not self.hidden

    def to_json(self) -> tuple[Any, ...]:
        return self.kind, self.name, self.before, self.hidden, self.text, self.entities

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        kind, name, before, hidden, text, entities = data
        return cls(kind, name, before, hidden, text, tuple((e[0], e[1], e[2]) for e in entities))


@dataclass(frozen=True, slots=True)
class Loop:
    """The active form. Interrupted: the customer is being asked something else for a moment."""

    name: str
    interrupted: bool = False
    rejected: bool = False
    trigger: Mapping[str, Any] | None = None
    """The parsed message that started it."""

    def to_json(self) -> Json:
        return {
            "name": self.name,
            "is_interrupted": self.interrupted,
            "rejected": self.rejected,
            "trigger_message": dict(self.trigger) if self.trigger is not None else None,
        }

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(data["name"], data["is_interrupted"], data["rejected"], data["trigger_message"])


@dataclass(frozen=True, slots=True)
class Suspended:
    """A form that waits until another one, begun in its middle, is done."""

    form: str
    slots: Mapping[str, Any]
    """What it had been told."""

    def to_json(self) -> Json:
        return {"form": self.form, "slots": dict(self.slots)}

    @classmethod
    def from_json(cls, data: Json) -> Self:
        return cls(data["form"], data["slots"])
