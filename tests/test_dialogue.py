"""The dialogue, as said and answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.dialogue.respond import ActionCall, ActionResult
from bot.messages import Event
from tests.dialogue_play import Fake, Play, assistant_of, fails, passage, says, shown, slot, understood

DOMAIN = """
version: "3.1"
intents:
  [greet, thank, cancel, track, ask_time, ask_cost, chat, faq, affirm, deny, stop, restart, human, inform, repeat,
   out_of_scope, lone]
entities: [order, email, reason]
slots:
  order: {type: text, mappings: [{type: from_entity, entity: order}]}
  email: {type: text, mappings: [{type: from_entity, entity: email}]}
  reason:
    type: text
    mappings:
    - {type: from_entity, entity: reason}
    - {type: from_text, conditions: [{active_loop: return_form, requested_slot: reason}]}
  confirm:
    type: bool
    mappings: [{type: from_intent, intent: affirm, value: true}]
  name: {type: text, mappings: [{type: custom}]}
forms:
  cancel_form: {required_slots: [order, email, confirm], ignored_intents: chat}
  track_form: {required_slots: [order]}
  return_form: {required_slots: [reason]}
actions: [action_cancel, action_track, validate_cancel_form, validate_return_form, action_refund]
responses:
  utter_greet: [{text: "Hello {name}."}]
  utter_welcome: [{text: Welcome.}]
  utter_chat: [{text: Nice.}]
  utter_ask_order: [{text: "Which order?"}]
  utter_ask_email: [{text: "Which e-mail?"}]
  utter_ask_reason: [{text: "Why?"}]
  utter_ask_cancel_form_confirm:
  - {text: "Cancel {order}?", buttons: [{title: "Yes", payload: /affirm}, {title: "No", payload: /deny}]}
  utter_kept: [{text: Kept.}]
  utter_meaning_track: [{text: Track an order}]
  utter_meaning_cancel: [{text: Cancel an order}]
  utter_meaning_ask_time: [{text: Delivery time}]
  utter_meaning_ask_cost: [{text: Delivery cost}]
  utter_resume_form: [{text: "Back to it."}]
  utter_fallback: [{text: "Again?"}]
  utter_fallback_again: [{text: "Still no."}]
  utter_handover: [{text: "A person comes."}]
  utter_waiting: [{text: "Please wait."}]
  utter_resumed: [{text: "I am back."}]
  utter_action_failed: [{text: "That failed."}]
  utter_stopped: [{text: "Left."}]
  utter_clarify: [{text: "Which?"}]
  utter_restarted: [{text: "Anew."}]
  utter_knowledge_unsure: [{text: "Perhaps:"}]
  utter_noted: [{text: "Noted."}]
  utter_faq/returns: [{text: "Thirty days."}]
  utter_offer_person: [{text: "A person?", buttons: [{title: Person, payload: /human}]}]
  utter_form_stuck: [{text: "Stuck."}]
"""

RULES = """
rules:
- {rule: greet, steps: [{intent: greet}, {action: utter_greet}]}
- {rule: thank, steps: [{intent: thank}, {action: utter_welcome}]}
- {rule: chat, steps: [{intent: chat}, {action: utter_chat}]}
- {rule: faq, steps: [{intent: faq}, {action: utter_faq}]}
- {rule: time, steps: [{or: [{intent: ask_time}, {intent: ask_cost}]}, {action: action_knowledge}]}
- {rule: cancel, steps: [{intent: cancel}, {action: cancel_form}, {active_loop: cancel_form}]}
- rule: cancelled
  condition: [{active_loop: cancel_form}]
  steps: [{action: cancel_form}, {active_loop: null}, {slot_was_set: [{confirm: true}]}, {action: action_cancel}]
- rule: kept
  condition: [{active_loop: cancel_form}]
  steps: [{action: cancel_form}, {active_loop: null}, {slot_was_set: [{confirm: false}]}, {action: utter_kept}]
- {rule: track, steps: [{intent: track}, {action: track_form}, {active_loop: track_form}]}
- rule: tracked
  condition: [{active_loop: track_form}]
  steps: [{action: track_form}, {active_loop: null}, {slot_was_set: [{requested_slot: null}]}, {action: action_track}]
