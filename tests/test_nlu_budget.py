"""The error budget: the thresholds that keep it, and that they mean in training what they mean in serving."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nlu.budget import Choice, Curve
from nlu.data.examples import OUTLIER
from nlu.families import Families
from nlu.intents import Thresholds, ranking, verdict
from nlu.training.calibrate import NEVER, HeldOut, curve
from nlu.types import Verdict

NAMES = ("cancel", "faq/returns", "faq/warranty", "greet", "track")


def held(intents: Sequence[int]) -> HeldOut:
    count = len(intents)
    empty = np.zeros((count, 3), np.float32)
    return HeldOut(np.arange(count), np.array(intents), empty, empty, empty, empty, empty)


def likely(seed: int, intents: Sequence[int]) -> NDArray[np.float32]:
    """Probabilities that lean towards the right class, some more than others."""
    random = np.random.default_rng(seed)
    scores = random.normal(size=(len(intents), len(NAMES))) * 1.5
    for row, intent in enumerate(intents):
        scores[row, intent] += 2.0 * (intent != OUTLIER)
    return np.asarray(np.exp(scores) / np.exp(scores).sum(1, keepdims=True), np.float32)


def some_intents(seed: int, count: int) -> list[int]:
    return [int(number) for number in np.random.default_rng(seed).integers(-1, len(NAMES), count)]


@pytest.mark.parametrize("budget", [0.0, 0.01, 0.03, 0.1, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_training_counts_is_what_serving_does(seed: int, budget: float) -> None:
    intents = some_intents(seed, 300)
    chances = likely(seed, intents)
    in_scope = np.random.default_rng(seed + 100).random(300)
    found = curve(held(intents), chances, in_scope >= 0.1, NAMES)
    expected = found.within(budget)
    thresholds = Thresholds.keeping(budget, found, scope=0.1, knowledge=1.0)

    ranked = [ranking(Families.of(NAMES), row) for row in chances]
    done = [verdict(row, scope, thresholds) for row, scope in zip(ranked, in_scope, strict=True)]
    known = [row for row, intent in enumerate(intents) if intent != OUTLIER]
    meant = {row: NAMES[intents[row]].partition("/")[0] for row in known}
    acted = [row for row in known if done[row][0] is Verdict.SURE]
    asked = [row for row in known if done[row][0] is Verdict.AMBIGUOUS]
    among = [row for row in asked if meant[row] in [intent.name for intent in done[row][1]]]
    shares = [len(rows) / len(known) for rows in (acted, asked, among)]
    assert [expected.answered, expected.asked, expected.offered] == pytest.approx(shares)
    assert expected.wrong == pytest.approx(sum(ranked[row][0].name != meant[row] for row in acted) / len(known))


@given(st.integers(0, 50), st.floats(0, 0.3))
@settings(max_examples=50, deadline=None)
def test_a_budget_is_kept_and_a_larger_one_never_answers_less(seed: int, budget: float) -> None:
    intents = some_intents(seed, 200)
    found = curve(held(intents), likely(seed, intents), np.ones(200, bool), NAMES)
    small, large = found.within(budget), found.within(budget + 0.05)
    assert small.wrong <= budget + 1e-6
    assert large.answered >= small.answered


def test_new_texts_keep_the_budget_on_average() -> None:
    wrong = []
    for seed in range(60):
        seen, new = some_intents(seed, 150), [i for i in some_intents(seed + 1000, 600) if i != OUTLIER]
        chosen = curve(held(seen), likely(seed, seen), np.ones(150, bool), NAMES).within(0.05)
        first = likely(seed + 1000, new)
        right = np.array([NAMES[i].partition("/")[0] for i in new]) == [
            ranking(Families.of(NAMES), row)[0].name for row in first
        ]
        sure = np.array([ranking(Families.of(NAMES), row)[0].confidence for row in first]) >= chosen.sure
        wrong.append((sure & ~right).mean())
    assert 0.02 < np.mean(wrong) <= 0.05


def test_the_most_careful_choice_answers_nothing() -> None:
    intents = some_intents(0, 100)
    found = curve(held(intents), likely(0, intents), np.ones(100, bool), NAMES)
    assert (found.choices[-1].sure, found.choices[-1].answered) == (NEVER, 0.0)
    assert found.choices[0].sure == 0.5


def test_few_texts_promise_nothing_and_are_judged_by_what_was_seen() -> None:
    bold, careful = Choice(0.5, 0.5, 0.9, 0.0, 0.0, 0.0, 0.0), Choice(NEVER, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0)
    assert Curve(10, (bold, careful)).within(0.03) is bold


def test_a_curve_survives_its_manifest() -> None:
    intents = some_intents(1, 120)
    found = curve(held(intents), likely(1, intents), np.ones(120, bool), NAMES)
    again = Curve.from_json(json.loads(json.dumps(found.to_json())))
    assert again.texts == found.texts
    for budget in (0.0, 0.01, 0.02, 0.05, 0.2):
        assert again.within(budget).sure == pytest.approx(found.within(budget).sure)
