"""New intents are proposed where several customers ask about something that the model does not know."""

from __future__ import annotations

import io

import numpy as np
from rich.console import Console as Screen

from bot.journal.journal import Journal
from bot.learning.queue import Queue, queue_of
from bot.learning.terminal import Round
from nlu.data.examples import Example
from nlu.learning.topics import topics
from nlu.nearest import Nearest
from nlu.understand import Insight
from tests.seer import Seer, said

LIKELY = {"my chairs": 0.6, "two chairs": 0.4, "chairs": 0.7, "our chairs": 0.45, "chairs now": 0.55}
RENT = [f"rent {words} | {likely}" for words, likely in LIKELY.items()]
OTHERS = ["deliver to me | .9", "where is my box | .95", "a poem | .6", "money for two | .1"]


def insight(likely: list[float], about: list[int], scope: list[float] | None = None) -> Insight:
    """`about`: texts of the same number are close."""
    embeddings = np.eye(8, dtype=np.float32)[about]
    both = np.array([[one, 1 - one] for one in likely], np.float32).reshape(-1, 2)
    ones = np.ones(len(likely), np.float32)
    return Insight(embeddings, embeddings, both, both, np.array(scope, np.float32) if scope else ones, ones)


def test_what_the_model_would_not_answer_and_is_about_the_same_is_a_topic() -> None:
    seen = insight([0.6, 0.6, 0.9, 0.5, 0.6, 0.6], [1, 1, 1, 2, 1, 2])
    assert topics(seen, [1] * 6, 3) == [[0, 1, 4]]
    assert topics(seen, [1, 1, 1, 2, 1, 2], 3) == [[3, 5], [0, 1, 4]], "messages count, not their different words"
    assert topics(seen, [1] * 6, 4) == []
    assert topics(insight([0.99] * 3, [1] * 3, [0.1] * 3), [1] * 3, 3) == [[0, 1, 2]], "sure, and out of scope"
    assert topics(insight([], []), [], 1) == []


def asked(*texts: str, known: Nearest | None = None) -> Queue:
    found = [said(text, number) for number, text in enumerate(texts, 1)]
    return queue_of(found, Seer(), known)  # type: ignore[arg-type]  # as much of a model as it needs


def test_a_new_intent_is_proposed_by_its_telling_words_whatever_the_model_takes_it_for() -> None:
    found = asked(*RENT, *OTHERS)
    proposed = [item for item in found.items if item.proposal]
    assert {item.guesses[0].name for item in proposed} == {"track", "refund"}
    assert {text for item in proposed for text in item.texts} == set(RENT)
    assert {str(item.proposal) for item in proposed} == {"new? rent_chairs, 5 messages"}
    first = found.items.index(proposed[0])
    assert list(found.items[first : first + len(proposed)]) == proposed, "one after the other"
    assert not [item for item in asked(*RENT[:4], *OTHERS).items if item.proposal]


def test_words_of_the_training_examples_name_nothing() -> None:
    examples = [Example(f"chairs {number}", "track") for number in range(50)]
    points = np.zeros((50, 8), np.float32)
    named = asked(*RENT, *OTHERS, known=Nearest(examples, points, [True] * 50))
    assert next(item.new for item in named.items if item.new).startswith("rent_")
    assert "chairs" not in next(item.new for item in named.items if item.new)


async def test_two_keys_make_the_proposed_intent(journal: Journal) -> None:
    await journal.keep_utterances([said(text, number) for number, text in enumerate([*RENT, *OTHERS], 1)])
    assert "new? rent_chairs, 5 messages" in await played(journal, "n")
    assert {one.review.label for one in await journal.reviewed()} == {"rent_chairs"}


async def test_who_calls_it_otherwise_says_so_once(journal: Journal) -> None:
    await journal.keep_utterances([said(text, number) for number, text in enumerate([*RENT, *OTHERS], 1)])
    asked_for = len([item for item in asked(*RENT, *OTHERS).items if item.proposal])
    assert asked_for > 1
    await played(journal, "n" * asked_for, "hire")
    assert {one.review.label for one in await journal.reviewed()} == {"hire"}


async def played(journal: Journal, keys: str, *lines: str) -> str:
    items = queue_of(await journal.newest_utterances(), Seer())  # type: ignore[arg-type]
    written, pressed, typed = io.StringIO(), iter(keys), iter(lines)
    screen = Screen(file=written, width=100, soft_wrap=True)
    read = (lambda: next(pressed, "q")), (lambda _: next(typed, ""))
    await Round(journal, items, [], [], "ada", screen, *read).play()
    return written.getvalue()
