"""Explanations, on the demo's real model: the words that are said to decide do, and the nearest examples are near."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nlu.data.examples import Example, TrainingData
from nlu.data.reader import read_training_data
from nlu.evaluation.measure import read_texts
from nlu.explain import MOST_PARTS, explain
from nlu.load import load_model
from nlu.nearest import nearest
from nlu.similarity import UnitVectors
from nlu.understand import Model
from tests.demo import DATA, demo_model


@pytest.fixture(scope="module")
def model(request: pytest.FixtureRequest) -> Model:
    return load_model(demo_model(request.config), device="cpu", threads=1)


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return read_training_data(DATA)


def untold(done: int, of: int) -> None:
    raise AssertionError(f"{done} of {of} examples were read again")


def test_without_the_word_that_decides_the_intent_is_less_likely_than_without_another(model: Model) -> None:
    """Asked with the text itself shortened, as nobody did who explained it."""
    texts = [example.text for example in read_texts(DATA / "test").examples if not example.outlier][::40]
    found = model.understand_whole(texts)
    top: list[float] = []
    others: list[float] = []
    for one, why in zip(found, explain(model, found), strict=True):
        shortened = model.understand_whole([one.text[: word.start] + one.text[word.end :] for word in why.words])
        left = [{i.name: i.confidence for i in other.ranking}.get(one.intent.name, 0.0) for other in shortened]
        falls = [one.intent.confidence - chance for chance in left]
        heaviest = int(np.argmax([word.weight for word in why.words]))
        top.append(falls.pop(heaviest))
        others += falls
    assert np.mean(top) > 3 * np.mean(others)


def test_words_are_told_where_the_customer_wrote_them(model: Model) -> None:
    (found,) = model.understand_whole(["my  lamp arived  BROKEN, whatnow"])
    (why,) = explain(model, [found])
    assert [found.text[word.start : word.end] for word in why.words] == [word.text for word in why.words]
    assert max(why.words, key=lambda word: word.weight).text in ("arived", "BROKEN")
    assert (why.intent, why.example, why.nearest) == ("report_damaged", False, ())


def test_any_text_is_explained(model: Model) -> None:
    texts = ["", "\u200b", "😀", "where is my order?", "lamp " * 5000, "a \ud800 b"]
    whys = explain(model, model.understand_now(texts))
    assert len(whys) == len(texts)
    assert whys[0].words == ()
    assert whys[3].example
    assert len(whys[4].words) <= MOST_PARTS
    assert explain(model, []) == []


def test_the_nearest_examples_are_found_without_reading_them_again(
    model: Model, data: TrainingData, tmp_path: Path
) -> None:
    known = nearest(model, data, tmp_path, untold)
    some = [example for example in data.examples if not example.outlier][::300]
    for example, why in zip(some, explain(model, model.understand_now([e.text for e in some]), known), strict=True):
        first = why.nearest[0]
        assert (first.text, first.path, first.line) == (example.text, str(example.path), example.line)
        assert first.distance < 0.005  # eight bits
        assert first.taught
        assert [near.distance for near in why.nearest] == sorted(near.distance for near in why.nearest)


def test_examples_of_other_data_are_read_once_and_marked(model: Model, data: TrainingData, tmp_path: Path) -> None:
    some = [example for example in data.examples if example.intent in ("greet", "goodbye")]
    other = replace(data, examples=(*some, Example("xylophone lessons", "greet", path=Path("new.yml"), line=7)))
    told: list[tuple[int, int]] = []
    first = nearest(model, other, tmp_path, lambda *counts: told.append(counts))
    assert told[-1] == (len(some) + 1, len(some) + 1)
    (why,) = explain(model, model.understand_now(["xylophone lesson"]), nearest(model, other, tmp_path, untold))
    found = why.nearest[0]
    assert (found.text, found.path, found.line, found.taught) == ("xylophone lessons", "new.yml", 7, False)
    assert list(first.taught) == [True] * len(some) + [False]
    (kept,) = tmp_path.iterdir()
    assert b"xylophone" not in kept.read_bytes()
    kept.write_bytes(b"damaged")
    told.clear()
    nearest(model, other, tmp_path, lambda *counts: told.append(counts))
    assert told


def test_what_was_learnt_beside_the_data_shifts_no_example(model: Model, data: TrainingData, tmp_path: Path) -> None:
    near = model.judge.near
    counts, points = near.counts.copy(), np.insert(near.points.exact, near.counts[0], 0.0, axis=0)
    counts[0] += 1
    learnt = replace(
        model, judge=replace(model.judge, near=replace(near, points=UnitVectors.of(points), counts=counts))
    )
    known, same = (nearest(one, data, tmp_path, untold).points for one in (model, learnt))
    assert np.array_equal(known, same)
