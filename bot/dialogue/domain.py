"""The domain: what the assistant knows, asks, says and does, read from any number of YAML files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bot.dialogue.defaults import RASA_NAMES, RESPONSES
from bot.dialogue.responses import Variation
from bot.dialogue.slots import REQUESTED, Slot
from bot.messages import Json
from nlu.source import Node, read_yaml

SECTIONS = ("intents", "entities", "slots", "forms", "actions", "responses", "session_config", "config")
_NOWHERE = Node(None, Path(), 0)


@dataclass(frozen=True, slots=True)
class Form:
    name: str
    required: tuple[str, ...]
    ignored_intents: frozenset[str]
    place: Node


@dataclass(frozen=True, slots=True)
class Action:
    """A custom action. An idempotent one may be run again when it is not known whether it ran."""

    name: str
    idempotent: bool
    place: Node


@dataclass(frozen=True, slots=True)
class Session:
    """When a silent customer's next message begins a new session."""

    minutes: float = 60
    carry_over: bool = True

    def expired(self, last: float, now: float) -> bool:
        return self.minutes > 0 and now - last > self.minutes * 60


@dataclass(frozen=True, slots=True)
class Domain:
    intents: Mapping[str, Node]
    entities: Mapping[str, Node]
    slots: Mapping[str, Slot]
    forms: Mapping[str, Form]
    actions: Mapping[str, Action]
    responses: Mapping[str, tuple[Variation, ...]]
    places: Mapping[str, Node]
    """Where each response stands."""
    session: Session
    source: Json
    """The merged YAML as it was read."""

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Self:
        """Raises DataError when a file is not a domain."""
        return cls.of([read_yaml(path) for path in paths])

    @classmethod
    def of(cls, documents: Sequence[Node]) -> Self:
        parts = [document.mapping("A domain file") for document in documents]
        found = {key: [part[key] for part in parts if key in part] for key in SECTIONS}
        responses = _merged(found["responses"], "Responses")
        return cls(
            intents=_named(found["intents"], "Intents"),
            entities=_named(found["entities"], "Entities"),
            slots={name: Slot.read(name, node) for name, node in _merged(found["slots"], "Slots").items()},
            forms={name: _form(name, node) for name, node in _merged(found["forms"], "Forms").items()},
            actions={name: _action(name, node) for name, node in _named(found["actions"], "Actions").items()},
            responses={name: _variations(name, node) for name, node in responses.items()},
            places=responses,
            session=_session(found["session_config"]),
            source=_source(found),
        )

    def to_json(self) -> Json:
        """The domain as Rasa's action server wants it."""
        return self.source

    def initial_slots(self) -> dict[str, Any]:
        return {**{name: slot.initial for name, slot in self.slots.items()}, REQUESTED: None}

    def response(self, name: str) -> tuple[Variation, ...]:
        """The domain's variations, or the built-in ones of a response that the assistant itself needs."""
        for known in (name, *RASA_NAMES.get(name, ())):
            if known in self.responses:
                return self.responses[known]
        return RESPONSES.get(name, ())

    def says(self, name: str) -> bool:
        return name in self.responses or name in RESPONSES

    def prompt(self, form: str, slot: str) -> str | None:
        """The action or response that asks for a form's slot, in Rasa's order."""
        for stem in (f"{form}_{slot}", slot):
            if f"action_ask_{stem}" in self.actions:
                return f"action_ask_{stem}"
            if f"utter_ask_{stem}" in self.responses:
                return f"utter_ask_{stem}"
        return None

    def asks_for(self, slot: str) -> bool:
        """Whether a form does."""
        return any(slot in form.required for form in self.forms.values())


def _named(nodes: Sequence[Node], what: str) -> dict[str, Node]:
    """A list of names, or of one-key mappings from a name to its options."""
    found: dict[str, Node] = {}
    for item in (item for node in nodes if node.value is not None for item in node.items(what)):
        if isinstance(item.value, dict) and len(item.value) == 1:
            name, options = next(iter(item.value.items()))
            found.setdefault(name, Node(options.value, item.path, item.line))
        else:
            found.setdefault(item.text(f"An entry of {what.lower()}"), Node(None, item.path, item.line))
    return found


