"""A form that something else comes between: what it was told stays, and a yes is asked for with its subject named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.dialogue.respond import ActionCall, ActionResult
from nlu.types import Intent
from tests.dialogue_play import Fake, Play, assistant_of, passage, slot, understood

DOMAIN = """
version: "3.1"
intents: [cancel, send_back, swap, track, find, ask_time, chat, affirm, deny, stop, inform]
entities: [order, email]
slots:
  order: {type: text, mappings: [{type: from_entity, entity: order}]}
  email: {type: text, mappings: [{type: from_entity, entity: email}]}
  reason: {type: text, mappings: [{type: from_text, conditions: [{active_loop: return_form, requested_slot: reason},
                                                                 {active_loop: swap_form, requested_slot: reason}]}]}
  confirm: {type: bool, mappings: [{type: custom}]}
forms:
  cancel_form: {required_slots: [order, email, confirm]}
  return_form: {required_slots: [order, reason, confirm]}
  swap_form: {required_slots: [order, reason]}
  track_form: {required_slots: [order]}
actions: [action_cancel, action_send, action_track, validate_return_form]
responses:
  utter_chat: [{text: Nice.}]
  utter_searching: [{text: "Let me see."}]
  utter_ask_order: [{text: "Which order?"}]
  utter_ask_email: [{text: "Which e-mail?"}]
  utter_ask_reason: [{text: "Why?"}]
  utter_ask_cancel_form_confirm: [{text: "Cancel {order}?"}]
  utter_ask_return_form_confirm: [{text: "Send back {order}?"}]
  utter_resume_form: [{text: "Back to it."}]
  utter_resume_return_form: [{text: "About returning {order}:"}]
  utter_meaning_track: [{text: Track an order}]
  utter_meaning_find: [{text: Find an order}]
  utter_clarify: [{text: "Which?"}]
  utter_stopped: [{text: "Left."}]
  utter_fallback: [{text: "Again?"}]
"""

RULES = """
rules:
- {rule: chat, steps: [{intent: chat}, {action: utter_chat}]}
- {rule: time, steps: [{intent: ask_time}, {action: action_knowledge}]}
- {rule: cancel, steps: [{intent: cancel}, {action: cancel_form}, {active_loop: cancel_form}]}
- rule: cancelled
  condition: [{active_loop: cancel_form}]
  steps: [{action: cancel_form}, {active_loop: null}, {slot_was_set: [{requested_slot: null}]}, {action: action_cancel}]
- {rule: send back, steps: [{intent: send_back}, {action: return_form}, {active_loop: return_form}]}
- rule: sent back
  condition: [{active_loop: return_form}]
  steps: [{action: return_form}, {active_loop: null}, {slot_was_set: [{requested_slot: null}]}, {action: action_send}]
- {rule: swap, steps: [{intent: swap}, {action: swap_form}, {active_loop: swap_form}]}
- {rule: track, steps: [{intent: track}, {action: track_form}, {active_loop: track_form}]}
- {rule: find, steps: [{intent: find}, {action: utter_searching}, {action: track_form}, {active_loop: track_form}]}
- rule: tracked
  condition: [{active_loop: track_form}]
  steps: [{action: track_form}, {active_loop: null}, {slot_was_set: [{requested_slot: null}]}, {action: action_track}]
"""


def tells(verb: str) -> Fake:
    def said(call: ActionCall) -> ActionResult:
        slots = call.tracker["slots"]
        return ActionResult([], [{"text": f"{verb} {slots['order']}: {slots['confirm']}"}])

    return said


def validate_return(call: ActionCall) -> ActionResult:
    """A reason has no question mark."""
    last = call.tracker["events"][-1]
    if last["event"] == "slot" and last["name"] == "reason" and "?" in last["value"]:
        return ActionResult([slot("reason", None)], [{"text": "That is no reason."}])
    return ActionResult()


@pytest.fixture
def play() -> Play:
    actions: dict[str, Fake] = {
        "action_cancel": tells("Cancelled"),
        "action_send": tells("Sent back"),
        "action_track": tells("On its way"),
        "validate_return_form": validate_return,
    }
    return Play(assistant_of(domain=DOMAIN, rules=RULES), actions)


def test_a_text_that_is_no_answer_leaves_the_order_that_was_told(play: Play) -> None:
    play("""
        > send back LW-1 | send_back order=LW-1
        < Why?
        > do you talk about LW-2 as well? | chat order=LW-2
        < Nice.
        < Why?
        > too small | ?
        < Send back LW-1?
    """)


def test_an_answer_within_another_wish_leaves_the_order_that_was_told(play: Play) -> None:
    play("""
        > cancel LW-1 | cancel order=LW-1
        < Which e-mail?
        > where is LW-2, I am a@b | track order=LW-2 email=a@b
        < Cancel LW-1?
    """)


def test_a_message_with_two_meanings_leaves_the_order_that_was_told(play: Play) -> None:
    play("""
        > cancel LW-1 | cancel order=LW-1
        < Which e-mail?
        > LW-2, the parcel | track / find order=LW-2
        < Which? [Track an order] [Find an order]
        > a@b | inform email=a@b
        < Cancel LW-1?
    """)


def test_a_question_that_knowledge_answers_leaves_the_order_that_was_told(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > cancel LW-1 | cancel order=LW-1
        < Which e-mail?
        > how long did LW-2 take | ? order=LW-2
        < Three days. (Delivery)
        < Which e-mail?
        > a@b | inform email=a@b
        < Cancel LW-1?
    """)


