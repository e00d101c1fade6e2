"""Forms: they ask for slots one by one, check the answers, and wait while something else is dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.dialogue.domain import Form
from bot.dialogue.filling import custom_extractors, trigger_slots
from bot.dialogue.run import ActionRejectedError, ActionResult, Run, Steps
from bot.dialogue.slots import REQUESTED, Source
from bot.messages import Event

VALIDATE_ALL = "action_validate_slot_mappings"
STUCK = 3
"""After so many failed answers to one question a person is offered in words; one earlier, with a button."""


def active(run: Run) -> Form | None:
    return run.domain.forms.get(run.tracker.loop.name) if run.tracker.loop else None


def take(run: Run, found: Mapping[str, Any]) -> Steps[None]:
    """Fill the slots, and let the assistant's own extractors and checks have their say."""
    for name, value in found.items():
        run.set_slot(name, value)
    for action in custom_extractors(run.domain, run.tracker):
        yield from _consult(run, action)
    if VALIDATE_ALL in run.domain.actions:
        yield from _consult(run, VALIDATE_ALL)


def hear(run: Run, form: Form, found: Mapping[str, Any], *, strict: bool) -> Steps[bool]:
    """The customer's answer to the form's question. False when it is none; then nothing has been asked.

    `strict`: what the form's check refuses is no answer, because the message also makes sense otherwise.
    """
    asked = run.tracker.requested
    yield from take(run, found)
    ours = {name: run.tracker.slots.get(name) for name in form.required if name in found}
    told = {name: value for name, value in ours.items() if value is not None}
    try:
        result = yield from _validate(run, form, told)
    except ActionRejectedError:
        run.record("action_execution_rejected", name=form.name, policy=None, confidence=None)
        _take_back(run, ours)
        return False
    if not ours and not _says_anything(result, asked):
        return False
    if strict and asked is not None and _refuses(result, asked):
        _take_back(run, ours)
        return False
    run.did(form.name, "form")
    run.absorb(result)
    if run.over:
        return True
    if asked is not None and not _got_on(run, form) and active(run):
        run.record("slot_refused", name=asked)
    yield from ask(run, form, _forced(result.events))
    return True


def _take_back(run: Run, names: Iterable[str]) -> None:
    """What was no answer has told the form nothing."""
    _set(run, {name: run.before.get(name) for name in names})


def _got_on(run: Run, form: Form) -> bool:
    """Whether the message answered the question, or told or corrected something else."""
    slots = run.tracker.slots
    return any(slots.get(name) not in (None, run.before.get(name)) for name in form.required)


def activate(run: Run, form: Form) -> Steps[None]:
    """Start the form, or put its question again when it is the active one. Another active form waits."""
    run.did(form.name)
    loop = run.tracker.loop
    if loop and loop.name == form.name:
        yield from ask(run, form)
        return
    outer = active(run)
    if outer:
        kept = {name: run.before[name] for name in outer.required if run.before.get(name) is not None}
        run.record("form_suspended", name=outer.name, slots=kept)
    waits = any(waiting.form == form.name for waiting in run.tracker.suspended)
    if waits:
        _remember(run, form)
    if outer or waits:
        _set(run, {name: value for name, value in run.found.items() if name in form.required})
    run.record("active_loop", name=form.name)
    yield from _begin(run, form)


def resume(run: Run) -> Steps[None]:
    """Go back to the form that waited last, with what it had been told, and have that checked again.

    The form in between may have changed what the first one's check had worked out.
    """
    waiting = run.tracker.suspended[-1]
    form = run.domain.forms.get(waiting.form)
    if form is None:
        run.record("form_resumed", name=waiting.form)
        return
    _remember(run, form)
    _forget_confirmation(run, form)
    _introduce(run, form)
    run.did(form.name, "form")
    run.record("active_loop", name=form.name)
    yield from _check_and_ask(run, form)


def come_back(run: Run, form: Form) -> Steps[None]:
    """After something else the question is put again; one for a yes with its subject named, so that the yes is to
    nothing else."""
    slot = run.domain.slots.get(run.tracker.requested or "")
    if slot and slot.confirms and run.replies and not run.tracker.missed:
        _introduce(run, form)
    yield from ask_again(run, form)


def refuse(run: Run, form: Form) -> Steps[None]:
    """What the customer said answers nothing: the question is put again."""
    run.record("slot_refused", name=run.tracker.requested)
    yield from ask_again(run, form)


