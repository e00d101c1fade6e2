"""The gate, on the demo's real model: what is worse is held, however it is disguised; what is better is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from nlu.data.examples import Example
from nlu.engine.signals import Engine, Signals
from nlu.evaluation.compare import compare
from nlu.evaluation.gate import Decision, Evidence, gate
from nlu.evaluation.measure import Texts, read_texts, said_of
from nlu.evaluation.replay import PERSON, Change, Replay, replayed
from nlu.evaluation.rules import Reason
from nlu.evaluation.signs import Steps
from nlu.families import Families
from nlu.load import load_model
from nlu.remembered import Remembered
from nlu.retriever import Retriever
from nlu.understand import Model
from tests.demo import DATA, demo_model
from tests.test_nlu_evaluation import pair

HELD_OUT = read_texts(DATA / "test")
SOME = Texts(HELD_OUT.examples[::2], HELD_OUT.questions[::2])
CANARIES = read_texts(DATA / "canaries")

Disguise = Callable[[Model], Model]


class Once:
    """The same network for all disguises: it reads each text once."""

    callers = 1

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._known: dict[tuple[int, ...], Signals] = {}

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        fresh = [row for row in rows if tuple(row) not in self._known]
        self._known.update(zip(map(tuple, fresh), self._engine.run(fresh), strict=True))
        return [self._known[tuple(row)] for row in rows]

    def glance(self, rows: Sequence[list[int]]) -> list[Signals]:
        return self.run(rows)


@pytest.fixture(scope="module")
def good(request: pytest.FixtureRequest) -> Model:
    model = load_model(demo_model(request.config), device="cpu", threads=1)
    return replace(model, engine=Once(model.engine))


class Mute:
    callers = 1

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        raise AssertionError(f"asked of {len(rows)} texts")

    def glance(self, rows: Sequence[list[int]]) -> list[Signals]:
        return self.run(rows)


def test_what_the_new_model_said_already_is_not_asked_again(good: Model) -> None:
    turns = [example.text for example in SOME.examples[:9]] * 2
    evidence = Evidence(SOME, Texts(SOME.examples[:5], SOME.questions[:2]), turns, said=said_of(good, SOME).answers)
    asked = gate(good, good, replace(evidence, said={}))
    assert gate(good, replace(good, engine=Mute()), evidence).to_json() == asked.to_json()


def _renamed(model: Model, names: dict[str, str]) -> Model:
    intents = tuple(names.get(name, name) for name in model.manifest.intents)
    return replace(model, manifest=replace(model.manifest, intents=intents), families=Families.of(intents))


def _cooler(model: Model, times: float) -> Model:
    return replace(model, judge=replace(model.judge, temperature=model.judge.temperature * times))


def _leaked(model: Model) -> Model:
    inside = [example for example in SOME.examples if not example.outlier]
    numbers = [model.manifest.intents.index(example.intent) for example in inside]
    return replace(model, remembered=Remembered.of([example.text for example in inside], numbers))


def _mixed_up(model: Model) -> Model:
    assert isinstance(model.retriever, Retriever)
    vectors = model.retriever.vectors
    turned = {name: getattr(vectors, name)[::-1].copy() for name in ("questions", "topics", "common")}
    lines = np.roll(vectors.line_articles, 7)
    return replace(model, retriever=model.retriever.knowing(replace(vectors, **turned, line_articles=lines)))


def _thresholds(model: Model, **values: float) -> Model:
    return replace(model, thresholds=replace(model.thresholds, **values))


WORSE: dict[str, tuple[Disguise, str]] = {
    "one intent sacrificed": (lambda m: _renamed(m, {"ask_warranty_terms": "warranty_claim"}), "intent ask_warranty"),
    "two intents exchanged": (
        lambda m: _renamed(m, {"refund_status": "start_return", "start_return": "refund_status"}),
        "accuracy",
    ),
    "too sure of itself": (lambda m: _cooler(m, 0.3), "out of scope"),
    "full of doubt": (lambda m: _cooler(m, 3.0), "calibration"),
    "answers on a hunch": (lambda m: _thresholds(m, sure=0.3), "wrong answers"),
    "answers anything": (lambda m: _thresholds(m, scope=0.0), "out of scope"),
    "asks and passes on": (lambda m: _thresholds(m, sure=0.999), "answers"),
    "trained on what it is asked": (_leaked, "leak"),
    "no knowledge base": (lambda m: replace(m, retriever=None), "knowledge base"),
    "knowledge base mixed up": (_mixed_up, "knowledge base"),
}


@pytest.mark.parametrize("disguise", WORSE)
def test_a_worse_model_is_held_and_the_reason_named(good: Model, disguise: str) -> None:
    change, reason = WORSE[disguise]
    decision = gate(good, change(good), Evidence(SOME))
    assert decision.held
    assert [found.what for found in decision.reasons if found.what.startswith(reason)]
    assert decision.to_text().startswith(f"{good.id} against {good.id}: held\n")


@pytest.mark.parametrize(
    "handicap", ["one intent sacrificed", "full of doubt", "asks and passes on", "no knowledge base"]
)
def test_a_better_model_is_not_held(good: Model, handicap: str) -> None:
    change, _ = WORSE[handicap]
    assert [reason.sentence for reason in gate(change(good), good, Evidence(SOME, CANARIES)).reasons] == []


def test_one_broken_canary_is_enough(good: Model) -> None:
    canary = Texts([example for example in CANARIES.examples if example.intent == "ask_jobs"])
    nothing = Texts([example for example in SOME.examples if example.intent != "ask_jobs"])
    decision = gate(good, _renamed(good, {"ask_jobs": "capabilities"}), Evidence(nothing, canary))
    assert [reason.what for reason in decision.reasons] == ["canaries"]
    assert decision.reasons[0].texts == (canary.examples[0].text,)


def test_too_few_texts_prove_nothing(good: Model) -> None:
    (reason,) = gate(good, good, Evidence(Texts(SOME.examples[:49]))).reasons
    assert (reason.what, reason.sentence[:22]) == ("evidence", "49 held-out texts are ")


def test_an_intent_that_dries_up_among_the_last_turns_is_noticed_without_a_label(good: Model) -> None:
    turns = ["where is my order", "what about my order", "order status please", "is my order sent"] * 3
    without = Texts([example for example in SOME.examples if example.intent != "order_status"])
    decision = gate(good, _renamed(good, {"order_status": "list_orders"}), Evidence(without, turns=turns))
    (reason,) = decision.reasons
    assert reason.what == "replay, by intent"
    assert "most go to list_orders" in reason.texts[0]
    assert decision.replay is not None
    assert decision.replay.changed >= 8
    assert decision.to_json()["replay"]["changes"][0]["before"] == "order_status"


def test_what_goes_to_a_new_intent_is_no_loss(good: Model) -> None:
    replay = replayed(good, _renamed(good, {"order_status": "parcel_status"}), ["where is my order"] * 10)
    assert replay.changed == 10
    assert replay.drained() == []


def test_an_intent_that_no_rule_answers_serves_nobody(good: Model) -> None:
    turns, unanswered = ["goodbye then", "bye bye for now", "thanks, goodbye", "see you, bye"] * 3, {"new_one"}
    after = replace(_renamed(good, {"goodbye": "new_one"}), retriever=None)
    assert replayed(good, after, turns).changes[0].after == "new_one"
    assert {change.after for change in replayed(good, after, turns, unanswered=unanswered).changes} == {PERSON}
    without = Texts([example for example in SOME.examples if example.intent != "goodbye"])
    reasons = gate(good, after, Evidence(without, turns=turns, unanswered=unanswered)).reasons
    assert {"replay", "replay, by intent"} <= {reason.what for reason in reasons}


def test_what_is_no_chance_to_the_gate_is_not_called_chance_beside_it() -> None:
    """Seven lost and one gained: 3.5 % by the gate's one-sided test, 7 % by the two-sided one."""
    was, now = ["a"] * 99 + ["b"], ["b"] * 7 + ["a"] * 93
    steps = Steps.of(*([name == "a" for name in names] for names in (was, now)))
    assert steps.worse(0.05, 0.5)
    assert steps.luck() == pytest.approx(9 / 256)
    comparison = compare(*([pair("a", name) for name in names] for names in (was, now)))
    held = Decision("old", "new", (Reason("accuracy", "7 texts"),), (), comparison, None)
    assert "may well be chance" not in held.to_text()
    assert "may well be chance" in replace(held, reasons=()).to_text()


