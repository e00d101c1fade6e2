"""The weights by which a message is cut into two requests: `python -m benchmarks.requests DATA ... [--examples 20]`.

`DATA` is training data: a folder or a CSV. A fifth of its examples is held out of a training (with `--examples` all but
so many of each intent, up to 1,500), and a logistic regression tells pairs of them, joined in many ways, from the
examples alone. Prints the weights, and with them the share of pairs found with both intents and of single examples cut.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from nlu import requests
from nlu.data.examples import Example
from nlu.data.reader import read_training_data
from nlu.load import load_model
from nlu.requests import BIAS, NO_REQUESTS, WEIGHTS, Readings, cuts
from nlu.training.newton import weighted_logistic
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.types import Verdict
from nlu.understand import Model

JOINTS = (
    *(". ", "? ", "! ", " and ", ", ", " and also ", " also ", ". Also, ", ", oh and ", " btw ", "\n", " ", " plus "),
    *(". By the way, ", "; ", " then ", ". And ", " - "),
)
PAIRS, MOST_SINGLES, LONGEST = 1000, 1500, 18
SMALL_TALK = NO_REQUESTS | {"stop", "restart", "repeat", "how_are_you", "tell_joke", "compliment", "abuse", "distress"}
SMALL_TALK |= {"bot_challenge", "capabilities", "complaint"}


@dataclass(frozen=True, slots=True)
class Message:
    text: str
    intents: frozenset[str]


def split(examples: Sequence[Example], kept: int) -> tuple[list[Example], list[Example]]:
    """What is learnt from, and what is held out."""
    learnt: list[Example] = []
    held: list[Example] = []
    counts: dict[str, int] = defaultdict(int)
    for example in Random(3).sample(examples, len(examples)):
        counts[example.intent] += 1
        stays = counts[example.intent] <= kept if kept else counts[example.intent] % 5
        (learnt if stays else held).append(example)
    return learnt, held[:MOST_SINGLES]


def pairs(held: Sequence[Example], random: Random) -> Iterator[Message]:
    several = [e for e in held if not e.outlier and e.intent not in SMALL_TALK and len(e.text.split()) <= LONGEST]
    for _ in range(PAIRS):
        one, other = random.sample(several, 2)
        if one.intent != other.intent:
            yield Message(joined(one.text, other.text, random), frozenset((_family(one), _family(other))))


def joined(one: str, other: str, random: Random) -> str:
    joint = random.choice(JOINTS)
    end = one[-1] if joint[0] in ".?!" and one[-1] in ".?!" else ""
    text = one.rstrip(".?!") + (end + joint[1:] if end else joint) + other[:1].lower() + other[1:]
    return text.lower().replace(",", "") if joint == " " or random.random() < 0.2 else text


def _family(example: Example) -> str:
    return example.intent.partition("/")[0]


def readings(model: Model, text: str) -> Readings | None:
    (whole,) = model._read([text])
    entities = model.entities.read(text, whole.tokens.words, whole.signals.tags, whole.tokens.read)
    tried = cuts(text, entities, whole.decided is not Verdict.SURE)
    parts = model._read([part for cut in tried for part in cut.texts(text)])
    likely = [one.likely for one in (whole, *parts)]
    return Readings.of(text, tried, model.families, likely) if tried else None


def right(read: Readings, message: Message) -> NDArray[np.bool_]:
    names, meant = read.families.names, read.meant()
    pairs = zip(meant.first, meant.second, strict=True)
    return np.array([{names[one], names[other]} == message.intents for one, other in pairs], bool)


def possible(read: Readings) -> NDArray[np.bool_]:
    meant, asked = read.meant(), requests.possible(read.families.names)
    return np.asarray(asked[meant.first] & asked[meant.second])


Measured = list[tuple[Message, Readings | None]]


def learnt(measured: Measured) -> NDArray[np.float64]:
    """Weights and bias; a message counts once, however many cuts it has."""
    rows, labels, counts = [], [], []
    for message, read in measured:
        if read is not None and possible(read).any():
            rows.append(read.signals(read.meant())[possible(read)])
            labels.append(right(read, message)[possible(read)])
            counts.append(np.full(len(labels[-1]), 1 / len(labels[-1])))
    design = np.column_stack([np.concatenate(rows), np.ones(sum(map(len, rows)))])
    ridge = np.full(design.shape[1], 1e-3)
    return weighted_logistic(design, np.concatenate(labels), np.concatenate(counts), np.zeros(len(ridge)), ridge)


def line(what: str, measured: Measured, weights: NDArray[np.float64]) -> str:
    shown = defaultdict(list)
    for message, read in measured:
        place = _standing(read, weights) if read else None
        several = len(message.intents) > 1
        good = place is not None and (not several or bool(read and right(read, message)[place]))
        shown[several].append(good)
    return f"| {what} | " + " | ".join(f"{np.mean(shown[of]):.1%} of {len(shown[of])}" for of in (True, False)) + " |"


def _standing(read: Readings, weights: NDArray[np.float64]) -> int | None:
    scores = np.where(possible(read), read.signals(read.meant()) @ weights[:-1] + weights[-1], -np.inf)
    return int(scores.argmax()) if scores.max() > 0 else None


def measured(data: Path, kept: int) -> Measured:
    train_on, held = split(read_training_data(data).examples, kept)
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "examples.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "intent"), *((e.text, e.intent) for e in train_on)])
        train(table, Path(scratch) / "model", TrainingOptions(log_to="none"))
        model = load_model(Path(scratch) / "model", device="cpu")
    messages = [*pairs(held, Random(5)), *(Message(e.text, frozenset((_family(e),))) for e in held)]
    return [(message, readings(model, message.text)) for message in messages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--examples", type=int, default=0)
    chosen = parser.parse_args()
    found = {data: measured(data, chosen.examples) for data in chosen.data}
    print("| | pairs found with both intents | single examples cut |\n|---|---|---|")
    for data, part in found.items():
        weights = learnt(part)
        print(line(f"{data.name}, own weights {np.round(weights, 2).tolist()}", part, weights))
        print(line(f"{data.name}, the weights in use", part, np.append(WEIGHTS, BIAS)))


if __name__ == "__main__":
    main()
