"""The closest examples' opinion, and the names of intents as examples."""

from __future__ import annotations

import numpy as np
import pytest

from nlu.neighbours import MOST, Floats, grouped, voted
from nlu.training.calibrate import HeldOut, votes
from nlu.training.prepare import spoken


def units(*angles: float) -> np.ndarray:
    return np.array([[np.cos(a), np.sin(a)] for a in angles], np.float32)


def test_an_undecided_head_follows_the_closest_example() -> None:
    near = grouped(units(0.0, 1.5, 0.1), np.array([0, 1, 0]), 3, weight=1.0)
    scores = near.joined(np.zeros((2, 3), np.float32), units(0.05, 1.4))

    assert scores.argmax(1).tolist() == [0, 1]
    assert near.closest(units(0.1))[0] == pytest.approx([1.0, np.cos(1.4), -1.0], abs=5e-3), "no example, no opinion"


def test_without_weight_the_head_stays_as_it_is() -> None:
    near = grouped(units(0.0, 1.5), np.array([0, 1]), 2, weight=0.0)
    scores = np.array([[1.0, 3.0]], np.float32)

    assert near.joined(scores, units(0.0)) is scores


def test_another_heads_opinion_counts_by_its_weight() -> None:
    scores, others = np.array([[1.0, 1.2]], np.float32), np.array([[2.0, 0.0]], np.float32)

    assert voted(scores, others, 0.0) is scores
    assert voted(scores, others, 0.05).argmax() == 1
    assert voted(scores, others, 1.0).argmax() == 0


@pytest.mark.parametrize("helpful", ["head before training", "neighbours", "neither"])
def test_whoever_is_right_about_held_out_texts_is_given_a_vote(helpful: str) -> None:
    random = np.random.default_rng(0)
    intents = random.integers(0, 4, 400)
    right = np.eye(4, dtype=np.float32)[intents]

    def told(signal: float, times: float = 1.0) -> Floats:
        return np.asarray(times * (signal * right + random.normal(size=right.shape)), np.float32)

    start = told(2.0) if helpful == "head before training" else told(0.0, 3)
    closest = told(2.0, 0.05) if helpful == "neighbours" else told(0.0, 0.15)
    near, before = votes(HeldOut(np.arange(400), intents, told(2.0), closest, start, closest, closest))

    assert (near > 0) == (helpful == "neighbours")
    assert (before > 0) == (helpful == "head before training")


def test_of_very_many_examples_each_intent_keeps_its_share() -> None:
    intents = np.repeat([0, 1, 2], [3 * MOST, 10, 1])
    near = grouped(np.zeros((len(intents), 2), np.float32), intents, 3, weight=1.0)

    assert MOST - 3 <= near.counts.sum() <= MOST + 3, "as many as may be, but for rounding"
    assert near.counts.tolist()[1:] == [4, 1]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("card_arrival", "card arrival"),
        ("faq/lost-or-stolen_phone", "lost or stolen phone"),
        ("orderStatus", "order status"),
        ("перевод_денег", "перевод денег"),
        ("42", ""),
        ("_", ""),
    ],
)
def test_a_name_is_read_as_words(name: str, words: str) -> None:
    assert spoken(name) == words
