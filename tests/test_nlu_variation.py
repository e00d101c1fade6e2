"""Examples differ each time they are learnt from, and still say the same."""

from __future__ import annotations

from collections import Counter
from random import Random

import torch

from nlu.data.examples import Annotation, Example
from nlu.entities import IGNORED
from nlu.training.mistyped import copies, mistyped_copies
from nlu.training.options import TrainingOptions
from nlu.training.prepare import Prepared
from nlu.training.variation import varied

TAGS = torch.tensor([IGNORED, 0, 1, 2, 0, 0, IGNORED])


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
        kept, learnt = varied(prepared(), 0, how, Random(seed))
        assert {0.0, 2.0, 3.0} <= set(kept.flatten().tolist())
        assert learnt.tolist() == [int(TAGS[int(place)]) for place in kept.flatten()]
        lengths.add(len(kept))
    assert len(lengths) > 2
    assert len(varied(prepared(), 0, TrainingOptions(token_dropout=0.0), Random(0))[0]) == 7


def test_every_other_time_an_example_is_one_of_its_mistyped_selves() -> None:
    how, random, them = TrainingOptions(token_dropout=0.0, mistyped=0.5), Random(0), prepared(3, times=2)
    seen = Counter(int(varied(them, 1, how, random)[0][0]) // 10 for _ in range(400))
    assert set(seen) == {1, 5, 8}
    assert 150 < seen[1] < 250
    names = {int(varied(them, 3, how, random)[0][0]) // 10 for _ in range(20)}
    assert names == {3}


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
