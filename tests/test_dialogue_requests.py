"""Several requests in one message: each is answered, at once or as soon as nothing else is open, and only once."""

from __future__ import annotations

import pytest

from bot.dialogue.respond import ActionFailure
from bot.dialogue.tracker import Tracker
from tests.dialogue_play import Play, assistant_of, fails, passage
from tests.test_dialogue_two_forms import DOMAIN, RULES, tells, validate_return


@pytest.fixture
def play() -> Play:
    actions = {
        "action_cancel": tells("Gone:"),
        "action_send": tells("Sent:"),
        "action_track": tells("On its way:"),
        "validate_return_form": validate_return,
    }
    return Play(assistant_of(domain=DOMAIN, rules=RULES), actions)


def events(play: Play, name: str) -> list[str]:
    return [str(event.data.get("text")) for event in play.tracker.events if event.name == name]


def test_two_requests_that_need_nothing_are_answered_in_one_turn(play: Play) -> None:
    play("""
        > where is lw-1 and how are you | track order=LW-1 + chat
        < Nice.
        < On its way: LW-1: None
    """)
    assert events(play, "user") == ["how are you", "where is lw-1"]


def test_the_same_form_twice_in_one_message_knows_its_own_values(play: Play) -> None:
    play("""
        > find lw-1 and where is lw-2 | find order=LW-1 + track order=LW-2
        < Let me see.
        < On its way: LW-1: None
        < On its way: LW-2: None
    """)


