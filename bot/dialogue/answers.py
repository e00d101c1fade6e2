"""What the assistant does by itself: answer from the knowledge base, ask back, give up politely, call a person."""

from __future__ import annotations

from bot.dialogue.defaults import OTHER_LANGUAGE
from bot.dialogue.meaning import payload_for
from bot.dialogue.run import Run
from bot.dialogue.tracker import CLARIFY, FALLBACK_INTENT
from bot.messages import Button, Outbound, Owner, Source
from nlu.types import Intent, Passage

GIVE_UP = 3
"""So many messages in a row that were not understood bring a person."""
OFFERED = 3
LONGEST_READING = 200
"""Characters of a message that is shown as it was read: who wrote more does not want to read it again."""
OUT_OF_SCOPE = "out_of_scope"


def knowledge(run: Run) -> None:
    """The passage that answers; or the closest one, said to be uncertain, when the customer surely asks a question."""
    run.did("action_knowledge")
    found = run.meaning.passages
    if run.meaning.answer:
        run.say(_quoted(run.meaning.answer))
    elif found and run.meaning.sure and run.meaning.intent not in (OUT_OF_SCOPE, FALLBACK_INTENT):
        run.utter("utter_knowledge_unsure")
        run.say(_quoted(found[0], run.person))
    else:
        miss(run)
        give_way(run)


def miss(run: Run) -> None:
    """Count the message as not understood, once."""
    if not run.tracker.missed:
        run.record("not_understood")


def give_way(run: Run) -> None:
    """The first message that is not understood is asked about, the second brings an offer, the third a person."""
    missed = run.tracker.fallbacks
    if missed >= GIVE_UP:
        hand_over(run, "not_understood")
        return
    run.did("action_default_fallback", "fallback")
    if missed == GIVE_UP - 1:
        run.utter("utter_fallback_again", run.person)
    else:
        run.utter("utter_fallback")


def other_language(run: Run) -> None:
    """What language it has to be is said in it, and in the customer's if there are words for that; with a person."""
    miss(run)
    if run.tracker.fallbacks >= GIVE_UP:
        hand_over(run, "other_language")
        return
    run.did("action_default_fallback", "fallback")
    ours, theirs = run.wording(OTHER_LANGUAGE), run.wording(f"{OTHER_LANGUAGE}_{run.meaning.language}")
    run.say(Outbound("\n\n".join(filter(None, (ours, theirs))), (run.person,), response=OTHER_LANGUAGE))


def offered(run: Run, candidates: tuple[Intent, ...]) -> list[Intent]:
    """The meanings that have words of their own to be offered in."""
    return [intent for intent in candidates if f"utter_meaning_{intent.name}" in run.domain.responses][:OFFERED]


def clarify(run: Run) -> None:
    """Ask which of the likely meanings it is; what was found in the text goes along with each."""
    miss(run)
    run.did(CLARIFY)
    entities = run.meaning.entities
    buttons = [
        Button(run.wording(f"utter_meaning_{intent.name}"), payload_for(intent.name, entities))
        for intent in offered(run, run.meaning.candidates)
    ]
    person = [run.person] if run.tracker.fallbacks > 1 else []
    say_reading(run)
    run.utter("utter_clarify", *buttons, *person)


def say_reading(run: Run) -> None:
    """Before a question: what mistyped words were taken for, so that the customer sees what was misread."""
    if run.meaning.corrected and len(run.meaning.corrected) <= LONGEST_READING:
        run.utter("utter_read_as", corrected=run.meaning.corrected)


def hand_over(run: Run, reason: str) -> None:
    """From here on a person answers."""
    run.did("action_hand_over")
    run.utter("utter_handover")
    run.record("pause", owner=Owner.QUEUE.value, reason=reason)
    run.reason, run.over = reason, True


def repeat(run: Run) -> None:
    run.did("action_repeat")
    for reply in run.tracker.said_before:
        run.say(reply)
    run.asked = bool(run.tracker.said_before)
    if not run.tracker.said_before:
        run.utter("utter_nothing_to_repeat")


def resume_bot(run: Run) -> None:
    run.did("action_resume_bot")
    run.record("resume")
    run.utter("utter_resumed")


def wait(run: Run, again: bool) -> None:
    """In the queue: said once, and when the customer asks for a person again."""
    if again or not run.tracker.waiting_told:
        run.utter("utter_waiting", run.way_back)
        run.record("waiting_told")


def _quoted(passage: Passage, *buttons: Button) -> Outbound:
    source = Source(passage.title, passage.url, passage.article)
    return Outbound(text=passage.text, buttons=buttons, source=source, rateable=True)
