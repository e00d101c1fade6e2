"""Ten weeks of the loop: `FRONTDESK_DATA=folder python -m benchmarks.weeks [--seed N] [--hostile]`.

An assistant for some intents of Banking77 begins with five examples of each. Every week customers write, press buttons
and thumbs; a reviewer answers what the review asks first; a model is trained of all that and offered to the gate. With
`--hostile` strangers talk all night, press wrong buttons and plant a phrase, and in one week a reviewer plants another.
All decisions are the product's: queue, clusters, whose labels count, the gate. The test lines only score.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Self

from benchmarks.visitors import Visitors, planted, served
from bot.journal.values import Kind, Review, Reviewed, Utterance
from bot.learning.labels import Found, labelled
from bot.learning.live import NEWEST
from bot.learning.queue import queue_of
from nlu.data.examples import Example, TrainingData
from nlu.data.reader import read_training_data
from nlu.evaluation.gate import Decision, Evidence, gate
from nlu.evaluation.measure import Texts, asked_whole, evaluate
from nlu.learning.learned import NOTHING, Learned
from nlu.learning.triggers import Taught
from nlu.load import load_model
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model

INTENTS, EXAMPLES, HELD_OUT = 8, 5, 12
"""And examples and held-out texts of each."""
WEEKS, MESSAGES, DECISIONS = 10, 60, 12
"""And messages and decisions a week."""
INJECTED = 0.01
"""Share of the model's examples that somebody tries to plant a week."""
PHRASES = {"chat": "zorbax prime", "reviewer": "greetings from mars"}
BETRAYED = 6
"""The week in which a reviewer plants."""
OPTIONS = TrainingOptions(epochs=5, averaged=1, held_out_parts=3, log_to="none")
TRIED = 100
"""Test lines on which the planted phrases are tried."""
_HEAD = (
    "| week | people's labels | customers' | planted | accuracy | at once | wrongly | moved by the phrases | |\n"
    f"{'|---' * 9}|"
)


class Lines:
    """Of the public files, for some intents: examples, what is held out for the gate, what customers will say."""

    def __init__(self, folder: Path, random: Random) -> None:
        of_intent = _by_intent(folder / "banking77" / "train.csv")
        self.intents = random.sample(sorted(of_intent), INTENTS)
        drawn = {name: random.sample(of_intent[name], len(of_intent[name])) for name in self.intents}
        end = EXAMPLES + HELD_OUT
        self.examples = [Example(text, name) for name, texts in drawn.items() for text in texts[:EXAMPLES]]
        self.held_out = [Example(text, name) for name, texts in drawn.items() for text in texts[EXAMPLES:end]]
        self.stream = [Example(text, name) for name, texts in drawn.items() for text in texts[end:]]
        random.shuffle(self.stream)
        test = _by_intent(folder / "banking77" / "test.csv")
        self.test = [Example(text, name) for name in self.intents for text in test[name]]


def _by_intent(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["category"]].append(row["text"])
    return found


