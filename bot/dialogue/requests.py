"""Several requests in one message: which of its parts are dealt with by themselves, and which wait."""

from __future__ import annotations

from collections.abc import Sequence

from bot.dialogue import forms
from bot.dialogue.checks import VALUES
from bot.dialogue.domain import Form
from bot.dialogue.interruptions import CONTROLS
from bot.dialogue.meaning import Meaning, recalled
from bot.dialogue.policy import Prediction
from bot.dialogue.rules import Done
from bot.dialogue.run import Run
from bot.messages import Event

HUMAN, HAND_OVER = "human", "action_hand_over"
TO_PERSON, AT_ONCE, ASKED, UNSURE = range(4)


def made(run: Run) -> Sequence[Meaning]:
    """The requests to be dealt with one by one; none where the message is taken as a whole.

    In the middle of a form only answers count: anything else may be meant for the form.
    """
    ranks = [_rank(run, part) for part in run.meaning.requests]
    if run.meaning.intent == HUMAN or None in ranks or set(ranks) <= {UNSURE}:
        return ()
    loop = run.tracker.loop
    if loop and (not set(ranks) <= {TO_PERSON, AT_ONCE} or loop.interrupted or forms.active(run) is None):
        return ()
    return [part for _, part in sorted(zip(ranks, run.meaning.requests, strict=True), key=lambda pair: pair[0] or 0)]


def _rank(run: Run, part: Meaning) -> int | None:
    """What a rule takes to a person comes before what is answered at once, that before what a form asks about, and that
    before what was not understood; None for what is no request by itself."""
    if not part.sure:
        return UNSURE
    if part.intent in VALUES | CONTROLS:
        return None
    if part.intent == HUMAN:
        return AT_ONCE
    ahead = _predicted(run, part)
    if ahead is None or ahead.action is None:
        return None
    if Done(HAND_OVER) in ahead.path.steps:
        return TO_PERSON
    return ASKED if ahead.action in run.domain.forms else AT_ONCE


def leads_to(run: Run, meaning: Meaning) -> str | None:
    """The action that a rule or a story has for it, if it were heard now."""
    ahead = _predicted(run, meaning)
    return ahead.action if ahead else None


def _predicted(run: Run, meaning: Meaning) -> Prediction | None:
    data = {"text": meaning.text, "parse_data": meaning.to_rasa()}
    return run.assistant.policy.predict(run.tracker.apply(Event("user", run.now, data)))


def open_since(run: Run, form: Form | None) -> bool:
    """Whether a question is open that was not when the message came."""
    return run.awaits or forms.active(run) not in (None, form)


def keep(run: Run, meaning: Meaning) -> None:
    """For later; a person who has been called reads it anyway."""
    if not run.over:
        run.record("request_waits", **meaning.kept())


def waiting(run: Run) -> Meaning | None:
    """The next that waits, if nothing is open and the customer was understood."""
    tracker = run.tracker
    busy = run.over or run.awaits or tracker.loop or tracker.suspended or tracker.missed
    return None if busy or not tracker.waiting else recalled(tracker.waiting[0])