def test_a_correction_in_the_middle_is_taken(play: Play) -> None:
    play("""
        > cancel LW-1 | cancel order=LW-1
        < Which e-mail?
        > LW-3, I mean | inform order=LW-3
        < Which e-mail?
        > no, cancel LW-4 | cancel order=LW-4
        < Which e-mail?
        > sorry, LW-5 | ? order=LW-5
        < Which e-mail?
        > a@b | inform email=a@b
        < Cancel LW-5?
    """)


def test_a_form_behind_a_sentence_gets_what_the_message_named(play: Play) -> None:
    play("""
        > cancel LW-1 of a@b | cancel order=LW-1 email=a@b
        < Cancel LW-1?
        > find LW-2 | find order=LW-2
        < Let me see.
        < On its way LW-2: None
        < Back to it.
        < Cancel LW-1?
    """)


def test_a_yes_to_the_form_in_between_is_no_yes_to_the_one_that_waits(play: Play) -> None:
    play("""
        > cancel LW-1 of a@b | cancel order=LW-1 email=a@b
        < Cancel LW-1?
        > send back LW-2 | send_back order=LW-2
        < Why?
        > too small | ?
        < Send back LW-2?
        > yes | affirm
        < Sent back LW-2: True
        < Back to it.
        < Cancel LW-1?
        > no | deny
        < Cancelled LW-1: False
    """)


def test_a_form_asked_for_again_while_it_waits_still_knows_what_it_was_told(play: Play) -> None:
    play("""
        > cancel LW-1 of a@b | cancel order=LW-1 email=a@b
        < Cancel LW-1?
        > send back LW-2 | send_back order=LW-2
        < Why?
        > never mind that, go on cancelling? | cancel
        < Cancel LW-1?
    """)


def test_a_form_asked_for_anew_while_it_waits_takes_the_new_value(play: Play) -> None:
    play("""
        > cancel LW-1 of a@b | cancel order=LW-1 email=a@b
        < Cancel LW-1?
        > send back LW-2 | send_back order=LW-2
        < Why?
        > rather cancel LW-3? | cancel order=LW-3
        < Cancel LW-3?
    """)


def test_a_question_for_a_yes_names_its_subject_again_after_something_else(play: Play) -> None:
    play("""
        > send back LW-1 | send_back order=LW-1
        < Why?
        > too small | ?
        < Send back LW-1?
        > lovely weather | chat
        < Nice.
        < About returning LW-1:
        < Send back LW-1?
        > where is LW-2 | track order=LW-2
        < On its way LW-2: None
        < About returning LW-1:
        < Send back LW-1?
        > hm | ?
        < Again?
        < Send back LW-1?
        > yes | affirm
        < Sent back LW-1: True
    """)


def test_leaving_the_form_in_between_names_the_one_that_goes_on(play: Play) -> None:
    play("""
        > send back LW-1 | send_back order=LW-1
        < Why?
        > too small | ?
        < Send back LW-1?
        > cancel it instead | cancel
        < Which e-mail?
        > never mind | stop
        < Left.
        < About returning LW-1:
        < Send back LW-1?
    """)


def test_a_yes_to_a_question_with_two_meanings_is_no_yes_to_the_form(play: Play) -> None:
    play("""
        > cancel LW-1 | cancel order=LW-1 email=a@b
        < Cancel LW-1?
        > what about my parcel | track / find
        < Which? [Track an order] [Find an order]
        > yes | affirm
        < Cancel LW-1?
        > yes | affirm
        < Cancelled LW-1: True
    """)


@pytest.mark.parametrize(("confidence", "confirms"), [(0.85, False), (0.95, True)])
def test_a_yes_that_may_be_a_maybe_confirms_nothing(play: Play, confidence: float, confirms: bool) -> None:
    play.hear("cancel LW-1 | cancel order=LW-1 email=a@b")
    heard = understood("maybe", "affirm")
    sure = Intent("affirm", confidence)
    said = play.turn("maybe", replace(heard, intent=sure, ranking=(sure,))).replies
    assert said[-1].text == ("Cancelled LW-1: True" if confirms else "Cancel LW-1?")


def test_the_text_of_another_wish_answers_no_question_of_its_form(play: Play) -> None:
    play("""
        > send back LW-1 | send_back order=LW-1
        < Why?
        > can I swap it instead? | swap
        < Why?
    """)
