"""One message in, what the assistant says and does out: pure, and asking its caller to run custom actions."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from bot.dialogue import answers, forms, requests, session, two_stage
from bot.dialogue.assistant import Assistant
from bot.dialogue.checks import BUILT_IN_INTENTS
from bot.dialogue.filling import found_slots, named_slots
from bot.dialogue.interruptions import heard_by
from bot.dialogue.meaning import Meaning, of_message
from bot.dialogue.perform import perform
from bot.dialogue.policy import Prediction
from bot.dialogue.run import (
    ActionCall,
    ActionFailedError,
    ActionFailure,
    ActionInterruptedError,
    ActionResult,
    Outcome,
    Run,
    Steps,
)
from bot.dialogue.tracker import LISTEN, Tracker
from bot.messages import Inbound, Owner
from nlu.types import Understanding, Verdict

__all__ = ["ActionCall", "ActionFailure", "ActionResult", "Outcome", "respond"]

ACTIONS = 10
"""At most so many predicted actions a turn, as in Rasa."""
LIKELY = 0.5
"""A meaning that cannot be asked about is acted on from this probability."""


def respond(
    assistant: Assistant,
    tracker: Tracker,
    inbound: Inbound,
    understanding: Understanding | None,
    *,
    now: float,
    rng: Random,
    before: Sequence[ActionResult | ActionFailure] = (),
) -> Steps[Outcome]:
    """`understanding` may be None for a payload that is a slash message. Never raises on what a customer sends.

    `before` is what an earlier turn for the message did before a person took the conversation.
    """
    intents = frozenset(assistant.domain.intents) | BUILT_IN_INTENTS
    meaning = of_message(inbound, understanding, intents)
    run = Run(assistant, tracker.seated(assistant.domain.initial_slots()), inbound, meaning, now, rng)
    try:
        yield from _turn(run)
        for result in before:
            run.catch_up(result)
    except ActionInterruptedError:
        run.leave_loop()
        run.utter("utter_action_interrupted")
        answers.hand_over(run, "action_interrupted")
    except ActionFailedError:
        _apologise(run)
    if run.tracker.owner is Owner.BOT:
        run.did(LISTEN, "listen")
    return run.outcome()


def _turn(run: Run) -> Steps[None]:
    if run.tracker.owner is Owner.BOT:
        yield from session.begin(run)
        if several := requests.made(run):
            yield from _one_by_one(run, several)
            return
        run.meaning = _settled(run, run.meaning)
    run.hear()
    if run.meaning.intent == "restart" and run.meaning.pressed:
        yield from _restart(run)
    elif run.tracker.owner is Owner.AGENT:
        return
    elif run.tracker.owner is Owner.QUEUE:
        yield from _in_queue(run)
    elif run.meaning.intent == "human":
        yield from _to_person(run)
    else:
        yield from _answer(run)
        yield from _take_up(run)


def _one_by_one(run: Run, several: Sequence[Meaning]) -> Steps[None]:
    """Several requests of one message: what cannot be dealt with now, because a question is open, waits."""
    form = forms.active(run)
    for number, meaning in enumerate(several, 1):
        run.more = number < len(several)
        if run.over or requests.open_since(run, form):
            requests.keep(run, meaning)
            continue
        if not meaning.sure:
            run.utter("utter_also_asked", request=meaning.text)
        run.turn_to(_settled(run, meaning))
        yield from _try_answer(run)
    yield from _take_up(run)


def _try_answer(run: Run) -> Steps[None]:
    """One request's failure is not the other's."""
    try:
        yield from _to_person(run) if run.meaning.intent == requests.HUMAN else _answer(run)
    except ActionInterruptedError:
        raise
    except ActionFailedError:
        _apologise(run)


def _take_up(run: Run) -> Steps[None]:
    """What the customer asked for besides, as soon as nothing else is open."""
    while (meaning := requests.waiting(run)) is not None:
        run.utter("utter_also_asked", request=meaning.text)
        run.turn_to(_settled(run, meaning))
        yield from _answer(run)


def _settled(run: Run, meaning: Meaning) -> Meaning:
    """An ambiguous message that cannot be asked about is taken to mean its likeliest meaning, or nothing."""
    if meaning.verdict is not Verdict.AMBIGUOUS or not meaning.candidates:
        return meaning if meaning.verdict is not Verdict.AMBIGUOUS else meaning.unsure()
    first = meaning.candidates[0]
    if len(answers.offered(run, meaning.candidates)) >= 2:
        same = meaning.answer and all(_answered_by_knowledge(run, meaning.acting_on(c)) for c in meaning.candidates)
        return meaning.acting_on(first) if same else meaning
    confirming = (run.tracker.requested or "").startswith("confirm")
    return meaning.acting_on(first) if first.confidence >= LIKELY and not confirming else meaning.unsure()


def _answered_by_knowledge(run: Run, meaning: Meaning) -> bool:
    return requests.leads_to(run, meaning) == "action_knowledge"


def _restart(run: Run) -> Steps[None]:
    with suppress(ActionFailedError):
        yield from perform(run, "action_restart")
    if not run.happened("restart"):
        run.record("restart")
    run.over, run.reason = True, None


def _in_queue(run: Run) -> Steps[None]:
    if run.meaning.intent == "resume_bot":
        answers.resume_bot(run)
        yield from _close(run, None)
    else:
        answers.wait(run, again=run.meaning.pressed and run.meaning.intent == "human")


def _to_person(run: Run) -> Steps[None]:
    """A rule for `human` may say more, but whatever it does, a person is called."""
    prediction = run.assistant.policy.predict(run.tracker)
    if prediction and prediction.action and prediction.action not in run.domain.forms:
        with suppress(ActionFailedError):  # a person is called all the more
            yield from _predicted(run)
    if run.tracker.owner is Owner.BOT:
        answers.hand_over(run, "customer_request")


def _answer(run: Run) -> Steps[None]:
    form = forms.active(run)
    if run.tracker.loop and run.tracker.loop.name == two_stage.LOOP and (yield from two_stage.hear(run)):
        return
    run.found = found_slots(run.domain, run.tracker, run.meaning)
    if form is None:
        yield from forms.take(run, run.found)
    elif (yield from heard_by(run, form, run.found)):
        yield from _go_on(run)
        return
    else:
        run.found = named_slots(run.domain, run.tracker, run.meaning)
    if run.over:
        return
    if run.meaning.verdict is Verdict.SURE:
        yield from _sure(run, bool(run.found))
    elif run.meaning.verdict is Verdict.AMBIGUOUS:
        answers.clarify(run)
    else:
        yield from _unsure(run)


def _sure(run: Run, told: bool) -> Steps[None]:
    prediction = run.assistant.policy.predict(run.tracker)
    form, intent = forms.active(run), run.meaning.intent
    if run.tracker.followup or (prediction and prediction.action):
        yield from _go_on(run)
    elif intent in _BUILT_IN:
        yield from perform(run, _BUILT_IN[intent])
        yield from _close(run, None)
    elif intent == "stop":
        yield from _leave(run)
    elif intent == "session_start":
        return
    elif intent in _SAID:
        run.utter(_SAID[intent])
        yield from _close(run, None)
    elif run.meaning.answer:
        answers.knowledge(run)
        yield from _close(run, None)
    elif form:
        yield from forms.refuse(run, form)
        yield from _go_on(run)
    elif intent == "inform" and told:
        run.utter("utter_noted")
    else:
        yield from _fall_back(run)


_BUILT_IN = {
    "repeat": "action_repeat",
    "restart": "action_restart",
    "back": "action_back",
    "resume_bot": "action_resume_bot",
}
"""What happens at these intents when no rule says otherwise."""
_SAID = {"joined": "utter_joined", "attached": "utter_attached"}
"""What is said at these."""


def _unsure(run: Run) -> Steps[None]:
    if run.meaning.answer:
        answers.knowledge(run)
        yield from _close(run, None)
    else:
        yield from _fall_back(run)


def _fall_back(run: Run) -> Steps[None]:
    """Not understood: by the assistant's own rule if it has one, and always with a way out from the second time on."""
    answers.miss(run)
    prediction = run.assistant.policy.predict(run.tracker)
    ruled = prediction is not None and prediction.action is not None
    if run.meaning.language and not (prediction and prediction.action and prediction.particular):
        answers.other_language(run)
        yield from _close(run, None)
        return
    if not ruled or run.tracker.fallbacks >= answers.GIVE_UP:
        if "action_default_fallback" in run.domain.actions and run.tracker.fallbacks < answers.GIVE_UP:
            yield from perform(run, "action_default_fallback")
            _offer_again(run)
        else:
            answers.give_way(run)
        yield from _close(run, None)
        return
    last = yield from _predicted(run)
    if run.tracker.loop is None or run.tracker.loop.name != two_stage.LOOP:
        _offer_again(run)
    yield from _close(run, last)