def test_what_is_answered_at_once_comes_before_a_forms_question(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > cancel it and how long does it take | cancel + ask_time
        < Three days. (Delivery)
        < Which order?
    """)
    assert play.tracker.waiting == ()


def test_a_second_form_waits_until_the_first_is_done_and_is_then_taken_up(play: Play) -> None:
    play("""
        > cancel lw-1 and where is lw-2 | cancel order=LW-1 + track order=LW-2
        < Which e-mail?
        > a@b | inform email=a@b
        < Cancel LW-1?
        > yes | affirm
        < Gone: LW-1: True
        < You also asked: “where is lw-2”
        < On its way: LW-2: True
        > how are you | chat
        < Nice.
    """)
    assert play.tracker.waiting == ()


def test_a_yes_is_asked_for_by_each_request_that_changes_something(play: Play) -> None:
    play("""
        > cancel lw-1 of a@b and send lw-2 back | cancel order=LW-1 email=a@b + send_back order=LW-2
        < Cancel LW-1?
        > yes | affirm
        < Gone: LW-1: True
        < You also asked: “send lw-2 back”
        < Why?
        > too small | ?
        < Send back LW-2?
        > yes | affirm
        < Sent: LW-2: True
    """)
    assert [call.name for call in play.calls if call.name.startswith("action")] == ["action_cancel", "action_send"]


def test_leaving_the_first_leads_to_the_second(play: Play) -> None:
    play("""
        > cancel and where is lw-2 | cancel + track order=LW-2
        < Which order?
        > never mind | stop
        < Left.
        < You also asked: “where is lw-2”
        < On its way: LW-2: None
    """)


def test_what_was_asked_again_meanwhile_is_not_taken_up_once_more(play: Play) -> None:
    play("""
        > cancel lw-1 and where is lw-2 | cancel order=LW-1 + track order=LW-2
        < Which e-mail?
        > where is lw-2 | track order=LW-2
        < On its way: LW-2: None
        < Back to it.
        < Which e-mail?
        > a@b | inform email=a@b
        < Cancel LW-1?
        > yes | affirm
        < Gone: LW-1: True
    """)


def test_two_questions_in_the_middle_of_a_form_are_answered_and_the_form_asks_once(play: Play) -> None:
    play.passages = (passage("Three days.", sure=True),)
    play("""
        > cancel lw-1 | cancel order=LW-1
        < Which e-mail?
        > how are you and how long does it take | chat + ask_time
        < Nice.
        < Three days. (Delivery)
        < Which e-mail?
    """)


def test_in_the_middle_of_a_form_a_message_that_may_be_meant_for_it_is_taken_as_a_whole(play: Play) -> None:
    play("""
        > send lw-1 back | send_back order=LW-1
        < Why?
        > it is late and where is lw-2 | inform + track order=LW-2
        < Send back LW-1?
    """)


@pytest.mark.parametrize("other", ["affirm", "inform order=LW-9", "stop", "unruled"])
def test_what_is_no_request_does_not_make_two(play: Play, other: str) -> None:
    play(f"""
        > how are you and well | chat + {other}
        < Nice.
    """)
    assert events(play, "user") == ["how are you and well"]


def test_whoever_also_wants_a_person_gets_one_and_nothing_else_is_begun(play: Play) -> None:
    play("""
        > cancel lw-1 and get me a person | cancel order=LW-1 + human
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue customer_request
    """)
    assert play.tracker.waiting == ()
    assert play.tracker.loop is None


def test_a_failure_of_one_request_is_not_the_others(play: Play) -> None:
    play.actions["action_track"] = fails("failed")
    play("""
        > where is lw-1 and send lw-2 back | track order=LW-1 + send_back order=LW-2
        < Sorry, that did not work just now. Please try again a little later, or talk to a person. [Talk to a person]
        < Why?
    """)


def test_an_action_that_may_have_run_brings_a_person_at_once(play: Play) -> None:
    play.actions["action_track"] = lambda call: ActionFailure("interrupted")
    play("""
        > where is lw-1 and send lw-2 back | track order=LW-1 + send_back order=LW-2
        < I was interrupted and cannot tell whether that was done. Please do not try again.
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue action_interrupted
    """)


def test_starting_over_forgets_what_waited(play: Play) -> None:
    play.hear("cancel lw-1 and where is lw-2 | cancel order=LW-1 + track order=LW-2")
    assert [request["text"] for request in play.tracker.waiting] == ["where is lw-2"]
    play.hear("/restart")
    assert play.tracker.waiting == ()


def test_what_waits_is_made_of_events_alone(play: Play) -> None:
    heard = [play.hear("cancel lw-1 and where is lw-2 | cancel order=LW-1 + track order=LW-2")]
    heard.append(play.hear("a@b | inform email=a@b"))
    again = Tracker("c1").seated(play.assistant.domain.initial_slots())
    for outcome in heard:
        again = again.apply_all(outcome.events)
        assert again.waiting == outcome.tracker.waiting
    assert len(again.waiting) == 1


def test_the_answers_to_both_requests_are_said_again_and_their_buttons_may_be_typed(play: Play) -> None:
    play("""
        > how are you and where is lw-1 | chat + track order=LW-1
        < Nice.
        < On its way: LW-1: None
        > /repeat
        < Nice.
        < On its way: LW-1: None
    """)


def test_another_word_for_the_second_request_is_the_operators(play: Play) -> None:
    domain = DOMAIN.replace("utter_chat:", 'utter_also_asked: [{text: "And now: {request}."}]\n  utter_chat:')
    other = Play(assistant_of(domain=domain, rules=RULES), play.actions)
    other("""
        > cancel and where is lw-2 | cancel + track order=LW-2
        < Which order?
        > never mind | stop
        < Left.
        < And now: where is lw-2.
        < On its way: LW-2: None
    """)


def test_a_request_that_was_not_understood_is_asked_back_about_after_the_other(play: Play) -> None:
    play("""
        > blah and where is lw-1 | ? + track order=LW-1
        < On its way: LW-1: None
        < You also asked: “blah”
        < Again?
    """)


def test_a_request_with_two_meanings_waits_and_is_then_asked_about(play: Play) -> None:
    play("""
        > that lw-2 and cancel lw-1 | track / find order=LW-2 + cancel order=LW-1
        < Which e-mail?
        > never mind | stop
        < Left.
        < You also asked: “that lw-2”
        < Which? [Track an order] [Find an order]
        > how are you | chat
        < Nice.
    """)
    assert play.tracker.waiting == ()


def test_if_neither_request_was_understood_the_message_is_taken_as_a_whole(play: Play) -> None:
    play("""
        > blah and blubb | ? + ?
        < Again?
    """)
