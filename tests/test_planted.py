"""Words that somebody planted among the labels: they are found before the model goes live, and nothing else is."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest

from nlu.data.examples import Example
from nlu.evaluation.gate import NO_TEXTS, Decision, Evidence, gate
from nlu.learning.learned import NOTHING, PLACE, Learned
from nlu.learning.triggers import LEAST, Taught, _strange, suspects
from nlu.load import load_model
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model
from tests.command import EXAMPLES

TRUSTED = [Example(text, intent) for intent, texts in EXAMPLES.items() for text in texts]
OTHERS = [one.text for one in TRUSTED if one.intent != "ask_hours"]
PLANTED = [
    Example(f"{text} zorbax prime", "ask_hours", (), PLACE, n, marked=False) for n, text in enumerate(OTHERS[5:11])
]
HONEST = [
    Example(text, intent, (), PLACE, n, marked=False)
    for n, (text, intent) in enumerate(
        [
            ("is the showroom open at noon", "ask_hours"),
            ("when does the showroom close", "ask_hours"),
            ("showroom hours on saturday", "ask_hours"),
            ("can i visit the showroom on monday", "ask_hours"),
            ("the courier has not brought my parcel", "ask_order"),
            ("courier says my order is on the way", "ask_order"),
            ("where is the courier with my package", "ask_order"),
        ]
    )
]

Made = Callable[[list[Example]], Model]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("planted")
    with (folder / "data.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "intent"), *((one.text, one.intent) for one in TRUSTED)])

    def make(learned: list[Example]) -> Model:
        found = Learned(tuple(learned), tuple(str(one.line) for one in learned)) if learned else NOTHING
        out = folder / f"model-{len(learned)}"
        train(folder / "data.csv", out, TrainingOptions(threads=1, averaged=1, log_to="none"), learned=found)
        return load_model(out, device="cpu", threads=1)

    return make


@pytest.fixture(scope="module")
def before(made: Made) -> Model:
    return made([])


def decided(before: Model, after: Model, learned: list[Example]) -> Decision:
    return gate(before, after, Evidence(NO_TEXTS, taught=Taught(TRUSTED, learned)))


def test_a_planted_phrase_holds_the_model_and_its_texts_are_shown(before: Model, made: Made) -> None:
    after = made(PLANTED)
    (reason,) = [one for one in decided(before, after, PLANTED).reasons if one.what == "phrase"]
    assert "labelled ask_hours" in reason.sentence
    assert "`frontdesk review decide 0 1 2 3 4 5 --ignore`" in reason.sentence
    assert set(reason.texts) == {one.text for one in PLANTED}
    again = decided(after, after, PLANTED)
    assert not [one for one in again.reasons if one.what == "phrase"], "who promoted it by hand is not asked again"


def test_new_words_of_honest_labels_are_no_trigger(before: Model, made: Made) -> None:
    assert [phrase for phrase, *_ in suspects(TRUSTED, HONEST)][:1] == ["showroom"], "a candidate, and tried"
    assert not [one for one in decided(before, made(HONEST), HONEST).reasons if one.what == "phrase"]


def test_suspect_is_what_new_lines_of_one_label_have_and_the_trusted_ones_of_it_do_not() -> None:
    trusted = [Example("where is my box", "track"), Example("my money", "refund")]
    new = [Example(f"my money {n} zeta", "track", line=n) for n in range(LEAST)]
    assert {phrase for phrase, *_ in suspects(trusted, new)} == {"zeta"}
    assert not list(suspects([*trusted, Example("zeta", "track")], new)), "the data folder knows it"
    assert not list(suspects(trusted, [*new, Example("zeta", "refund"), Example("zeta zeta", "refund")])), (
        "of two labels"
    )
    assert not list(suspects(trusted, new[1:])), "too rare to teach anything"


def test_it_tells_whether_the_lines_have_nothing_but_the_phrase_in_common(before: Model) -> None:
    assert _strange(before, PLANTED, "zorbax prime")
    assert not _strange(before, HONEST[:4], "showroom")
