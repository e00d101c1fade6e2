"""What labels are worth: `FRONTDESK_DATA=folder python -m benchmarks.learning [--seeds 0 1] [--clusters] [--guesses]`.

Starts from the first five examples of each intent of Banking77. The other training questions are what customers said.
An oracle in the reviewer's chair answers what the review queue asks, one text at a time, or with `--clusters` the first
text of a cluster for all of it; with `--guesses` the model then learns from its own confident guesses about the rest,
too. Queue, clusters, labels, guesses and training are the product's; none of them sees a test line.
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

from bot.journal.values import Kind, Review, Reviewed, Utterance
from bot.learning.guessing import with_guesses
from bot.learning.labels import labelled
from bot.learning.queue import Item, queue_of
from nlu.data.reader import read_examples, read_training_data, same_text
from nlu.evaluation.measure import evaluate, read_texts
from nlu.learning.learned import Learned
from nlu.load import load_model
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model

QUICK = TrainingOptions(averaged=1, held_out_parts=1, log_to="none")
"""For the models that only choose what is asked next."""
FINAL = TrainingOptions(log_to="none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rounds", type=int, nargs="+", default=[100, 150, 250, 500, 500], help="decisions each")
    parser.add_argument("--scored", type=int, nargs="+", default=[500, 1500], help="after so many decisions")
    parser.add_argument("--clusters", action="store_true", help="a decision labels a whole cluster")
    parser.add_argument("--guesses", action="store_true", help="score a model that learns from guesses, too")
    parser.add_argument("--random", action="store_true", help="ask about texts drawn at random")
    parser.add_argument("--held-out", action="store_true", help="score on a fifth of the stream, not on the test file")
    asked = parser.parse_args()
    for seed in asked.seeds:
        Simulation(Path(os.environ["FRONTDESK_DATA"]) / "banking77", seed, asked).run()


class Simulation:
    def __init__(self, folder: Path, seed: int, asked: argparse.Namespace) -> None:
        self.start, self.seed, self.asked = folder / "train_5.csv", seed, asked
        self.data = read_training_data(self.start)
        known = {same_text(example.text) for example in self.data.examples}
        stream = [one for one in read_examples(folder / "train.csv").examples if same_text(one.text) not in known]
        order = np.random.default_rng(seed).permutation(len(stream)).tolist()
        self.test = read_texts(folder / "test.csv")
        if asked.held_out:
            self.test = replace(self.test, examples=tuple(stream[row] for row in order[: len(order) // 5]))
            order = order[len(order) // 5 :]
        self.meant = {number: stream[row].intent for number, row in enumerate(order, 1)}
        self.open = {
            number: Utterance("stream", f"c{number}", "1", stream[row].text, id=number)
            for number, row in enumerate(order, 1)
        }
        self.reviewed: list[Reviewed] = []
        self.decisions = 0

    def run(self) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch) / "model"
            for count in self.asked.rounds:
                self._ask(self._trained(place, QUICK, self._learned()), count)
                if self.decisions in self.asked.scored:
                    self._score(place)

    def _learned(self) -> Learned:
        return labelled(self.reviewed, [], self.data).learned

    def _trained(self, place: Path, options: TrainingOptions, learned: Learned) -> Model:
        train(self.start, place, replace(options, seed=self.seed), learned=learned)
        return load_model(place)

    def _ask(self, model: Model, count: int) -> None:
        items = queue_of(list(self.open.values()), model).items
        if self.asked.random:
            items = tuple(Item((one,), (), (), 0.0) for one in self.open.values())
        for item in items[:count]:
            told = self.meant[item.number]
            for one in item.meant(told) if self.asked.clusters else item.utterances[:1]:
                self.reviewed.append(Reviewed(one, Review(one.id, Kind.INTENT, told, "oracle")))
                del self.open[one.id]
        self.decisions += count

    def _score(self, place: Path) -> None:
        learned = self._learned()
        model = self._told(place, learned)
        if self.asked.guesses:
            self._told(place, with_guesses(learned, list(self.open.values()), model))

    def _told(self, place: Path, learned: Learned) -> Model:
        began = time.perf_counter()
        model = self._trained(place, FINAL, learned)
        seconds = time.perf_counter() - began
        found = evaluate(model, self.test).scores()
        line = {
            "seed": self.seed,
            "decisions": self.decisions,
            "labels": len(self.reviewed),
            "right": round(self._right(), 4),
            "guesses": len(learned.guesses),
            "guesses_right": round(self._guessed_right(learned), 4),
            **{name: round(found[name], 4) for name in ("accuracy", "calibration_error", "sure", "wrong_when_sure")},
            "training_seconds": round(seconds),
        }
        print(json.dumps(line), flush=True)
        return model

    def _right(self) -> float:
        """Share of the labels."""
        return float(np.mean([one.review.label == self.meant[one.utterance.id] for one in self.reviewed]))

    def _guessed_right(self, learned: Learned) -> float:
        return float(np.mean([one.intent == self.meant[one.line] for one in learned.guesses] or [0.0]))


if __name__ == "__main__":
    main()