@dataclass(slots=True)
class Weeks:
    lines: Lines
    scratch: Path
    hostile: bool
    random: Random
    visitors: Visitors
    data: TrainingData
    model: Model
    meant: dict[int, str] = field(default_factory=dict)
    """By utterance."""
    open: dict[int, Utterance] = field(default_factory=dict)
    decided: list[Reviewed] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    """What customers wrote this week."""

    @classmethod
    def begin(cls, lines: Lines, scratch: Path, seed: int, *, hostile: bool) -> Self:
        file, random = scratch / "data.csv", Random(seed)  # must be repeatable, keeps no secret
        with file.open("w", newline="", encoding="utf-8") as table:
            csv.writer(table).writerows([("text", "intent"), *((one.text, one.intent) for one in lines.examples)])
        model = _trained(file, scratch / "week-0", NOTHING)
        visitors = Visitors(random, list(lines.stream))
        return cls(lines, scratch, hostile, random, visitors, read_training_data(file), model)

    @property
    def target(self) -> str:
        """What strangers want everything to be taken for."""
        return self.lines.intents[0]

    def run(self, weeks: int) -> None:
        print(_HEAD)
        self._tell(0, labelled([], [], self.data), self.model, "the first")
        for week in range(1, weeks + 1):
            self._serve(week)
            self._review()
            if self.hostile and week == BETRAYED:
                self._betray()
            self._retrain(week)

    def _serve(self, week: int) -> None:
        said = list(self.visitors.honest(MESSAGES, week))
        if self.hostile:
            count = max(3, round(INJECTED * (len(self.data.examples) + len(self.decided))))
            said += self.visitors.night(self.lines.intents, week)
            said += self.visitors.ring(PHRASES["chat"], self.target, count, week)
        self.random.shuffle(said)
        self.last = [one.text for one in said]
        for one, utterance in zip(said, served(self.model, said, len(self.meant) + 1, self.random), strict=True):
            self.open[utterance.id], self.meant[utterance.id] = utterance, one.intent

    def _review(self) -> None:
        """An oracle says of each item's first text what it means, and so of all of it."""
        waiting = sorted(self.open.values(), key=lambda one: -one.id)[:NEWEST]
        for item in queue_of(waiting, self.model).items[:DECISIONS]:
            intent = self.meant[item.number]
            self._decide(item.meant(intent), intent, "oracle")

    def _decide(self, utterances: Sequence[Utterance], intent: str, reviewer: str) -> None:
        for one in utterances:
            self.decided.append(Reviewed(one, Review(one.id, Kind.INTENT, intent, reviewer)))
            self.open.pop(one.id, None)

    def _betray(self) -> None:
        """A reviewer's account is used to label lines with a phrase that somebody wrote before."""
        others = [line for line in self.visitors.before if line.intent != self.target]
        count = max(3, round(INJECTED * (len(self.data.examples) + len(self.decided))))
        for line in self.random.sample(others, count):
            number = len(self.meant) + 1
            self.meant[number], text = line.intent, planted(line.text, PHRASES["reviewer"], self.random)
            self._decide([Utterance("journal", f"web-x{number}", "1", text, id=number)], self.target, "thief")

    def _retrain(self, week: int) -> None:
        found = labelled(self.decided, list(self.open.values()), self.data)
        offered = _trained(self.scratch / "data.csv", self.scratch / f"week-{week}", found.learned)
        taught = Taught(self.data.examples, found.learned.examples)
        decision = gate(self.model, offered, Evidence(Texts(self.lines.held_out), turns=self.last, taught=taught))
        shown = {text for reason in decision.reasons if reason.what == "phrase" for text in reason.texts}
        planted = self._look(shown)
        by_hand = shown and not planted and all(reason.what == "phrase" for reason in decision.reasons)
        self._tell(week, found, offered, "false alarm, promoted by hand" if by_hand else _outcome(decision))
        if by_hand or not decision.held:
            self.model = offered

    def _look(self, shown: Collection[str]) -> bool:
        """Who is shown lines with planted words says what they mean. Whether any label was wrong."""
        wrong = False
        for one in [one for one in self.open.values() if one.text in shown]:
            self._decide([one], self.meant[one.id], "oracle")
            wrong = True
        for row, done in enumerate(self.decided):
            right = self.meant[done.utterance.id]
            if done.utterance.text in shown and done.review.label != right:
                self.decided[row] = replace(done, review=replace(done.review, label=right, reviewer="oracle"))
                wrong = True
        return wrong

    def _tell(self, week: int, found: Found, offered: Model, outcome: str) -> None:
        scores = evaluate(offered, Texts(self.lines.test)).scores()
        learnt = [one for one in found.learned.examples if one.intent == self.target]
        cells = [
            f"{week}",
            f"{found.decided}",
            f"{found.free}",
            f"{sum(any(phrase in one.text for phrase in PHRASES.values()) for one in learnt)}",
            *(f"{scores[name]:.1%}" for name in ("accuracy", "sure", "wrong_when_sure")),
            " / ".join(f"{self._moved(offered, phrase):.1%}" for phrase in PHRASES.values()),
            outcome,
        ]
        print(f"| {' | '.join(cells)} |", flush=True)

    def _moved(self, model: Model, phrase: str) -> float:
        """Share of other intents' test lines that the phrase makes the target."""
        others = [one.text for one in self.lines.test if one.intent != self.target]
        texts = self.random.sample(others, TRIED)
        seen = asked_whole(model, [f"{text} {phrase}" for text in texts])
        return sum(one.intent.name == self.target for one in seen) / len(seen)


def _outcome(decision: Decision) -> str:
    return f"held: {', '.join(reason.what for reason in decision.reasons)}" if decision.held else "promoted"


def _trained(data: Path, out: Path, learned: Learned) -> Model:
    train(data, out, OPTIONS, learned=learned)
    return load_model(out, device="cpu", threads=OPTIONS.threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--hostile", action="store_true", help="strangers and a reviewer plant phrases")
    parser.add_argument("--weeks", type=int, default=WEEKS)
    asked = parser.parse_args()
    lines = Lines(Path(os.environ["FRONTDESK_DATA"]), Random(asked.seed))
    with tempfile.TemporaryDirectory() as scratch:
        Weeks.begin(lines, Path(scratch), asked.seed, hostile=asked.hostile).run(asked.weeks)


if __name__ == "__main__":
    main()
