"""What can be wrong with an assistant's files, each thing with its place and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from bot.dialogue.domain import Domain
from bot.dialogue.rules import Done, LoopIs, Said, SlotIs, Step, Written
from bot.dialogue.rules import Path as Way
from bot.dialogue.slots import REQUESTED, Slot, Source
from bot.dialogue.tracker import FALLBACK_INTENT, LISTEN
from nlu.source import DataError, Node, did_you_mean
from nlu.types import family

BUILT_IN_INTENTS = frozenset(
    {"restart", "back", "session_start", "out_of_scope", FALLBACK_INTENT, "human", "stop", "repeat", "resume_bot"}
    | {"joined", "attached"}
)
"""Intents that need not be in the domain."""
VALUES = frozenset({"affirm", "deny", "inform"})
"""Intents that answer a form's question."""
BUILT_IN_ACTIONS = frozenset(
    {
        LISTEN,
        "action_restart",
        "action_session_start",
        "action_default_fallback",
        "action_deactivate_loop",
        "action_revert_fallback_events",
        "action_default_ask_affirmation",
        "action_default_ask_rephrase",
        "action_two_stage_fallback",
        "action_unlikely_intent",
        "action_back",
        "action_extract_slots",
        "action_knowledge",
        "action_clarify",
        "action_repeat",
        "action_hand_over",
        "action_resume_bot",
    }
)


@dataclass(frozen=True, slots=True)
class Problem:
    """`fatal`: the assistant would not work; otherwise something to look at."""

    path: Path
    line: int
    sentence: str
    suggestion: str = ""
    fatal: bool = True

    def error(self) -> DataError:
        return DataError(self.path, self.line, self.sentence, self.suggestion)

    def __str__(self) -> str:
        return str(self.error())


def all_problems(
    domain: Domain, written: Written, intents: Set[str] | None, entities: Set[str] | None
) -> Iterator[Problem]:
    yield from dict.fromkeys(_steps(domain, written))
    yield from _contradictions(written.paths)
    yield from _forms(domain, written)
    yield from _slots(domain)
    yield from _unanswered(domain, written)
    yield from _unused_checkpoints(written)
    if intents is not None:
        yield from _untrained(domain.intents, intents, "intent")
    if entities is not None:
        yield from _untrained(domain.entities, entities, "entity")


def _problem(place: Node, sentence: str, suggestion: str = "", fatal: bool = True) -> Problem:
    return Problem(place.path, place.line, sentence, suggestion, fatal)


def _steps(domain: Domain, written: Written) -> Iterator[Problem]:
    for block in written.blocks:
        title = f"{'rule' if block.is_rule else 'story'} '{block.name}'"
        for condition in block.conditions:
            yield from _step(domain, block.place, condition, title)
        for place, alternatives in block.steps:
            for step in (step for alternative in alternatives for step in alternative):
                yield from _step(domain, place, step, title)


def _step(domain: Domain, place: Node, step: Step, title: str) -> Iterator[Problem]:
    match step:
        case Said(intent=str() as name):
            known = {*domain.intents, *map(family, domain.intents), *BUILT_IN_INTENTS}
            if name not in known and family(name) not in domain.intents:
                yield _problem(place, f"{title} names the unknown intent '{name}'.", _advice(name, known, "intents"))
            for entity, _, _ in step.entities:
                if entity not in domain.entities:
                    advice = _advice(entity, domain.entities, "entities")
                    yield _problem(place, f"{title} names the unknown entity '{entity}'.", advice)
        case Done(action=name):
            yield from _action(domain, place, name, title)
        case LoopIs(name=str() as name):
            if name not in domain.forms and name != "action_two_stage_fallback":
                yield _problem(place, f"{title} names the unknown form '{name}'.", _advice(name, domain.forms, "forms"))
        case SlotIs(name=name):
            if name not in domain.slots and name != REQUESTED:
                yield _problem(place, f"{title} names the unknown slot '{name}'.", _advice(name, domain.slots, "slots"))


def _action(domain: Domain, place: Node, name: str, title: str) -> Iterator[Problem]:
    if name in domain.actions or name in domain.forms or name in BUILT_IN_ACTIONS or domain.says(name):
        return
    if any(response.startswith(f"{name}/") for response in domain.responses):
        return
    if name.startswith("utter_"):
        advice = _advice(name, domain.responses, "responses")
        yield _problem(place, f"{title} says '{name}', which has no response.", advice)
    else:
        known = {*domain.actions, *domain.forms, *domain.responses, *BUILT_IN_ACTIONS}
        yield _problem(place, f"{title} runs the unknown action '{name}'.", _advice(name, known, "actions"))


