"""Slots and the ways a message fills them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from nlu.source import Node, did_you_mean
from nlu.types import family

REQUESTED = "requested_slot"
CUSTOMER = "customer"
"""The slot, and the message's metadata, that hold what a channel vouches for: who is signed in."""


class Source(StrEnum):
    """Where a mapping takes its value from."""

    ENTITY = "from_entity"
    INTENT = "from_intent"
    TRIGGER = "from_trigger_intent"
    TEXT = "from_text"
    CUSTOM = "custom"


class Kind(StrEnum):
    TEXT = "text"
    BOOL = "bool"
    FLOAT = "float"
    LIST = "list"
    CATEGORICAL = "categorical"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class When:
    """A mapping's condition. `loop` None means that no loop is active, an empty text that any may be."""

    loop: str | None
    slot: str | None

    def holds(self, loop: str | None, requested: str | None) -> bool:
        return self.loop in ("", loop) and self.slot in (None, requested)


@dataclass(frozen=True, slots=True)
class SlotMapping:
    source: Source
    intents: frozenset[str] = frozenset()
    not_intents: frozenset[str] = frozenset()
    entity: str = ""
    role: str | None = None
    group: str | None = None
    value: Any = None
    action: str = ""
    conditions: tuple[When, ...] = ()

    def allows(self, intent: str | None) -> bool:
        if self.intents and not _named(intent, self.intents):
            return False
        return not _named(intent, self.not_intents)

    @classmethod
    def read(cls, node: Node, slot: str) -> Self:
        fields = node.mapping(f"A mapping of slot '{slot}'")
        if "type" not in fields:
            node.fail(f"a mapping of slot '{slot}' has no type.", "Write 'type: from_entity' or another one.")
        kind = fields["type"].text("A mapping's type")
        if kind not in list(Source):
            fields["type"].fail(f"'{kind}' is no type of mapping.", did_you_mean(kind, list(Source)))
        source = Source(kind)
        if source is Source.ENTITY and "entity" not in fields:
            node.fail(f"a from_entity mapping of slot '{slot}' names no entity.", f"Add 'entity: {slot}'.")
        return cls(
            source=source,
            intents=_names(fields.get("intent")),
            not_intents=_names(fields.get("not_intent")),
            entity=_plain(fields, "entity") or "",
            role=_plain(fields, "role"),
            group=None if _plain(fields, "group") is None else str(_plain(fields, "group")),
            value=_plain(fields, "value"),
            action=_plain(fields, "action") or "",
            conditions=_conditions(fields.get("conditions")),
        )


@dataclass(frozen=True, slots=True)
class Slot:
    name: str
    kind: Kind
    place: Node
    initial: Any = None
    values: tuple[Any, ...] = ()
    mappings: tuple[SlotMapping, ...] = ()

    @property
    def confirms(self) -> bool:
        """Whether it holds a yes that must be given anew each time."""
        return self.name.startswith("confirm")

    def coerce(self, value: Any) -> Any:
        """The value as the slot's type wants it, or as it came when it does not fit."""
        if self.kind is Kind.LIST:
            return value if isinstance(value, list) else [value]
        if isinstance(value, list):
            value = value[-1] if value else None
        return _COERCE[self.kind](self, value) if self.kind in _COERCE else value

    @classmethod
    def read(cls, name: str, node: Node) -> Self:
        fields = node.mapping(f"Slot '{name}'")
        if "type" not in fields:
            node.fail(f"slot '{name}' has no type.", "Add 'type: text'.")
        kind = fields["type"].text("A slot's type")
        if kind not in list(Kind) and "." not in kind:
            advice = did_you_mean(kind, list(Kind)) or f"Use one of {', '.join(Kind)}."
            fields["type"].fail(f"'{kind}' is no type of slot.", advice)
        mappings = fields["mappings"].items(f"The mappings of slot '{name}'") if "mappings" in fields else []
        return cls(
            name=name,
            kind=Kind(kind) if kind in list(Kind) else Kind.ANY,
            place=node,
            initial=_plain(fields, "initial_value"),
            values=tuple(_plain(fields, "values") or ()),
            mappings=tuple(SlotMapping.read(mapping, name) for mapping in mappings),
        )


def _as_float(_: Slot, value: Any) -> Any:
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return value


def _as_bool(_: Slot, value: Any) -> Any:
    return {"true": True, "false": False}.get(str(value).lower(), value)


def _as_category(slot: Slot, value: Any) -> Any:
    same = (known for known in slot.values if str(known).casefold() == str(value).casefold())
    return next(same, value)


_COERCE = {Kind.FLOAT: _as_float, Kind.BOOL: _as_bool, Kind.CATEGORICAL: _as_category}


def _plain(fields: Mapping[str, Node], key: str) -> Any:
    return fields[key].plain() if key in fields else None


def _names(node: Node | None) -> frozenset[str]:
    value = node.plain() if node else None
    return frozenset([value] if isinstance(value, str) else value or ())


def _named(intent: str | None, names: frozenset[str]) -> bool:
    return intent is not None and (intent in names or family(intent) in names)


def _conditions(node: Node | None) -> tuple[When, ...]:
    if node is None:
        return ()
    found = [item.mapping("A condition") for item in node.items("Conditions")]
    return tuple(When(_plain(c, "active_loop") if "active_loop" in c else "", _plain(c, REQUESTED)) for c in found)