def ask_again(run: Run, form: Form) -> Steps[None]:
    run.did(form.name, "form")
    yield from ask(run, form)


def ask(run: Run, form: Form, forced: Sequence[str | None] = ()) -> Steps[None]:
    """Put the next question, or end the form. `forced`: the slot that the validation wants next, None for the end."""
    missing = [name for name in form.required if run.tracker.slots.get(name) is None]
    wanted = forced[-1] if forced else next(iter(missing), None)
    if run.tracker.loop is None or run.tracker.loop.name != form.name:
        return
    if wanted is None:
        run.record("form_completed", name=form.name)
        run.leave_loop()
        return
    if run.tracker.slots.get(REQUESTED) != wanted:
        run.set_slot(REQUESTED, wanted)
    _offer_help(run)
    run.asked = True
    prompt = run.domain.prompt(form.name, wanted)
    if prompt is not None and prompt in run.domain.actions:
        yield from _consult(run, prompt)
    elif prompt is None or not run.utter(prompt):
        run.utter("utter_ask_value", slot=wanted.replace("_", " "))


def _begin(run: Run, form: Form) -> Steps[None]:
    _forget_confirmation(run, form)
    for name, value in trigger_slots(run.domain, form.name, run.meaning).items():
        run.set_slot(name, value)
    yield from _check_and_ask(run, form)


def _remember(run: Run, form: Form) -> None:
    """What the form was told before it had to wait."""
    told = next(waiting.slots for waiting in run.tracker.suspended if waiting.form == form.name)
    run.record("form_resumed", name=form.name)
    _set(run, told)


def _set(run: Run, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if run.tracker.slots.get(name) != value:
            run.set_slot(name, value)


def _forget_confirmation(run: Run, form: Form) -> None:
    """A yes that was given to something else."""
    for name in form.required:
        slot = run.domain.slots.get(name)
        if slot and slot.confirms and run.tracker.slots.get(name) is not None:
            run.set_slot(name, None)


def _introduce(run: Run, form: Form) -> None:
    """Say what the next question is about."""
    if not run.utter(f"utter_resume_{form.name}"):
        run.utter("utter_resume_form")


def _check_and_ask(run: Run, form: Form) -> Steps[None]:
    slots = run.tracker.slots
    told = {name: slots[name] for name in form.required if slots.get(name) is not None}
    try:
        result = yield from _validate(run, form, told)
    except ActionRejectedError:
        result = ActionResult()
    run.absorb(result)
    if not run.over:
        yield from ask(run, form, _forced(result.events))


def _validate(run: Run, form: Form, told: Mapping[str, Any]) -> Steps[ActionResult]:
    """The form's own check. Rasa's SDK looks for what to check in the slot events at the tracker's end."""
    name = f"validate_{form.name}"
    if name not in run.domain.actions:
        return ActionResult()
    events = [Event("slot", run.now, {"name": slot, "value": value}) for slot, value in told.items()]
    return (yield from run.call(name, run.tracker.apply_all(events)))


def _consult(run: Run, action: str) -> Steps[None]:
    try:
        result = yield from run.call(action)
    except ActionRejectedError:
        return
    run.absorb(result)


def _says_anything(result: ActionResult, asked: str | None) -> bool:
    """Whether the form's check found an answer by itself, or said something."""
    changed = (event for event in result.events if event.name == "slot")
    return bool(result.responses) or any(
        event.data.get("name") != REQUESTED or event.data.get("value") != asked for event in changed
    )


def _refuses(result: ActionResult, slot: str) -> bool:
    values = [e.data.get("value") for e in result.events if e.name == "slot" and e.data.get("name") == slot]
    return bool(values) and values[-1] is None


def _forced(events: Sequence[Event]) -> list[str | None]:
    return [event.data.get("value") for event in events if event.name == "slot" and event.data.get("name") == REQUESTED]


def _offer_help(run: Run) -> None:
    if run.tracker.attempts >= STUCK:
        run.utter("utter_form_stuck", run.person)
    elif run.tracker.attempts == STUCK - 1:
        run.utter("utter_offer_person", run.person)


def extracts_itself(run: Run, form: Form) -> bool:
    """Whether the requested slot is found by the form's own check rather than by a mapping."""
    slot = run.domain.slots.get(run.tracker.requested or "")
    listed = f"validate_{form.name}" in run.domain.actions
    return listed and slot is not None and any(mapping.source is Source.CUSTOM for mapping in slot.mappings)