def _offer_again(run: Run) -> None:
    offered = any(button.payload == run.person.payload for reply in run.replies for button in reply.buttons)
    if run.tracker.fallbacks > 1 and not offered and not run.over:
        run.utter("utter_offer_person", run.person)


def _leave(run: Run) -> Steps[None]:
    run.utter("utter_stopped")
    yield from _close(run, None)


def _go_on(run: Run) -> Steps[None]:
    """What the rules say comes next, until they say to listen."""
    last = yield from _predicted(run)
    if last is None and run.refused and not run.replies:
        answers.miss(run)
        answers.give_way(run)
    yield from _close(run, last)


def _predicted(run: Run) -> Steps[Prediction | None]:
    """Returns the prediction that said to listen, or None when nothing fitted any more."""
    for _ in range(ACTIONS):
        if run.over:
            return None
        prediction = run.assistant.policy.predict(run.tracker, run.refused)
        action = run.tracker.followup or (prediction.action if prediction else None)
        if action is None or action == LISTEN:
            return prediction
        yield from perform(run, action)
    return None


def _close(run: Run, last: Prediction | None) -> Steps[None]:
    """Before listening: a form that was interrupted puts its question again, one that waited is taken up.

    Whoever wants to stop has left the form, whatever the rule for it did.
    """
    awaits = run.awaits = last is not None and last.goes_on
    if run.meaning.sure and run.meaning.intent == "stop" and not (awaits or run.asked or run.over):
        run.leave_loop()
    for _ in range(ACTIONS):
        form = forms.active(run)
        if run.over or (form and run.asked):
            return
        if form and awaits:
            run.record("loop_interrupted", is_interrupted=True)
            return
        if form:
            if run.more:
                return
            yield from forms.come_back(run, form)
            yield from _predicted(run)
        elif run.tracker.suspended and not awaits:
            yield from forms.resume(run)
            yield from _predicted(run)
        else:
            return


def _apologise(run: Run) -> None:
    """A custom action failed: nothing else runs, and the customer is not left in the middle of a form."""
    run.leave_loop()
    for waiting in run.tracker.suspended:
        run.record("form_resumed", name=waiting.form)
    run.utter("utter_action_failed", run.person)
