"""What a form takes for an answer, and what only passes by."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from bot.dialogue import forms
from bot.dialogue.domain import Form
from bot.dialogue.filling import named_slots
from bot.dialogue.policy import Prediction
from bot.dialogue.run import Run, Steps
from nlu.types import Verdict

CONTROLS = frozenset({"stop", "restart", "repeat", "back", "resume_bot"})
"""Intents that are about the conversation, never answers to a form's question."""


def heard_by(run: Run, form: Form, found: Mapping[str, Any]) -> Steps[bool]:
    """Whether the form takes the message as an answer. Otherwise it stays as it was told."""
    meaning, asked = run.meaning, run.tracker.requested
    if meaning.sure and meaning.intent in CONTROLS:
        return False
    prediction = run.assistant.policy.predict(run.tracker) if meaning.sure else None
    elsewhere = prediction.action if prediction and prediction.action != form.name else None
    certain = named_slots(run.domain, run.tracker, meaning).keys()
    aside = _answers_a_story(run, prediction) or (elsewhere and _passes_by(run, form, found, certain, elsewhere))
    if aside:
        yield from forms.take(run, _beside(run, form, found))
        return False
    otherwise = elsewhere is not None or meaning.answer is not None or meaning.verdict is Verdict.AMBIGUOUS
    if otherwise and meaning.intent != "inform":
        free = _beside(run, form, found).keys() | {asked}
        found = {name: value for name, value in found.items() if name in free}
    return (yield from forms.hear(run, form, found, strict=otherwise and asked not in certain))


def _answers_a_story(run: Run, prediction: Prediction | None) -> bool:
    """Whether the customer was being asked something else for a moment, and this is the answer."""
    if run.tracker.loop is None or not run.tracker.loop.interrupted:
        return False
    run.record("loop_interrupted", is_interrupted=False)
    return prediction is not None and prediction.turns > 1


def _passes_by(run: Run, form: Form, found: Mapping[str, Any], certain: Set[str], elsewhere: str) -> bool:
    """Whether a message that a rule has an action for is no answer to the form's question.

    A found entity is an answer. A mere text is one too, unless the knowledge base is asked.
    """
    asked = run.tracker.requested
    if asked in certain or (run.meaning.intent == "inform" and certain & set(form.required)):
        return False
    return elsewhere == "action_knowledge" or not (asked in found or forms.extracts_itself(run, form))


def _beside(run: Run, form: Form, found: Mapping[str, Any]) -> dict[str, Any]:
    """What a message that means something else may fill: nothing that the form has been told, nor what it asks."""
    told = {name for name in form.required if run.tracker.slots.get(name) is not None}
    return {name: value for name, value in found.items() if name not in told | {run.tracker.requested}}