- {rule: return, steps: [{intent: lone}, {action: return_form}, {active_loop: return_form}]}
- rule: returned
  condition: [{active_loop: return_form}]
  steps: [{action: return_form}, {active_loop: null}, {action: action_refund}]
"""


def validate_cancel(call: ActionCall) -> ActionResult:
    """Refuses orders that are not LW-..., makes the others upper case, as the SDK's validation does."""
    events: list[Event] = []
    for event in reversed(call.tracker["events"]):
        if event["event"] != "slot":
            break
        name, value = event["name"], event["value"]
        if name == "order":
            value = value.upper() if value.lower().startswith("lw-") else None
        events.insert(0, slot(name, value))
    refused = any(event.data == {"name": "order", "value": None} for event in events)
    return ActionResult(events, [{"text": "No such order."}] if refused else [])


def validate_return(call: ActionCall) -> ActionResult:
    last = call.tracker["events"][-1]
    if last["event"] == "slot" and last["name"] == "reason" and len(last["value"]) > 20:
        return ActionResult([slot("reason", None)], [{"text": "Too long."}])
    return ActionResult()


ACTIONS: dict[str, Fake] = {
    "action_cancel": lambda call: ActionResult(
        [slot("confirm", None)], [{"text": f"Gone: {call.tracker['slots']['order']}"}]
    ),
    "action_track": lambda call: ActionResult([], [{"text": f"On its way: {call.tracker['slots']['order']}"}]),
    "validate_cancel_form": validate_cancel,
    "validate_return_form": validate_return,
    "action_refund": says("Refunded.", events=[slot("reason", None)]),
}


@pytest.fixture
def play() -> Play:
    return Play(assistant_of(domain=DOMAIN, rules=RULES), ACTIONS)


def test_a_rule_answers_and_an_empty_slot_is_left_out(play: Play) -> None:
    play("""
        > hello | greet
        < Hello .
    """)


def test_a_form_asks_for_each_slot_and_then_acts(play: Play) -> None:
    play("""
        > cancel it | cancel
        < Which order?
        > lw-1 | inform order=lw-1
        < Which e-mail?
        > a@b | ? email=a@b
        < Cancel LW-1? [Yes] [No]
        > /affirm
        < Gone: LW-1
        > thanks | thank
        < Welcome.
    """)


def test_entities_of_the_first_message_fill_the_form(play: Play) -> None:
    play("""
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > no | deny
        < Kept.
    """)


def test_a_refused_value_is_asked_for_again_and_then_help_is_offered(play: Play) -> None:
    play("""
        > cancel it | cancel
        < Which order?
        > 17 | inform order=17
        < No such order.
        < Which order?
        > 17 | inform order=17
        < No such order.
        < A person? [Person]
        < Which order?
        > 17 | inform order=17
        < No such order.
        < Stuck. [Person]
        < Which order?
        > lw-2 | inform order=lw-2
        < Which e-mail?
    """)


def test_an_intent_that_answers_nothing_is_asked_again_and_then_help_is_offered(play: Play) -> None:
    play("""
        > cancel it | cancel
        < Which order?
        > yes | affirm
        < Which order?
        > yes | affirm
        < A person? [Person]
        < Which order?
        > yes | affirm
        < Stuck. [Person]
        < Which order?
    """)


def test_a_question_in_the_middle_is_answered_and_the_form_asks_once_more(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > cancel lw-1 | cancel order=lw-1
        < Which e-mail?
        > how long does it take | ask_time
        < Three days. (Delivery)
        < Which e-mail?
        > how are you | chat
        < Nice.
        < Which e-mail?
        > a@b | inform email=a@b
        < Cancel LW-1? [Yes] [No]
        > yes | affirm
        < Gone: LW-1
    """)


def test_a_question_in_the_middle_does_not_change_what_the_form_was_told(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > how long did lw-2 take | ask_time order=lw-2
        < Three days. (Delivery)
        < Back to it.
        < Cancel LW-1? [Yes] [No]
    """)


def test_another_form_in_the_middle_is_done_first(play: Play) -> None:
    play("""
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > where is lw-2 | track order=LW-2
        < On its way: LW-2
        < Back to it.
        < Cancel LW-1? [Yes] [No]
        > yes | affirm
        < Gone: LW-1
    """)
    assert play.tracker.suspended == ()


