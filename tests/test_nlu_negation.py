"""Who takes a request back is asked what they want, and who says "not" otherwise is understood as before."""

from __future__ import annotations

import pytest

from nlu.data.examples import Example
from nlu.intents import doubted
from nlu.negation import Negation, negated
from nlu.types import Intent

EXAMPLES = [
    *(Example(f"please cancel my order {word}", "cancel") for word in ("now", "today", "at once")),
    Example("I don't want to keep it, cancel the order", "cancel"),
    *(Example(f"delete my account {word}", "delete") for word in ("now", "today")),
    *(Example(text, "late") for text in ("my parcel did not arrive", "don't ship it late again", "ship it")),
    *(Example(text, "faq/returns") for text in ("can I return it", "how do I return this")),
]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("i dont want to cancel my order", {"cancel"}),
        ("Do not cancel LW-10251", {"cancel"}),
        ("hi, please don’t delete my account", {"delet"}),
        ("I do not want to cancel it", {"cancel"}),
        ("I did not ask for a refund", {"refund"}),
        ("no need to cancel", {"cancel"}),
        ("please don't send a refund", {"refund"}),
        ("I never asked for a return", {"return"}),
        ("bitte nicht stornieren", {"stornieren"}),
        ("I don't want you to cancel it", {"cancel"}),
        ("I don't want it, cancel", set()),
        ("my card doesn't work", set()),
        ("I don't have a pin", set()),
        ("why don't you ship to italy", set()),
        ("if you don't cancel i sue", set()),
        ("", set()),
    ],
)
def test_what_is_negated(text: str, found: set[str]) -> None:
    assert negated(text) == found


@pytest.mark.parametrize(
    ("text", "intent", "back"),
    [
        ("don't cancel my order", "cancel", True),
        ("cancel my order", "cancel", False),
        ("don't delete my account", "cancel", False),
        ("don't ship it", "late", False),  # an example says so
        ("I never asked for a return", "faq", True),
        ("don't cancel my order", "unknown", False),
    ],
)
def test_only_what_tells_the_intent_takes_it_back(text: str, intent: str, back: bool) -> None:
    negation = Negation.of(EXAMPLES)
    assert negation.takes_back(text, intent) is back
    assert Negation.from_json(negation.to_json()) == negation


def test_words_from_conversations_are_not_kept() -> None:
    secret = [Example(f"cancel the zeppelin {n}", "cancel", marked=False) for n in range(50)]
    assert Negation.of([*EXAMPLES, *secret]) == Negation.of(EXAMPLES)


def test_the_first_meaning_is_less_likely_than_not() -> None:
    ranked = tuple(Intent(name, chance) for name, chance in (("a", 0.98), ("b", 0.01), ("c", 0.01), ("d", 0.0)))
    assert doubted(ranked) == (Intent("a", 0.4), Intent("b", 0.01), Intent("c", 0.01))