def _merged(nodes: Sequence[Node], what: str) -> dict[str, Node]:
    found: dict[str, Node] = {}
    for node in nodes:
        if node.value is None:
            continue
        for name, value in node.mapping(what).items():
            if name in found:
                first = found[name]
                value.fail(f"'{name}' stands in two files ({first.path}:{first.line}).", "Keep one of them.")
            found[name] = value
    return found


def _form(name: str, node: Node) -> Form:
    fields = node.mapping(f"Form '{name}'") if node.value is not None else {}
    for key in fields.keys() - {"required_slots", "ignored_intents"}:
        fields[key].fail(
            f"form '{name}' has no key '{key}'.",
            "Forms name required_slots and ignored_intents; how a slot is filled stands at the slot.",
        )
    required, ignored = fields.get("required_slots"), fields.get("ignored_intents")
    if required is None:
        slots: tuple[str, ...] = ()
    elif isinstance(required.value, dict):
        required.fail(
            f"the slots of form '{name}' are written as in Rasa 2.",
            "List their names under required_slots and move the mappings to the slots.",
        )
    else:
        slots = tuple(item.text("A required slot") for item in required.items("required_slots"))
    names = ignored.plain() if ignored else []
    return Form(name, slots, frozenset([names] if isinstance(names, str) else names or ()), node)


def _action(name: str, node: Node) -> Action:
    options = node.value if isinstance(node.value, dict) else {}
    return Action(name, bool(options["idempotent"].value) if "idempotent" in options else False, node)


def _variations(name: str, node: Node) -> tuple[Variation, ...]:
    found = []
    for item in node.items(f"Response '{name}'"):
        plain = {key: value.plain() for key, value in item.mapping(f"A variation of '{name}'").items()}
        if not any(key in plain for key in ("text", "image", "custom", "buttons", "attachment", "elements")):
            item.fail(f"a variation of '{name}' says nothing.", "Give it a text.")
        _check_lists(name, item)
        found.append(Variation.of(plain))
    if not found:
        node.fail(f"response '{name}' has no variation.", "Add '- text: ...'.")
    return tuple(found)


def _check_lists(name: str, item: Node) -> None:
    for key in ("buttons", "quick_replies", "elements", "condition"):
        for part in item.value[key].items(f"The {key} of '{name}'") if key in item.value else ():
            fields = part.mapping(f"An entry of the {key} of '{name}'")
            if key in ("buttons", "quick_replies") and "title" not in fields:
                part.fail(f"a button of '{name}' has no title.", "Add 'title: ...'.")
            if key == "condition" and "name" not in fields:
                part.fail(f"a condition of '{name}' names no slot.", "Write 'type: slot', 'name: ...', 'value: ...'.")


def _session(nodes: Sequence[Node]) -> Session:
    fields = nodes[-1].mapping("session_config") if nodes else {}
    minutes, carry = fields.get("session_expiration_time"), fields.get("carry_over_slots_to_new_session")
    if minutes is not None and not isinstance(minutes.value, int | float):
        minutes.fail("session_expiration_time must be a number of minutes.", "Write 0 for never.")
    return Session(minutes.value if minutes else 60, bool(carry.value) if carry else True)


def _source(found: Mapping[str, Sequence[Node]]) -> Json:
    plain: Json = {"version": "3.1"}
    for key in ("intents", "entities"):
        plain[key] = [item for node in found[key] for item in node.plain() or ()]
    plain["actions"] = list(_named(found["actions"], "Actions"))
    for key in ("slots", "forms", "responses", "session_config", "config"):
        plain[key] = {name: value for node in found[key] for name, value in (node.plain() or {}).items()}
    return plain