def test_an_outer_form_waits_while_the_inner_one_asks(play: Play) -> None:
    play("""
        > cancel | cancel
        < Which order?
        > send it back | lone
        < Why?
        > and where in the world is it | track
        < Which order?
        > LW-3 | inform order=LW-3
        < On its way: LW-3
        < Back to it.
        < Why?
        > too small | ?
        < Refunded.
        < Back to it.
        < Which e-mail?
    """)


def test_leaving_the_inner_form_leads_back_to_the_outer_one(play: Play) -> None:
    play("""
        > cancel | cancel
        < Which order?
        > send it back | lone
        < Why?
        > forget it | stop
        < Left.
        < Back to it.
        < Which order?
        > forget it | stop
        < Left.
        > LW-1 | inform order=LW-1
        < Noted.
    """)


def test_a_free_text_is_an_answer_even_when_it_sounds_like_a_question(play: Play) -> None:
    play("""
        > back | lone
        < Why?
        > thanks for nothing | thank
        < Refunded.
    """)


def test_a_free_text_that_is_refused_is_taken_for_what_it_means(play: Play) -> None:
    play("""
        > back | lone
        < Why?
        > where on earth is my parcel | track order=LW-5
        < On its way: LW-5
        < Back to it.
        < Why?
        > abcdefghijklmnopqrstuvwxyz | ?
        < Too long.
        < Why?
    """)


def test_a_refused_text_is_answered_from_the_knowledge_base_or_asked_about(play: Play) -> None:
    play("""
        > back | lone
        < Why?
        > abcdefghijklmnopqrstuvwxyz | track / cancel
        < Which? [Track an order] [Cancel an order]
    """)
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > abcdefghijklmnopqrstuvwxyz | ?
        < Three days. (Delivery)
        < Why?
    """)


def test_a_form_that_the_assistant_no_longer_has_is_forgotten(play: Play) -> None:
    play.hear("hi | greet")
    play.apply(Event("active_loop", play.now, {"name": "former_form"}))
    play("""
        > hi | greet
        < Hello .
    """)
    assert play.tracker.loop is None


def test_knowledge_is_asked_even_where_any_text_would_do(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > back | lone
        < Why?
        > how long is delivery | ask_time
        < Three days. (Delivery)
        < Why?
    """)


def test_a_confirmation_is_never_left_over_from_before(play: Play) -> None:
    play("""
        > yes | affirm
        < Again?
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > no | deny
        < Kept.
        > cancel lw-1 | cancel order=lw-1
        < Cancel LW-1? [Yes] [No]
    """)


def test_a_yes_that_is_not_sure_confirms_nothing(play: Play) -> None:
    play("""
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > yep perhaps | affirm / thank
        < Again?
        < Cancel LW-1? [Yes] [No]
    """)


def test_the_third_message_that_is_not_understood_brings_a_person(play: Play) -> None:
    play("""
        > ugh | ?
        < Again?
        > ugh | ?
        < Still no. [Person]
        > ugh | ?
        < A person comes.
        ! queue not_understood
    """)


def test_an_understood_message_begins_the_count_anew(play: Play) -> None:
    play("""
        > ugh | ?
        < Again?
        > hi | greet
        < Hello .
        > ugh | ?
        < Again?
    """)


def test_not_understanding_within_a_form_asks_again_and_then_brings_a_person(play: Play) -> None:
    play("""
        > cancel | cancel
        < Which order?
        > ugh | ?
        < Again?
        < Which order?
        > ugh | ?
        < Still no. [Person]
        < Which order?
        > ugh | ?
        < A person comes.
        ! queue not_understood
    """)


