"""A message in another language: what language it has to be is said in both, with a person offered."""

from __future__ import annotations

import pytest

from bot.dialogue.defaults import OTHER_LANGUAGE, RESPONSES
from nlu.languages import TOLD_APART
from tests.dialogue_play import Play, assistant_of

DOMAIN = """
version: "3.1"
intents: [cancel, inform]
entities: [order, crisis]
slots:
  order: {type: text, mappings: [{type: from_entity, entity: order}]}
forms:
  cancel_form: {required_slots: [order]}
responses:
  utter_ask_order: [{text: "Which order?"}]
  utter_care: [{text: "Please call 112."}]
  utter_pardon: [{text: "Pardon?"}]
  utter_fallback: [{text: "Again?"}]
  utter_other_language: [{text: "Only English, sorry."}]
  utter_other_language_it: [{text: "Parlo solo inglese."}]
"""
RULES = """
rules:
- {rule: cancel, steps: [{intent: cancel}, {action: cancel_form}, {active_loop: cancel_form}]}
- {rule: crisis, steps: [{intent: nlu_fallback, entities: [crisis]}, {action: utter_care}, {action: action_hand_over}]}
"""
PARDON = "- {rule: pardon, steps: [{intent: nlu_fallback}, {action: utter_pardon}]}\n"
GERMAN = "Leider verstehe ich kein Deutsch. Möchten Sie mit einem Menschen sprechen?"


@pytest.fixture
def play() -> Play:
    return Play(assistant_of(domain=DOMAIN, rules=RULES))


def test_it_is_said_in_both_languages_with_a_person_and_the_third_time_brings_one(play: Play) -> None:
    first, second, third = (play.hear("wo ist denn mein Paket | ?de") for _ in range(3))
    for outcome in (first, second):
        (reply,) = outcome.replies
        assert reply.text == f"Only English, sorry.\n\n{GERMAN}"
        assert [button.payload for button in reply.buttons] == ["/human"]
    assert third.owner == "queue"


def test_the_operators_own_words_go_first_and_an_unknown_language_has_none(play: Play) -> None:
    assert play.hear("dov'è | ?it").replies[0].text == "Only English, sorry.\n\nParlo solo inglese."
    assert play.hear("xx | ?et").replies[0].text == "Only English, sorry."


def test_a_form_goes_on_after_it(play: Play) -> None:
    play.hear("cancel | cancel")
    said = play.hear("ich weiß es gerade nicht | ?de").replies
    assert [reply.text.partition("\n")[0] for reply in said] == ["Only English, sorry.", "Which order?"]


def test_a_general_rule_for_what_is_not_understood_comes_after_it() -> None:
    play = Play(assistant_of(domain=DOMAIN, rules=RULES + PARDON))
    assert play.hear("wo ist es | ?de").replies[0].response == OTHER_LANGUAGE
    assert play.hear("hmm | ?").replies[0].text == "Pardon?"


def test_a_rule_that_wants_more_comes_before_it(play: Play) -> None:
    play("""
        > quiero suicidarme | ?es crisis=suicidarme
        < Please call 112.
        < I am passing you on to a person. You can keep writing here; they will see all of it.
        ! queue customer_request
    """)


def test_there_are_words_for_twenty_languages_that_are_told_apart() -> None:
    codes = {name.rpartition("_")[2] for name in RESPONSES if name.startswith(f"{OTHER_LANGUAGE}_")}
    assert codes <= set(TOLD_APART)
    assert len(codes) >= 20
