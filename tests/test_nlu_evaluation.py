"""What an evaluation says, on understandings written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlu.data.examples import Annotation, Example
from nlu.evaluation.compare import compare
from nlu.evaluation.intervals import interval
from nlu.evaluation.measure import scored
from nlu.evaluation.report import write_report
from nlu.evaluation.scores import Noisy
from nlu.noise import all_mistyped, disturbed
from nlu.types import Entity, Intent, Understanding, Verdict


def pair(
    meant: str, found: str, confidence: float = 0.9, verdict: Verdict = Verdict.SURE, scope: float = 1.0
) -> tuple[Example, Understanding]:
    intent = Intent(found, confidence)
    text = f"about {meant}"
    return Example(text, meant), Understanding(text, intent, (intent,), verdict, scope=scope)


def test_figures_are_counted_as_their_definitions_say() -> None:
    pairs = [
        pair("a", "a", 0.95),
        pair("a", "b", 0.95),
        pair("b", "b", 0.55, Verdict.AMBIGUOUS),
        pair("faq/x", "faq", 0.95),
        pair("out_of_scope", "a", 0.9, Verdict.UNSURE, scope=0.1),
    ]
    found = scored("m", pairs)
    assert found.intents is not None
    assert (found.intents.texts, found.intents.accuracy, found.intents.sure) == (4, 0.75, 0.75)
    assert (found.intents.wrong_when_sure, found.intents.asked) == (0.25, 0.25)
    assert found.intents.macro_f1 == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # Three texts at 95 %, two of them right; one at 55 %, right.
    assert found.intents.calibration_error == pytest.approx(0.75 * (0.95 - 2 / 3) + 0.25 * 0.45)
    assert found.scope is not None
    assert (found.scope.auroc, found.scope.recall_at_95, found.scope.caught) == (1.0, 1.0, 1.0)


def test_entities_count_only_where_everything_is_the_same() -> None:
    example = Example("from Rome to Bonn", "go", (Annotation(5, 9, "city", role="from"), Annotation(13, 17, "city")))
    read = (
        Entity("city", 5, 9, "Rome", 0.9, "model", role="to"),
        Entity("city", 13, 17, "Bonn", 0.9, "model"),
    )
    intent = Intent("go", 1.0)
    found = scored("m", [(example, Understanding(example.text, intent, (intent,), Verdict.SURE, entities=read))])
    assert found.entities is not None
    assert (found.entities.precision, found.entities.recall, found.entities.by_entity) == (0.5, 0.5, {"city": 0.5})


def test_intervals_hold_the_figure_and_narrow_with_more_texts() -> None:
    def of(count: int) -> tuple[float, float]:
        right = np.arange(count) % 5 > 0
        return interval(lambda rows: right[rows].mean(), count)

    few, many = of(50), of(5000)
    assert few[0] < 0.8 < few[1]
    assert many[0] < 0.8 < many[1]
    assert many[1] - many[0] < (few[1] - few[0]) / 5
    assert few == of(50)


def test_every_score_of_a_full_evaluation_has_an_interval() -> None:
    found = scored("m", [pair("a", "a"), pair("b", "a"), pair("oos", "a", scope=0.2)])
    assert set(found.intervals) == set(found.scores())
    for name, value in found.scores().items():
        low, high = found.intervals[name]
        assert low <= value <= high


def changed(before: Sequence[str], after: Sequence[str]) -> list[list[tuple[Example, Understanding]]]:
    return [[pair("a", name) for name in names] for names in (before, after)]


@pytest.mark.parametrize(
    ("gained", "lost", "p", "words"),
    [(0, 0, 1.0, "chance"), (1, 0, 1.0, "chance"), (8, 0, 2 / 256, "better"), (1, 9, 22 / 1024, "worse")],
)
def test_two_models_are_told_apart_only_by_more_than_luck(gained: int, lost: int, p: float, words: str) -> None:
    before = ["a"] * 50 + ["b"] * gained + ["a"] * lost
    after = ["a"] * 50 + ["a"] * gained + ["b"] * lost
    found = compare(*changed(before, after))
    assert found is not None
    assert (found.gained, found.lost, len(found.changed)) == (gained, lost, gained + lost)
    assert found.p == pytest.approx(p)
    assert words in found.judgement
    assert words in found.to_text()


def test_texts_out_of_scope_are_not_compared() -> None:
    assert compare([pair("oos", "a")], [pair("oos", "b")]) is None


@given(st.text(max_size=80), st.floats(0, 1), st.integers(0, 5))
def test_typing_errors_are_repeatable_and_touch_only_letters(text: str, share: float, seed: int) -> None:
    assert disturbed(text, share, Random(seed)) == disturbed(text, share, Random(seed))
    others = [character for character in text if not character.isalpha()]
    assert [character for character in disturbed(text, share, Random(seed)) if not character.isalpha()] == others
    assert disturbed(text, 0.0, Random(seed)) == text


def test_about_as_many_letters_are_mistyped_as_was_asked() -> None:
    word = "abcdefghijklmnopqrstuvwxyz"
    others = [typed.text for typed in all_mistyped([Example(word, "a")] * 400, 0.02)]
    same = sum(sum(letter == typed for letter, typed in zip(word, other, strict=False)) for other in others)
    assert same < 26 * 400  # something was changed
    untouched = sum(other == word for other in others) / 400
    assert untouched == pytest.approx(0.98**26, abs=0.1)


def test_out_of_scope_texts_alone_say_why_there_are_few_figures() -> None:
    alone = scored("m", [pair("oos", "a"), pair("oos", "b")]).to_text()
    assert "All 2 labelled texts are out of scope" in alone
    assert "out of scope:" not in scored("m", [pair("oos", "a"), pair("a", "a")]).to_text()


def test_entities_under_typing_errors_are_shown_where_some_are_marked() -> None:
    lines = replace(scored("m", [pair("a", "a")]), noise=(Noisy(0.1, 1, 1, 0, 0.5), Noisy(0.2, 1, 1, 0))).to_text()
    assert lines.count("entities F1 50.0%") == lines.count("entities F1") == 1


def test_a_report_needs_no_other_file(tmp_path: Path) -> None:
    before, after = changed(["a", "b", "a"], ["a", "a", "b"])
    write_report(tmp_path, scored("m<1>", after), 0.03, compare(before, after), "older")
    page = (tmp_path / "index.html").read_text("utf-8")
    assert "Evaluation of m&lt;1&gt;" in page
    assert "Compared with older" in page
    assert "about a" in page
    assert 'src="data:image/png' in page
    assert "http" not in page
    values = json.loads((tmp_path / "evaluation.json").read_text("utf-8"))
    assert values["comparison"]["gained"] == 1
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
