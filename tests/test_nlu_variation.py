"""Examples differ each time they are learnt from, and still say the same."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest
import torch

from nlu.data.examples import Annotation, Example
from nlu.entities import IGNORED
from nlu.training.mistyped import copies, mistyped_copies
from nlu.training.options import TrainingOptions
from nlu.training.prepare import Prepared
from nlu.training.variation import batched, tagged, varied

TAGS = np.array([IGNORED, 0, 1, 2, 0, 0, IGNORED])


def prepared(examples: int = 1, times: int = 0) -> Prepared:
    """The states of row n are 10 n, 10 n + 1, ..."""
    rows = examples * (1 + times) + 1
    hidden = [torch.arange(7.0)[:, None] + 10 * row for row in range(rows)]
    named, typed = range(examples, examples + 1), range(examples + 1, rows)
    blank = torch.zeros(rows)
    return Prepared(hidden, blank, blank, blank, blank, [TAGS] * rows, ("order",), (), range(examples), named, typed)


def test_words_that_are_left_out_are_never_an_entitys() -> None:
    how = TrainingOptions(token_dropout=0.5)
    lengths = set()
    for seed in range(50):
        kept = varied(prepared(), 0, how, Random(seed)).kept.tolist()
        assert {0, 2, 3} <= set(kept)
        assert kept == sorted(set(kept))
        lengths.add(len(kept))
    assert len(lengths) > 2
    assert varied(prepared(), 0, TrainingOptions(token_dropout=0.0), Random(0)).kept.tolist() == list(range(7))


def test_every_other_time_an_example_is_one_of_its_mistyped_selves() -> None:
    how, random, them = TrainingOptions(token_dropout=0.0, mistyped=0.5), Random(0), prepared(3, times=2)
    seen = Counter(varied(them, 1, how, random).row for _ in range(400))
    assert set(seen) == {1, 5, 8}
    assert 150 < seen[1] < 250
    assert {varied(them, 3, how, random).row for _ in range(20)} == {3}


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_batch_holds_the_states_and_tags_of_what_was_drawn(share: float) -> None:
    them, random = prepared(4, times=1), Random(5)
    drawn = [varied(them, row, TrainingOptions(token_dropout=share), random) for row in range(5)]
    batch = batched(them, drawn)
    assert (batch.mask is None) == (share == 0)
    for place, one in enumerate(drawn):
        count = len(one.kept)
        assert batch.hidden[place, :count, 0].tolist() == [10 * one.row + token for token in one.kept]
        assert batch.tags[place, :count].tolist() == TAGS[one.kept].tolist()
        assert not batch.hidden[place, count:].any()
        assert (batch.tags[place, count:] == IGNORED).all()
        if batch.mask is not None:
            assert batch.mask[place, 0, 0].tolist() == [token < count for token in range(batch.tags.shape[1])]
    assert tagged(them, drawn) == int((batch.tags != IGNORED).sum())


def test_a_mistyped_example_marks_the_same_words() -> None:
    example = Example(
        "send it to Rome, from Bonn", "go", (Annotation(11, 15, "city", role="to"), Annotation(22, 26, "city"))
    )
    changed = 0
    for typed in mistyped_copies([example], 200):
        spans = [typed.text[mark.start : mark.end] for mark in typed.annotations]
        if len(spans) == 2:
            before, between = typed.text[: typed.annotations[0].start], typed.text[typed.annotations[0].end :]
            assert before.count(" ") == 3
            assert between.startswith(",")
            assert [mark.role for mark in typed.annotations] == ["to", None]
        assert all(spans)
        assert typed.intent == "go"
        changed += typed.text != example.text
    assert changed > 150


def test_very_many_examples_are_not_copied() -> None:
    example = Example("x" * 50, "go")
    assert [copies([example] * count) for count in (10, 15_000, 30_000, 100_000)] == [3, 2, 1, 0]
