"""What a model is sure of by itself: which guesses count, and that nobody mistakes them for a person's word."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console as Screen

from bot import models
from bot.config import Settings
from bot.journal.values import Utterance
from bot.learning import guessing, retraining
from bot.learning.guessing import with_guesses
from bot.learning.labels import Found
from bot.learning.retraining import Wish, better_with_guesses
from nlu.budget import Choice, Curve
from nlu.data.examples import Example, TrainingData
from nlu.evaluation.compare import Comparison
from nlu.evaluation.gate import Decision
from nlu.evaluation.rules import Reason
from nlu.learning.guesses import WEIGHT, confident, sure_enough
from nlu.learning.learned import PLACE, Learned, joined
from nlu.lineage import lineage_key
from nlu.load import load_model
from nlu.manifest import Manifest
from nlu.registry import Registry
from nlu.remembered import Remembered
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.types import Tune
from nlu.understand import Insight
from tests.command import EXAMPLES
from tests.demo import DATA
from tests.seer import Seer, said
from tests.test_nlu_registry import added, model


def tried(sure: float, answered: float, wrong: float) -> Choice:
    return Choice(sure, 1.0, answered, wrong, 0.0, 0.0, 0.0)


CURVE = Curve(400, (tried(0.5, 0.9, 0.1), tried(0.8, 0.6, 0.012), tried(0.9, 0.4, 0.0), tried(1.01, 0.0, 0.0)))


class Guesser(Seer):
    """Sure of 0.8 by what was held out; of a text with "frozen" the frozen model thinks the opposite."""

    class manifest(Seer.manifest):  # noqa: N801  # as the model's
        budget = CURVE.to_json()

    remembered = Remembered.of(["taught | 1"], [1])

    def insight(self, texts: Sequence[str]) -> Insight:
        seen = super().insight(texts)
        other = np.array(["frozen" in text for text in texts])
        return replace(seen, frozen=np.where(other[:, None], seen.likely[:, ::-1], seen.likely))


def guessed(*utterances: Utterance, learned: Learned | None = None) -> Learned:
    return with_guesses(learned or Learned(), utterances, Guesser())  # type: ignore[arg-type]  # has what it takes


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "LEAST", 1)


def test_held_out_texts_say_how_sure_is_sure_enough() -> None:
    assert sure_enough(CURVE) == 0.8
    assert sure_enough(Curve(50, (tried(0.5, 0.9, 0.2), tried(1.01, 0.0, 0.0)))) == 1.01


def test_both_models_must_agree_and_be_sure() -> None:
    seen = Guesser().insight(["a | 0.9", "b | 0.7", "c frozen | 0.9", "d | 0.05"])
    assert confident(seen, CURVE) == [(0, 1), (3, 0)]


def test_guesses_stand_beside_what_people_said_and_count_less() -> None:
    people = Learned((Example("refund it", "refund"),), ("person",))
    found = guessed(said("box | 0.9", 7), said("hm | 0.5", 8), learned=people)
    (guess,) = found.guesses
    assert (guess.text, guess.intent, guess.weight, guess.line) == ("box | 0.9", "track", WEIGHT, 7)
    assert guess.guessed
    assert not guess.marked
    assert found.keys == ("person", lineage_key("journal", "c7", "1")), "erasure must find it"
    assert found.hash == people.hash, "they follow from the rest: nothing new was said"
    assert [one.intent for one in joined(TrainingData(()), found).examples] == ["refund", "track"]


def test_one_customer_and_one_text_give_few_guesses() -> None:
    night = [replace(said(f"box {n} | 0.9", n), customer="c1") for n in range(20)]
    assert len(guessed(*night).guesses) == 5
    assert len(guessed(said("box | 0.9", 1), said("Box |  0.9", 2), said("taught | 1", 3)).guesses) == 1


def test_a_handful_of_guesses_is_not_worth_a_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "LEAST", 2)
    assert not guessed(said("box | 0.9")).guesses


@pytest.mark.parametrize(
    ("after", "held", "kept"), [(0.9, False, "second"), (0.8, False, "first"), (0.9, True, "first")]
)
def test_a_retrain_learns_from_guesses_only_if_the_gate_finds_that_they_help(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, after: float, *, held: bool, kept: str
) -> None:
    settings, registry = Settings(home=tmp_path, data=DATA), Registry(tmp_path)
    made = registry.manifest(added(registry, model(tmp_path / "made", "first")))

    def trained(*_: object, learned: Learned, **__: object) -> Manifest:
        assert [one.text for one in learned.guesses] == ["box | 0.9"]
        second = model(tmp_path / "made", "second")
        registry.sign(second)
        registry.shelve(second)
        return registry.manifest("second")

    reasons = (Reason("accuracy", "It is worse."),) * held
    decision = Decision("first", "second", reasons, (), Comparison(9, 0.8, after, (0.0, 0.1), 1, 0, 0.5, ()), None)
    monkeypatch.setattr(retraining, "_unlabelled", lambda _: [said("box | 0.9")])
    monkeypatch.setattr(models, "for_texts", lambda *_: Guesser())
    monkeypatch.setattr(models, "train", trained)
    monkeypatch.setattr(retraining, "decided", lambda *_, **__: decision)
    wish = Wish(DATA, 0, 0, Tune.ALL, by_hand=False, force=False)
    chosen = better_with_guesses(
        settings, made, Found(Learned(), 0, 0), (wish, TrainingOptions()), Screen(file=StringIO())
    )
    assert chosen.id == kept
    assert registry.held("second") == (kept == "first")


def test_nobody_confirmed_a_guess_so_it_is_neither_remembered_nor_calibrated_with(tmp_path: Path) -> None:
    rows = [(text, intent) for intent, texts in EXAMPLES.items() for text in texts]
    with (tmp_path / "data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "intent"), *rows])
    texts = [f"{text} {more}" for text in EXAMPLES["ask_hours"] for more in ("please", "now", "thanks")]
    guesses = tuple(Example(text, "ask_hours", (), PLACE, weight=WEIGHT, marked=False, guessed=True) for text in texts)
    quick = TrainingOptions(epochs=1, averaged=1, held_out_parts=5, threads=1, log_to="none")
    train(tmp_path / "data.csv", tmp_path / "model", quick, learned=Learned(guesses=guesses))
    found = load_model(tmp_path / "model", device="cpu", threads=1)
    assert Curve.from_json(found.manifest.budget).texts == len(rows)
    assert texts[0] not in found.remembered
    assert rows[0][0] in found.remembered
    assert found.judge.near.counts.sum() == len(rows) + len(texts), "but it was learnt from"