def test_knowledge_answers_what_no_intent_fits(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > how long | ?
        < Three days. (Delivery)
        > how long | out_of_scope
        < Three days. (Delivery)
    """)
    assert play.tracker.said[0].rateable


def test_uncertain_knowledge_is_said_to_be_uncertain_and_offers_a_person(play: Play) -> None:
    play.passages = (passage("Three days.", sure=False),)
    play("""
        > how long | ask_time
        < Perhaps:
        < Three days. [Person] (Delivery)
        > how long | ?
        < Again?
        > how long | out_of_scope
        < Still no. [Person]
    """)


def test_a_question_without_any_knowledge_is_not_understood(play: Play) -> None:
    play("""
        > how long | ask_time
        < Again?
    """)


def test_an_ambiguous_message_is_asked_about_and_keeps_its_entities(play: Play) -> None:
    play("""
        > LW-1, my order | track / cancel order=LW-1
        < Which? [Track an order] [Cancel an order]
    """)
    assert play.tracker.said[0].buttons[0].payload == '/track{"order":"LW-1"}'
    play.apply(slot("order", None))
    play("""
        > /track{"order":"LW-1"}
        < On its way: LW-1
    """)


def read_as(play: Play, text: str, meaning: str, corrected: str) -> list[str]:
    said = play.turn(text, replace(understood(text, meaning), corrected=corrected)).replies
    return [shown(reply) for reply in said]


def test_before_did_you_mean_a_mistyped_message_is_shown_as_it_was_read(play: Play) -> None:
    assert read_as(play, "my ordre", "track / cancel", "my {order}") == [
        "I read that as “my {order}”.",
        "Which? [Track an order] [Cancel an order]",
    ]
    assert read_as(play, "helo", "greet", "hello") == ["Hello ."]


def test_a_long_message_is_not_shown_again(play: Play) -> None:
    long = "my order " * 30
    assert read_as(play, "my ordre", "track / cancel", long) == ["Which? [Track an order] [Cancel an order]"]


def test_being_ambiguous_twice_offers_a_person(play: Play) -> None:
    play("""
        > order | track / cancel
        < Which? [Track an order] [Cancel an order]
        > order | track / cancel
        < Which? [Track an order] [Cancel an order] [Person]
    """)


def test_a_meaning_without_words_is_not_offered_but_done_when_likely(play: Play) -> None:
    play("""
        > hello you | greet / track
        < Hello .
    """)


def test_ambiguity_between_questions_that_knowledge_answers_is_none(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > delivery | ask_time / ask_cost
        < Three days. (Delivery)
        > delivery | ask_time / track
        < Which? [Delivery time] [Track an order]
    """)


@pytest.mark.parametrize("way", ["/human", "a person please | human"])
def test_a_person_is_called_from_within_a_form_without_any_rule(play: Play, way: str) -> None:
    play(f"""
        > back | lone
        < Why?
        > {way}
        < A person comes.
        ! queue customer_request
    """)


def test_in_the_queue_the_bot_speaks_once_and_can_be_called_back(play: Play) -> None:
    play("""
        > cancel | cancel
        < Which order?
        > /human
        < A person comes.
        ! queue customer_request
        > hello? | greet
        < Please wait. [Go on with the assistant]
        ! queue
        > hello?? | greet
        ! queue
        > /human
        < Please wait. [Go on with the assistant]
        ! queue
        > /resume_bot
        < I am back.
        < Which order?
        ! bot
        > /human
        < A person comes.
        ! queue customer_request
        > hello? | greet
        < Please wait. [Go on with the assistant]
        ! queue
    """)


def test_the_bot_is_silent_while_a_person_answers_and_forgets_the_form_afterwards(play: Play) -> None:
    play("""
        > cancel | cancel
        < Which order?
    """)
    play.apply(Event("pause", play.now, {"owner": "agent"}))
    play("""
        > hello | greet
        ! agent
        > /resume_bot
        ! agent
        > /human
        ! agent
    """)
    play.apply(Event("resume", play.now))
    play("""
        > LW-1 | inform order=LW-1
        < Noted.
    """)


@pytest.mark.parametrize("owner", ["bot", "queue", "agent"])
def test_restart_always_restarts(play: Play, owner: str) -> None:
    play("""
        > cancel lw-1 | cancel order=lw-1
        < Which e-mail?
    """)
    play.apply(Event("resume" if owner == "bot" else "pause", play.now, {"owner": owner}))
    play("""
        > /restart
        < Anew.
        ! bot
        > LW-1 | ?
        < Again?
    """)
    assert play.tracker.slots["order"] is None


@pytest.mark.parametrize("kind", ["failed", "timeout", "unknown"])
def test_a_failed_action_is_owned_up_to_and_leaves_the_form(play: Play, kind: str) -> None:
    play.actions = {**ACTIONS, "action_track": fails(kind)}
    play("""
        > cancel lw-1 | cancel order=lw-1
        < Which e-mail?
        > where is it | track
        < That failed. [Person]
        > a@b | ? email=a@b
        < Again?
    """)
    assert play.tracker.loop is None
    assert play.tracker.suspended == ()


