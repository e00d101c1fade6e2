"""What the demo's rules make of messages that the model is not sure of."""

from __future__ import annotations

import pytest

from bot.dialogue.assistant import Assistant
from bot.dialogue.respond import ActionCall, ActionFailure, ActionResult
from bot.messages import Owner
from tests.demo import DATA
from tests.dialogue_play import Play, says, slot


@pytest.fixture(scope="module")
def assistant() -> Assistant:
    return Assistant.load(DATA)


def rejects_crisis(call: ActionCall) -> ActionResult | ActionFailure:
    """As the demo's forms do."""
    entities = call.tracker["latest_message"]["entities"]
    return ActionFailure("rejected") if any(e["entity"] == "crisis" for e in entities) else ActionResult()


@pytest.mark.parametrize(
    "message", ["it is all over, suicide | ? crisis=suicide", "I cut my arms | distress / stop", "help me | distress"]
)
def test_somebody_in_distress_gets_numbers_and_a_person(assistant: Assistant, message: str) -> None:
    outcome = Play(assistant).hear(message)

    assert [reply.response for reply in outcome.replies] == ["utter_distress", "utter_handover"]
    assert outcome.owner is Owner.QUEUE


@pytest.mark.parametrize("message", ["I want to kill myself | ? crisis=kill", "I cannot go on | distress"])
def test_in_a_form_that_takes_any_text_too(assistant: Assistant, message: str) -> None:
    play = Play(assistant, {"validate_report_problem_form": rejects_crisis})
    play.hear("hello | greet")
    play.apply(slot("order_number", "LW-10198"), slot("email", "mara@example.org"))
    assert [reply.response for reply in play.hear("broken | report_damaged").replies] == ["utter_ask_problem"]

    outcome = play.hear(message)

    assert [reply.response for reply in outcome.replies] == ["utter_distress", "utter_handover"]
    assert play.tracker.slots["problem"] is None


def test_a_value_after_an_answer_asks_the_same_of_that_value(assistant: Assistant) -> None:
    actions = {
        "validate_check_stock_form": says(),
        "action_check_stock": says("Stock."),
        "validate_opening_hours_form": says(),
        "action_opening_hours": says("Open."),
    }
    play = Play(assistant, actions)
    play("""
        > is the kettle in stock | check_stock product=kettle
        < Stock.
        > and in Vienna? | inform city=Vienna
        < Stock.
        > when do you open in Lyon | opening_hours city=Lyon
        < Open.
        > and tomorrow? | inform date=tomorrow
        < Open.
    """)
    assert (play.tracker.slots["city"], play.tracker.slots["day"]) == ("Lyon", "tomorrow")
