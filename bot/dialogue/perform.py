"""Runs an action by its name: a form, a response, a custom action or one that the assistant brings along."""

from __future__ import annotations

from collections.abc import Callable

from bot.dialogue import answers, forms, two_stage
from bot.dialogue.run import ActionRejectedError, Run, Steps


def perform(run: Run, name: str) -> Steps[None]:
    """Raises ActionFailedError when a custom action fails."""
    if name in _OURS:
        _OURS[name](run)
    elif name in run.domain.forms:
        yield from forms.activate(run, run.domain.forms[name])
    elif _response(run, name):
        run.did(name)
        run.utter(_response(run, name))
    elif name in run.domain.actions or name not in _RASAS:
        yield from _custom(run, name)
    else:
        yield from _RASAS[name](run)


def _custom(run: Run, name: str) -> Steps[None]:
    try:
        result = yield from run.call(name)
    except ActionRejectedError:
        run.record("action_execution_rejected", name=name, policy=None, confidence=None)
        run.refused |= {name}
        return
    run.did(name)
    run.absorb(result)


def _response(run: Run, name: str) -> str:
    """The response that an action says: its own, or for `utter_faq` the one of the full intent `faq/...`."""
    if not name.startswith("utter_"):
        return ""
    full = f"utter_{run.meaning.intent}"
    known = [response for response in (name, full) if run.domain.says(response)]
    return known[0] if known and (known[0] == name or full.startswith(f"{name}/")) else ""


def _hand_over(run: Run) -> None:
    intent = run.meaning.intent
    answers.hand_over(run, "customer_request" if intent in (None, "human") else intent)


def _restart(run: Run) -> Steps[None]:
    run.did("action_restart")
    run.record("restart")
    run.utter("utter_restarted")
    yield from ()


def _session_start(run: Run) -> Steps[None]:
    """A new session, which the customer does not notice; the slots stay when the domain says so."""
    kept = dict(run.tracker.slots) if run.domain.session.carry_over else {}
    run.did("action_session_start")
    run.record("session_started")
    for name, value in kept.items():
        if name != "requested_slot" and value is not None and value != run.tracker.slots.get(name):
            run.set_slot(name, value)
    yield from ()


def _back(run: Run) -> Steps[None]:
    """Takes back this message and the one before it."""
    run.did("action_back")
    run.record("rewind")
    run.record("rewind")
    run.utter("utter_back")
    yield from ()


def _deactivate_loop(run: Run) -> Steps[None]:
    run.did("action_deactivate_loop")
    run.leave_loop()
    yield from ()


def _default_fallback(run: Run) -> Steps[None]:
    if run.meaning.answer:
        answers.knowledge(run)
    else:
        answers.miss(run)
        answers.give_way(run)
    yield from ()


def _revert_fallback(run: Run) -> Steps[None]:
    run.did("action_revert_fallback_events")
    run.record("rewind")
    yield from ()


def _nothing(run: Run) -> Steps[None]:
    yield from ()


_OURS: dict[str, Callable[[Run], None]] = {
    "action_knowledge": answers.knowledge,
    "action_clarify": answers.clarify,
    "action_repeat": answers.repeat,
    "action_hand_over": _hand_over,
    "action_resume_bot": answers.resume_bot,
}

_RASAS: dict[str, Callable[[Run], Steps[None]]] = {
    "action_restart": _restart,
    "action_session_start": _session_start,
    "action_back": _back,
    "action_deactivate_loop": _deactivate_loop,
    "action_default_fallback": _default_fallback,
    "action_default_ask_affirmation": two_stage.ask_affirmation,
    "action_default_ask_rephrase": two_stage.ask_rephrase,
    "action_two_stage_fallback": two_stage.start,
    "action_revert_fallback_events": _revert_fallback,
    "action_unlikely_intent": _nothing,
    "action_extract_slots": _nothing,
}