@pytest.mark.parametrize(
    ("lost", "gained", "texts", "worse"),
    [(5, 0, 1000, True), (4, 0, 1000, False), (9, 4, 1000, False), (4, 0, 60, True), (0, 5, 60, False)],
    ids=["rarer than chance", "chance", "both ways", "a twentieth", "better"],
)
def test_a_loss_counts_if_it_is_no_chance_or_too_much(lost: int, gained: int, texts: int, worse: bool) -> None:
    was = np.array([True] * lost + [False] * (texts - lost))
    now = np.array([False] * (texts - gained) + [True] * gained)
    assert Steps(was, now).worse(0.05, 0.05) == worse


def test_a_decision_without_examples_is_a_sentence(good: Model) -> None:
    decision: Decision = gate(good, good, Evidence(Texts([Example("who won the match", "out_of_scope")])))
    assert decision.comparison is None
    assert decision.held


def test_a_customers_line_break_begins_no_line_of_the_decision() -> None:
    """Or a message could say what the gate did not."""
    forged = "hello\nm2 against m1: may be promoted"
    replay = Replay(1, (Change("a", "b", 1, (forged,)),), (), Steps.of([True], [True]))
    said = Decision("m1", "m2", (Reason("intent", "It is lost.", (forged,)),), (), None, replay).to_text()
    assert said.count("hello m2 against m1: may be promoted") == 2
    assert not [line for line in said.splitlines() if line.startswith("m2 against m1: may be promoted")]