def test_a_failed_validation_leaves_the_form(play: Play) -> None:
    play.actions = {**ACTIONS, "validate_cancel_form": fails("failed")}
    play("""
        > cancel | cancel
        < That failed. [Person]
        > hi | greet
        < Hello .
    """)


def test_an_action_that_does_not_want_to_run_is_recorded_and_something_else_is_tried(play: Play) -> None:
    play.actions = {**ACTIONS, "action_track": fails("rejected")}
    play("""
        > where is LW-1 | track order=LW-1
        < Again?
    """)
    assert any(event.name == "action_execution_rejected" for event in play.tracker.events)


def test_repeating_says_the_last_replies_again(play: Play) -> None:
    play("""
        > what? | repeat
        < There is nothing to repeat yet. How can I help?
        > cancel lw-1 of a@b | cancel order=lw-1 email=a@b
        < Cancel LW-1? [Yes] [No]
        > what? | repeat
        < Cancel LW-1? [Yes] [No]
        > what? | repeat
        < Cancel LW-1? [Yes] [No]
    """)


def test_a_retrieval_intent_says_the_response_of_its_full_name(play: Play) -> None:
    play("""
        > can I return it | faq/returns
        < Thirty days.
    """)


def test_text_that_looks_like_a_payload_is_only_text(play: Play) -> None:
    outcome = play.turn("/restart", None)
    assert [reply.text for reply in outcome.replies] == ["Again?"]


@pytest.mark.parametrize(
    "payload", ["/", "/nothing", "/greet{", '/greet{"a":', "/{}", "/greet@x{1}", "/track@0.5[]", "//", "/\x00"]
)
def test_a_broken_payload_never_raises(play: Play, payload: str) -> None:
    assert play.turn("x", None, payload=payload).replies


def test_a_customer_cannot_slip_values_into_a_buttons_payload() -> None:
    domain = """
    intents: [order]
    entities: [order]
    slots: {order: {type: text, mappings: [{type: from_entity, entity: order}]}}
    responses:
      utter_again: [{text: "{order}", buttons: [{title: again, payload: '/order{"order": "{order}"}'}]}]
    """
    rules = "rules: [{rule: r, steps: [{intent: order}, {action: utter_again}]}]"
    play = Play(assistant_of(domain=domain, rules=rules))
    outcome = play.hear('x | order order=a","admin":"1')
    assert outcome.replies[0].text == 'a","admin":"1'
    assert outcome.replies[0].buttons[0].payload == '/order{"order": "a\\",\\"admin\\":\\"1"}'


def test_the_calls_of_a_turn_are_numbered_and_know_what_may_be_repeated(play: Play) -> None:
    play.hear("cancel lw-1 of a@b | cancel order=lw-1 email=a@b")
    play.calls.clear()
    play.hear("yes | affirm")
    assert [(call.name, call.n, call.idempotent) for call in play.calls] == [
        ("validate_cancel_form", 0, False),
        ("action_cancel", 1, False),
    ]
    trailing = [event["name"] for event in play.calls[0].tracker["events"][-1:]]
    assert trailing == ["confirm"]
    assert play.calls[0].domain["forms"]["cancel_form"]["required_slots"] == ["order", "email", "confirm"]


def test_whoever_signs_in_or_out_changes_the_slots_that_the_sign_in_names() -> None:
    domain = """
    intents: [ask]
    slots:
      email: {type: text, mappings: [{type: custom}]}
      customer: {type: any, mappings: [{type: custom}]}
    responses: {utter_who: [{text: "{email}."}]}
    """
    play = Play(assistant_of(domain=domain, rules="rules: [{rule: r, steps: [{intent: ask}, {action: utter_who}]}]"))

    def heard(**metadata: object) -> str:
        play.metadata = metadata
        return play.hear("who | ask").replies[0].text

    assert heard() == "."
    assert heard(customer={"email": "a@b", "requested_slot": "email", "other": "x"}) == "a@b."
    play.apply(slot("email", "c@d"))
    assert heard(customer={"email": "a@b", "requested_slot": "email", "other": "x"}) == "c@d."
    assert heard(customer={"email": "e@f"}) == "e@f."
    assert play.tracker.slots["requested_slot"] is None
    play.hear("/restart")
    assert heard(customer={"email": "e@f"}) == "e@f."
    assert heard(customer="e@f") == "."
