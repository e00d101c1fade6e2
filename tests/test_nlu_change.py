"""The page that shows what a change of model changes, and what it says of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from safetensors.numpy import save_file

from bot.learning.change import beside_decision
from nlu.data.examples import OUTLIER, Example
from nlu.evaluation.change import Models, write_change
from nlu.evaluation.compare import compare
from nlu.evaluation.entities import Pairs
from nlu.evaluation.gate import Both, Decision
from nlu.evaluation.lessons import Taught, lessons
from nlu.evaluation.replay import Change, Flow, Replay
from nlu.evaluation.rules import Reason
from nlu.evaluation.signs import Steps
from nlu.lineage import write_lineage
from nlu.manifest import read_manifest, write_manifest
from nlu.registry import Registry
from nlu.remembered import Remembered
from nlu.types import Intent, Understanding, Verdict
from tests.test_nlu_registry import model

HOSTILE = "<img src=x onerror=alert(1)> {{ 7 * 7 }} " + "w" * 300
BEFORE = {"hi": "a", "hello": "a", "bye": "b", "mars": "out_of_scope", "see you": "a"}
AFTER = {"hi": "a", "hello": "b", "bye": "b", "see you": "a", "rent": "c", HOSTILE: "c"}


def taught(folder: Path, name: str, examples: Mapping[str, str], data_hash: str = "") -> Path:
    """A directory of a model that was taught these."""
    directory = model(folder, name, data_hash=data_hash or name)
    names = sorted({intent for intent in examples.values() if intent != "out_of_scope"})
    write_lineage(directory, examples if name == "new" else ())
    numbers = [names.index(intent) if intent in names else OUTLIER for intent in examples.values()]
    known = Remembered.of(list(examples), numbers)
    columns = {"remembered.keys": known.keys.copy(), "remembered.classes": known.classes.copy()}
    save_file(columns, directory / "model.safetensors")
    write_manifest(directory, replace(read_manifest(directory), intents=tuple(names)))
    return directory


def pairs(*rows: tuple[str, str, str]) -> Pairs:
    """Text, intent meant, intent found."""
    return [
        (Example(text, meant), Understanding(text, Intent(found, 0.8), (Intent(found, 0.8),), Verdict.SURE))
        for text, meant, found in rows
    ]


def decision(*reasons: Reason, text: str = "tell me") -> Decision:
    before = pairs((text, "a", "a"), ("good day", "b", "a"), ("so long", "b", "b"), ("mars", "out_of_scope", "a"))
    after = pairs((text, "a", "b"), ("good day", "b", "b"), ("so long", "b", "b"), ("mars", "out_of_scope", "a"))
    canary = Both(pairs((text, "a", "a")), pairs((text, "a", "b")))
    moved = Replay(9, (Change("a", "a person", 4, (text,)),), (Flow("a", 4, 0, "b"),), Steps.of([True], [False]))
    comparison = compare(before, after)
    return Decision("old", "new", reasons, ("a note",), comparison, moved, Both(before, after), canary)


def page(tmp_path: Path, told: Decision, *, promoted: bool = False, examples: Mapping[str, str] = AFTER) -> str:
    both = taught(tmp_path, "old", BEFORE), taught(tmp_path, "new", AFTER)
    data = [Example(text, intent) for text, intent in examples.items()]
    last = [
        (replace(read_manifest(both[1]), examples=420, test_between=(0.84, 0.95)), True),
        (replace(read_manifest(both[0]), examples=300, scores={"test_accuracy": 0.8}), False),
    ]
    write_change(tmp_path / "deep" / "page.html", told, Models(*both, last), data, promoted=promoted)
    return (tmp_path / "deep" / "page.html").read_text("utf-8")


def test_what_two_models_were_taught_is_told_by_hashes_and_shown_where_the_data_have_it(tmp_path: Path) -> None:
    both = Taught.read(taught(tmp_path, "old", BEFORE)), Taught.read(taught(tmp_path, "new", AFTER))
    found = lessons(*both, [Example("rent", "c"), Example("hello", "b"), Example("elsewhere", "c")])
    assert {one.intent: (one.before, one.added, one.removed, one.after) for one in found.intents} == {
        "a": (3, 0, 1, 2),
        "b": (1, 1, 0, 2),
        "c": (0, 2, 0, 2),
        "out_of_scope": (1, 0, 1, 0),
    }
    assert [(one.intent, one.texts) for one in found.intents if one.new] == [("c", ("rent",))]
    assert [(one.before, one.after, one.count, one.texts) for one in found.relabelled] == [("a", "b", 1, ("hello",))]
    assert (found.added, found.removed, found.same) == (3, 2, False)
    assert lessons(both[1], both[0], []).gone == ("c",)


def test_a_page_says_what_was_decided_and_shows_what_would_change(tmp_path: Path) -> None:
    lost = Reason("intent a", "1 of 1 texts lost.", ("tell me (a)",))
    broken = Reason("canaries", "2 of 9 fail.", ("tell me", "how to return"))
    held = page(tmp_path, decision(lost, broken))
    assert "<h1>Held</h1>" in held
    assert "because of\n<b>intent a</b> and <b>canaries</b>." in held
    assert "A model is held if one intent loses three texts and 30% of its texts, or both of two." in held
    assert "<td>how to return</td><td><code>an article</code></td><td><code>found first</code></td>" in held
    row = "<td>{}</td><td><code>{}</code></td><td><code>{}</code></td><td><code>{}</code></td>"
    assert held.count(row.format("tell me", "a", "a", "b")) == 2, "as a canary and as a text that was lost"
    assert row.format("good day", "b", "a", "b") in held
    assert "4 would be answered differently (44.4 %)" in held
    assert '<a href="../new/report/index.html">the new model</a>' in held
    assert "From conversations it learnt 6 utterances, 0 before." in held
    assert held.count("<picture>") == 4
    assert "<td><code>old</code> before</td>" in held
    assert '<td class="n">420</td>\n<td class="n">90.0 % <span class="soft">[84.0, 95.0]</span></td>' in held
    assert "://" not in held


def test_a_page_says_whether_the_model_was_promoted(tmp_path: Path) -> None:
    assert "<h1>Promoted</h1>" in page(tmp_path / "1", decision(), promoted=True)
    assert "<code>new</code> may take the place of <code>old</code>" in page(tmp_path / "2", decision())


def test_customers_words_are_text_on_a_page_whatever_they_are(tmp_path: Path) -> None:
    shown = page(tmp_path, decision(Reason("canaries", "1 of 1.", (HOSTILE,)), text=HOSTILE))
    assert shown.count("&lt;img src=x onerror=alert(1)&gt; {{ 7 * 7 }}") == 5, (
        "taught, canary, lost, replayed, confused"
    )
    assert "<img src=x" not in shown


def test_a_page_that_cannot_be_written_does_not_undo_the_decision(tmp_path: Path) -> None:
    both = taught(tmp_path, "old", BEFORE), taught(tmp_path, "new", AFTER)
    registry, said = Registry(tmp_path / "home"), StringIO()
    registry.page("new").mkdir(parents=True)
    assert beside_decision(registry, both, [], decision(), Console(file=said)) is None
    assert said.getvalue().startswith("No page was written: ")


def test_a_page_without_anything_to_compare_has_no_empty_tables(tmp_path: Path) -> None:
    nothing = Decision("old", "new", (Reason("evidence", "0 held-out texts."),), (), None, None)
    shown = page(tmp_path, nothing, examples={})
    assert "No messages of customers were replayed." in shown
    assert "By intent" not in shown


def curve(tmp_path: Path, counts: Sequence[int]) -> str:
    """A page of a registry whose models learnt from so many examples."""
    both = taught(tmp_path, "old", BEFORE), taught(tmp_path, "new", AFTER)
    manifest = read_manifest(both[0])
    last = [(replace(manifest, id=f"m{number}", examples=count), False) for number, count in enumerate(counts)]
    write_change(tmp_path / "page.html", decision(), Models(*both, last), [], promoted=False)
    return (tmp_path / "page.html").read_text("utf-8")


@pytest.mark.parametrize("counts", [[], [300], [300, 300], [300, 0, 0]])
def test_without_different_numbers_of_examples_there_is_no_learning_curve(tmp_path: Path, counts: list[int]) -> None:
    assert "Does more labelling pay?" not in curve(tmp_path, counts)


def test_the_learning_curve_leaves_out_models_that_do_not_know_what_they_learnt_from(tmp_path: Path) -> None:
    shown = curve(tmp_path, [420, 0, 300])
    assert shown.index("<code>m2</code>") < shown.index("<code>m0</code>"), "the fewest examples first"
    assert "<code>m1</code>" not in shown