def _contradictions(paths: Iterable[Way]) -> Iterator[Problem]:
    """Two rules that agree on what happened and differ in what comes next."""
    seen: dict[object, tuple[str | None, Way]] = {}
    for path in (path for path in paths if path.is_rule):
        for length in range(1, len(path.steps) + bool(path.waits)):
            step = path.steps[length] if length < len(path.steps) else None
            following = step.action if isinstance(step, Done) else None
            key = (path.steps[:length], path.gaps[: length + 1], path.at_start)
            before, other = seen.setdefault(key, (following, path))
            if before != following:
                place = path.places[min(length, len(path.places) - 1)]
                first, second = before or "wait for the customer", following or "wait for the customer"
                sentence = f"rule '{path.name}' contradicts rule '{other.name}': {second} or {first}?"
                yield _problem(place, sentence, "Give one of them a condition, or remove it.")
                break


def _forms(domain: Domain, written: Written) -> Iterator[Problem]:
    started = {step.action for path in written.paths for step in path.steps if isinstance(step, Done)}
    for form in domain.forms.values():
        for name in form.required:
            slot = domain.slots.get(name)
            if slot is None:
                advice = _advice(name, domain.slots, "slots")
                yield _problem(form.place, f"form '{form.name}' asks for the unknown slot '{name}'.", advice)
            elif not slot.mappings and not slot.confirms:
                sentence = f"slot '{name}' of form '{form.name}' has no mapping, so no answer can fill it."
                yield _problem(slot.place, sentence, "Add 'mappings:' with at least one entry.")
            if slot and domain.prompt(form.name, name) is None:
                sentence = f"form '{form.name}' has no words to ask for '{name}'."
                yield _problem(form.place, sentence, f"Add the response utter_ask_{form.name}_{name}.", fatal=False)
        if form.name not in started:
            sentence = f"no rule or story starts form '{form.name}'."
            yield _problem(form.place, sentence, "Add a rule with '- action: " + form.name + "'.", fatal=False)


def _slots(domain: Domain) -> Iterator[Problem]:
    for slot in domain.slots.values():
        for mapping in slot.mappings:
            if mapping.source is Source.ENTITY and mapping.entity not in domain.entities:
                advice = _advice(mapping.entity, domain.entities, "entities")
                yield _problem(slot.place, f"slot '{slot.name}' maps the unknown entity '{mapping.entity}'.", advice)
            yield from _intents_of_mapping(domain, slot, mapping.intents | mapping.not_intents)
    for form in domain.forms.values():
        for name in sorted(form.ignored_intents - domain.intents.keys() - BUILT_IN_INTENTS):
            advice = _advice(name, domain.intents, "intents")
            yield _problem(form.place, f"form '{form.name}' ignores the unknown intent '{name}'.", advice)


def _intents_of_mapping(domain: Domain, slot: Slot, names: frozenset[str]) -> Iterator[Problem]:
    for name in sorted(names - domain.intents.keys() - BUILT_IN_INTENTS):
        advice = _advice(name, domain.intents, "intents")
        yield _problem(slot.place, f"a mapping of slot '{slot.name}' names the unknown intent '{name}'.", advice)


def _unanswered(domain: Domain, written: Written) -> Iterator[Problem]:
    lacking = without_rule(domain.intents, written)
    for name, place in domain.intents.items():
        if name in lacking:
            sentence = f"no rule or story begins with intent '{name}'."
            yield _problem(place, sentence, "Add a rule, or remove the intent.", fatal=False)


def without_rule(intents: Iterable[str], written: Written) -> set[str]:
    """Those that nothing in the dialogue answers."""
    said = {step.intent for path in written.paths for step in path.steps if isinstance(step, Said)}
    return {name for name in intents if not {name, family(name)} & (said | BUILT_IN_INTENTS | VALUES)}


def _unused_checkpoints(written: Written) -> Iterator[Problem]:
    left = {block.leaves for block in written.blocks}
    entered = {block.enters for block in written.blocks}
    for block in written.blocks:
        if block.enters and block.enters not in left:
            sentence = f"story '{block.name}' cannot be reached: nothing leads to checkpoint '{block.enters}'."
            yield _problem(block.place, sentence, did_you_mean(block.enters, sorted(left - {""})), fatal=False)
        if block.leaves and block.leaves not in entered:
            sentence = f"story '{block.name}' ends at checkpoint '{block.leaves}', where nothing begins."
            yield _problem(block.place, sentence, did_you_mean(block.leaves, sorted(entered - {""})), fatal=False)


def _untrained(known: Iterable[str], trained: Set[str], what: str) -> Iterator[Problem]:
    places = dict(known.items()) if isinstance(known, dict) else {}
    for name in sorted(places.keys() - trained - BUILT_IN_INTENTS):
        bases = {label.partition("/")[0] for label in trained}
        if name not in bases:
            sentence = f"{what} '{name}' is in the domain, but has no training examples."
            yield _problem(places[name], sentence, did_you_mean(name, sorted(trained)), fatal=False)


def _advice(name: str, known: Iterable[str], section: str) -> str:
    return did_you_mean(name, sorted(known)) or f"Add it to the domain's {section}, or correct the name."
