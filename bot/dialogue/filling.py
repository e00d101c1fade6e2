"""Which slots a message fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bot.dialogue.domain import Domain
from bot.dialogue.meaning import Meaning
from bot.dialogue.slots import Slot, SlotMapping, Source
from bot.dialogue.tracker import Tracker

AFFIRM, DENY = "affirm", "deny"
CONFIRMS = 0.9
"""Probability from which a typed answer confirms or refuses what is about to be changed: a "maybe" is neither."""


def found_slots(domain: Domain, tracker: Tracker, meaning: Meaning) -> dict[str, Any]:
    """Values for slots, by the first of each slot's mappings that gives one."""
    found: dict[str, Any] = {}
    for slot in domain.slots.values():
        value = _value(domain, slot, tracker, meaning)
        if value is not None:
            found[slot.name] = slot.coerce(value)
    return _told_apart(domain, found, tracker)


def named_slots(domain: Domain, tracker: Tracker, meaning: Meaning) -> dict[str, Any]:
    """Those that the message fills whatever it was an answer to: without the mere text."""
    return found_slots(domain, tracker, replace(meaning, text=""))


def trigger_slots(domain: Domain, form: str, meaning: Meaning) -> dict[str, Any]:
    """Values that the message which starts a form gives to its slots by its intent."""
    slots = [domain.slots[name] for name in domain.forms[form].required if name in domain.slots]
    return {
        slot.name: slot.coerce(mapping.value)
        for slot in slots
        for mapping in reversed(slot.mappings)
        if mapping.source is Source.TRIGGER and mapping.allows(meaning.intent) and meaning.sure
    }


def custom_extractors(domain: Domain, tracker: Tracker) -> list[str]:
    """Actions that mappings of type custom name, for this moment of the conversation."""
    loop = tracker.loop.name if tracker.loop else None
    names = [
        mapping.action
        for slot in domain.slots.values()
        for mapping in slot.mappings
        if mapping.source is Source.CUSTOM and mapping.action in domain.actions
        if not mapping.conditions or any(when.holds(loop, tracker.requested) for when in mapping.conditions)
    ]
    return list(dict.fromkeys(names))


def _value(domain: Domain, slot: Slot, tracker: Tracker, meaning: Meaning) -> Any:
    if meaning.pressed and slot.name in (meaning.slots or {}) and slot.name not in domain.entities:
        return (meaning.slots or {})[slot.name]
    if _ignored(domain, slot, tracker, meaning) or (slot.confirms and not _plain(tracker, meaning)):
        return None
    values = (
        _taken(mapping, slot, meaning)
        for mapping in slot.mappings
        if mapping.allows(meaning.intent) and _applies(domain, mapping, slot, tracker)
    )
    value = next((value for value in values if value is not None), None)
    if value is None and slot.confirms and tracker.requested == slot.name and meaning.sure:
        return {AFFIRM: True, DENY: False}.get(meaning.intent or "")
    return value


def _plain(tracker: Tracker, meaning: Meaning) -> bool:
    """Whether an answer can be a yes or a no at all."""
    return meaning.pressed or (not tracker.torn and meaning.confidence >= CONFIRMS)


def _ignored(domain: Domain, slot: Slot, tracker: Tracker, meaning: Meaning) -> bool:
    form = domain.forms.get(tracker.loop.name) if tracker.loop else None
    return form is not None and slot.name in form.required and meaning.intent in form.ignored_intents


def _applies(domain: Domain, mapping: SlotMapping, slot: Slot, tracker: Tracker) -> bool:
    loop, requested = (tracker.loop.name if tracker.loop else None), tracker.requested
    if slot.confirms and requested != slot.name:
        return False  # a yes to something else confirms nothing
    if mapping.conditions:
        return any(when.holds(loop, requested) for when in mapping.conditions)
    if mapping.source is Source.ENTITY or not domain.asks_for(slot.name):
        return True
    # Rasa would take any text at any time; a form's slot wants the answer to its own question.
    return requested == slot.name or (mapping.source is Source.INTENT and loop is None)


def _taken(mapping: SlotMapping, slot: Slot, meaning: Meaning) -> Any:
    match mapping.source:
        case Source.ENTITY:
            values = list(_entity_values(mapping, meaning))
            if not values:
                return None
            return values if slot.kind == "list" else values[-1]
        case Source.INTENT:
            return mapping.value if meaning.sure else None
        case Source.TEXT:
            return meaning.text.strip() or None if not (meaning.pressed and meaning.intent) else None
        case _:
            return None


def _entity_values(mapping: SlotMapping, meaning: Meaning) -> Iterator[Any]:
    for found in meaning.entities:
        if found.entity == mapping.entity and found.role == mapping.role and found.group == mapping.group:
            yield found.value


def _told_apart(domain: Domain, found: dict[str, Any], tracker: Tracker) -> dict[str, Any]:
    """One entity wanted by several slots of the form goes to the one that was asked for."""
    slot = domain.slots.get(tracker.requested or "")
    if slot is None or slot.name not in found:
        return found
    wanted = {m.entity for m in slot.mappings if m.source is Source.ENTITY}
    return {name: value for name, value in found.items() if name == slot.name or not _rival(domain, name, wanted)}


def _rival(domain: Domain, name: str, wanted: set[str]) -> bool:
    return any(m.source is Source.ENTITY and m.entity in wanted for m in domain.slots[name].mappings)
