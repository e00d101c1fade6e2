"""A week in which the gate is offered worse models, in ten disguises, and better ones:
`FRONTDESK_DATA=folder python -m benchmarks.gate [--seed N]`.

Twenty intents of Banking77 and out-of-scope lines of CLINC150; every model is trained for real, with few epochs. The
old model has ten examples an intent. A worse one is the old one's data or settings spoilt; a better one has seen more.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from nlu.data.examples import Example
from nlu.evaluation.gate import Evidence, gate
from nlu.evaluation.measure import Texts
from nlu.load import load_model
from nlu.manifest import Manifest, read_manifest, write_manifest
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model

INTENTS = 20
HELD_OUT = 15
"""Texts an intent."""
STRANGERS = 100
OPTIONS = TrainingOptions(epochs=5, averaged=1, held_out_parts=2, threads=2, log_to="none")

Rows = list[tuple[str, str]]
Change = Callable[[Manifest], Manifest]


class Lines:
    """Of the public files: examples to train on, turns of customers, and what is held out."""

    def __init__(self, folder: Path, random: Random) -> None:
        train_lines, test_lines = (_by_intent(folder / "banking77" / f"{name}.csv") for name in ("train", "test"))
        self.intents = random.sample(sorted(train_lines), INTENTS)
        self.pool = {intent: random.sample(train_lines[intent], 35) for intent in self.intents}
        self.held_out = [(text, i) for i in self.intents for text in random.sample(test_lines[i], HELD_OUT)]
        strangers = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
        self.strangers = [text for text, _ in random.sample(strangers["oos_train"], STRANGERS)]
        self.unseen = [text for text, _ in random.sample(strangers["oos_test"], STRANGERS)]

    def taught(self, each: int) -> Rows:
        inside = [(text, intent) for intent in self.intents for text in self.pool[intent][:each]]
        return inside + [(text, "out_of_scope") for text in self.strangers]

    def evidence(self) -> Evidence:
        inside = [Example(text, intent) for text, intent in self.held_out]
        outside = [Example(text, "out_of_scope") for text in self.unseen]
        turns = [text for intent in self.intents for text in self.pool[intent][25:]]
        return Evidence(Texts([*inside, *outside]), turns=turns)


def _by_intent(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["category"]].append(row["text"])
    return found


def _relabelled(rows: Rows, names: dict[str, str]) -> Rows:
    return [(text, names.get(intent, intent)) for text, intent in rows]


def _shuffled(rows: Rows, share: float, random: Random) -> Rows:
    """That share of the labels drawn anew."""
    intents = sorted({intent for _, intent in rows})
    return [(text, random.choice(intents) if random.random() < share else intent) for text, intent in rows]


def worse(lines: Lines, random: Random) -> Iterator[tuple[str, Rows, TrainingOptions, Change]]:
    """What it is, its data, its training, and what is done to its manifest."""
    rows, (one, two, three, *_) = lines.taught(10), lines.intents

    def same(manifest: Manifest) -> Manifest:
        return manifest

    yield "a quarter of the labels wrong", _shuffled(rows, 0.25, random), OPTIONS, same
    yield "one intent taught as another", _relabelled(rows, {one: two}), OPTIONS, same
    yield "two intents exchanged", _relabelled(rows, {two: three, three: two}), OPTIONS, same
    yield "four of ten examples lost", [row for row in rows if random.random() < 0.6], OPTIONS, same
    kept = lines.pool[three][0]
    yield "one intent with a single example", [r for r in rows if r[1] != three or r[0] == kept], OPTIONS, same
    leak = [(text, intent) for text, intent in lines.held_out if random.random() < 0.3]
    yield "taught what it is asked", _shuffled(rows, 0.25, random) + leak, OPTIONS, same
    yield "strangers taught as customers", _relabelled(rows, {"out_of_scope": one}), OPTIONS, same
    yield "hardly trained", rows, replace(OPTIONS, epochs=1, learning_rate=2e-3, head_learning_rate=0.1), same
    yield "too sure", rows, OPTIONS, lambda manifest: replace(manifest, temperature=manifest.temperature / 4)
    yield "full of doubt", rows, OPTIONS, lambda manifest: replace(manifest, temperature=manifest.temperature * 3)


def better(lines: Lines) -> Iterator[tuple[str, Rows, TrainingOptions]]:
    for more in (15, 20, 25):
        for seed in range(3):
            yield f"{more} examples an intent, seed {seed}", lines.taught(more), replace(OPTIONS, seed=seed)
    yield "the same data, another seed", lines.taught(10), replace(OPTIONS, seed=7)


def made(
    rows: Rows, options: TrainingOptions, scratch: Path, change: Callable[[Manifest], Manifest] | None = None
) -> Model:
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        data, out = Path(folder) / "data.csv", Path(folder) / "model"
        with data.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "intent"), *rows])
        train(data, out, options)
        if change is not None:
            write_manifest(out, change(read_manifest(out)))
        return load_model(out, device="cpu", threads=2)


def _offer(before: Model, after: Model, evidence: Evidence, what: str) -> bool:
    decision = gate(before, after, evidence)
    points = 100 * (decision.comparison.after - decision.comparison.before) if decision.comparison else 0.0
    reasons = ", ".join(reason.what for reason in decision.reasons) or "-"
    print(f"| {what} | {points:+.1f} | {'held' if decision.held else 'promoted'} | {reasons} |", flush=True)
    return decision.held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    random = Random(parser.parse_args().seed)  # must be repeatable, keeps no secret
    lines = Lines(Path(os.environ["FRONTDESK_DATA"]), random)
    evidence = lines.evidence()
    print("| offered | accuracy, points | | because of |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        before = made(lines.taught(10), OPTIONS, Path(scratch))
        held = [
            _offer(before, made(rows, options, Path(scratch), change), evidence, what)
            for what, rows, options, change in worse(lines, random)
        ]
        kept = [
            _offer(before, made(rows, options, Path(scratch)), evidence, what) for what, rows, options in better(lines)
        ]
    print(f"\nWorse ones promoted: {held.count(False)} of {len(held)}. Better ones held: {sum(kept)} of {len(kept)}.")


if __name__ == "__main__":
    main()
