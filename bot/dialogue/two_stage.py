"""Rasa's two-stage fallback: did you mean this; say it in other words; then a person is offered."""

from __future__ import annotations

from bot.dialogue import answers
from bot.dialogue.meaning import of_message, payload_for
from bot.dialogue.run import ActionRejectedError, Run, Steps
from bot.dialogue.tracker import FALLBACK_INTENT
from bot.messages import Button, Inbound
from nlu.types import Intent

LOOP = "action_two_stage_fallback"
_NO = f"/{answers.OUT_OF_SCOPE}"
_DENIALS = frozenset({"deny", answers.OUT_OF_SCOPE})


def start(run: Run) -> Steps[None]:
    run.did(LOOP)
    run.record("active_loop", name=LOOP)
    yield from _own_or(run, "action_default_ask_affirmation")


def hear(run: Run) -> Steps[bool]:
    """The answer to a stage. False when the customer has made clear what is meant: that is then done."""
    meaning = run.meaning
    if meaning.sure and meaning.intent not in _DENIALS:
        if meaning.intent == "affirm" and not meaning.pressed:
            _take_offer(run)
        run.leave_loop()
        return False
    if not meaning.sure and meaning.answer:
        run.leave_loop()
        return False
    if not meaning.sure:
        answers.miss(run)
    stage = run.tracker.attempts
    if run.tracker.fallbacks >= answers.GIVE_UP or stage >= 2:
        run.leave_loop()
        run.did("action_default_fallback", "fallback")
        _end(run)
        return True
    run.record("slot_refused", name=LOOP)
    rephrased = stage == 1 and not meaning.sure
    yield from _own_or(run, "action_default_ask_affirmation" if rephrased else "action_default_ask_rephrase")
    return True


def ask_affirmation(run: Run) -> Steps[None]:
    guess = _guess(run)
    run.did("action_default_ask_affirmation")
    if guess is None:
        run.utter("utter_ask_rephrase")
    else:
        meaning = run.wording(f"utter_meaning_{guess.name}") or guess.name.replace("_", " ")
        yes = Button(run.wording("utter_yes"), payload_for(guess.name, run.meaning.entities))
        no = Button(run.wording("utter_no"), _NO)
        answers.say_reading(run)
        run.utter("utter_ask_affirmation", yes, no, *_way_out(run), meaning=meaning)
    yield from ()


def ask_rephrase(run: Run) -> Steps[None]:
    run.did("action_default_ask_rephrase")
    run.utter("utter_ask_rephrase", *_way_out(run))
    yield from ()


def _end(run: Run) -> None:
    if run.tracker.fallbacks >= answers.GIVE_UP:
        answers.hand_over(run, "not_understood")
    else:
        run.utter("utter_fallback_again", run.person)


def _way_out(run: Run) -> list[Button]:
    return [run.person] if run.tracker.fallbacks > 1 or run.tracker.attempts > 0 else []


def _guess(run: Run) -> Intent | None:
    known = (i for i in run.meaning.ranking if i.name in run.domain.intents)
    return next((i for i in known if i.name not in (answers.OUT_OF_SCOPE, FALLBACK_INTENT)), None)


def _take_offer(run: Run) -> None:
    """A typed yes means the button that was offered."""
    offers = [button.payload for reply in run.tracker.said_before for button in reply.buttons]
    payload = next((payload for payload in offers if payload not in (_NO, run.person.payload)), None)
    if payload is None:
        return
    inbound = run.inbound
    press = Inbound(inbound.conversation_id, inbound.message_id, inbound.text, inbound.channel, inbound.at, payload)
    run.meaning = of_message(press, None, frozenset(run.domain.intents))
    run.hear()


def _own_or(run: Run, name: str) -> Steps[None]:
    """The assistant's own action of that name, or ours."""
    if name not in run.domain.actions:
        yield from {
            "action_default_ask_affirmation": ask_affirmation,
            "action_default_ask_rephrase": ask_rephrase,
        }[name](run)
        return
    try:
        result = yield from run.call(name)
    except ActionRejectedError:
        return
    run.did(name)
    run.absorb(result)
