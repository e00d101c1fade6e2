"""Before a message is heard: a session begins, and who is signed in is known."""

from __future__ import annotations

from contextlib import suppress

from bot.dialogue import two_stage
from bot.dialogue.perform import perform
from bot.dialogue.run import ActionFailedError, Run, Steps
from bot.dialogue.slots import CUSTOMER, REQUESTED


def begin(run: Run) -> Steps[None]:
    yield from _start(run)
    _meet(run)
    _forget_lost_form(run)


def _start(run: Run) -> Steps[None]:
    """A session, when there is none or the customer was silent for too long."""
    if not run.tracker.session or run.domain.session.expired(run.tracker.last_at, run.now):
        with suppress(ActionFailedError):
            yield from perform(run, "action_session_start")
        if not run.happened("session_started"):  # an action of the assistant's own failed or forgot to say so
            run.record("session_started")


def _meet(run: Run) -> None:
    """When somebody signs in or out, by the channel's word, the slots change that the sign-in names."""
    claims = run.inbound.metadata.get(CUSTOMER)
    now = claims if isinstance(claims, dict) else {}
    before = run.tracker.slots.get(CUSTOMER) or {}
    if CUSTOMER in run.domain.slots and now != before:
        run.set_slot(CUSTOMER, now or None)
        for name in {**before, **now}:
            if name in run.domain.slots and name not in (CUSTOMER, REQUESTED):
                run.set_slot(name, now.get(name))


def _forget_lost_form(run: Run) -> None:
    """A form that was active when the assistant was changed may be gone."""
    loop = run.tracker.loop
    if loop and loop.name not in run.domain.forms and loop.name != two_stage.LOOP:
        run.leave_loop()
