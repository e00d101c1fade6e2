"""What labels are worth: `FRONTDESK_DATA=folder python -m benchmarks.learning [--seeds 0 1 2] [--clusters]`.

Starts from the first five examples of each intent of Banking77. The other training questions are the stream of what
customers said. An oracle in the reviewer's chair answers what the review queue asks, one text at a time, or with
`--clusters` the first text of a cluster for all of it. Selection sees no label but those given, and no test line.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from nlu.data.examples import Example
from nlu.data.reader import read_examples, same_text
from nlu.evaluation.measure import evaluate, read_texts
from nlu.learning.learned import PLACE, Learned
from nlu.learning.worth import ALIKE, Worth, clusters
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Insight, load_model

QUICK = TrainingOptions(averaged=1, held_out_parts=1, log_to="none")
"""For the models that only choose what is asked next."""
_AT_ONCE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rounds", type=int, nargs="+", default=[100, 150, 250, 500, 500], help="decisions each")
    parser.add_argument("--scored", type=int, nargs="+", default=[500, 1500], help="after so many decisions")
    parser.add_argument("--clusters", action="store_true", help="a decision labels a whole cluster")
    parser.add_argument("--alike", type=float, default=ALIKE)
    parser.add_argument("--random", action="store_true", help="ask about texts drawn at random")
    parser.add_argument("--held-out", action="store_true", help="score on a fifth of the stream, not on the test file")
    asked = parser.parse_args()
    for seed in asked.seeds:
        Simulation(Path(os.environ["FRONTDESK_DATA"]) / "banking77", seed, asked).run()


class Simulation:
    def __init__(self, folder: Path, seed: int, asked: argparse.Namespace) -> None:
        self.start, self.seed, self.asked = folder / "train_5.csv", seed, asked
        known = {same_text(example.text) for example in read_examples(self.start).examples}
        stream = [one for one in read_examples(folder / "train.csv").examples if same_text(one.text) not in known]
        order = np.random.default_rng(seed).permutation(len(stream)).tolist()
        self.test = read_texts(folder / "test.csv")
        if asked.held_out:
            self.test = replace(self.test, examples=tuple(stream[row] for row in order[: len(order) // 5]))
            order = order[len(order) // 5 :]
        self.open = [stream[row] for row in order]
        self.labelled: list[Example] = []
        self.decisions = 0

    def run(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "model"
            for count in self.asked.rounds:
                self._train(place, QUICK)
                self._ask(place, count)
                if self.decisions in self.asked.scored:
                    self._score(place)

    def _train(self, place: Path, options: TrainingOptions) -> None:
        learned = Learned(tuple(self.labelled), tuple(str(number) for number in range(len(self.labelled))))
        train(self.start, place, replace(options, seed=self.seed), learned=learned)

    def _ask(self, place: Path, count: int) -> None:
        seen = _insight(place, [example.text for example in self.open])
        worth = Worth.of(seen).total
        if self.asked.random:
            chosen = [[row] for row in range(count)]
        else:
            chosen = clusters(seen.together, worth, seen.likely.argmax(1).tolist(), self.asked.alike)[:count]
        for rows in chosen:
            told = self.open[rows[0]].intent
            for row in rows if self.asked.clusters else rows[:1]:
                self.labelled.append(Example(self.open[row].text, told, (), PLACE, len(self.labelled), marked=False))
        self.decisions += len(chosen)
        gone = {row for rows in chosen for row in (rows if self.asked.clusters else rows[:1])}
        wrong = sum(self.open[row].intent != self.open[rows[0]].intent for rows in chosen for row in rows)
        self.purity = 1 - wrong / max(1, sum(map(len, chosen)))
        self.open = [example for row, example in enumerate(self.open) if row not in gone]

    def _score(self, place: Path) -> None:
        began = time.perf_counter()
        self._train(place, TrainingOptions(log_to="none"))
        seconds = time.perf_counter() - began
        found = evaluate(load_model(place), self.test).scores()
        line = {
            "seed": self.seed,
            "decisions": self.decisions,
            "labels": len(self.labelled),
            "pure": round(self.purity, 4),
            "accuracy": round(found["accuracy"], 4),
            "calibration_error": round(found["calibration_error"], 4),
            "training_seconds": round(seconds),
        }
        print(json.dumps(line), flush=True)


def _insight(place: Path, texts: list[str]) -> Insight:
    model = load_model(place)
    parts = [model.insight(texts[start : start + _AT_ONCE]) for start in range(0, len(texts), _AT_ONCE)]
    return Insight(*(np.concatenate([getattr(part, name) for part in parts]) for name in Insight.__slots__))


if __name__ == "__main__":
    main()
