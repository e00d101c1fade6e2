"""The weights by which a message is cut into two requests: `python -m benchmarks.requests DATA ... [--examples 20]`.

`DATA` is training data: a folder or a CSV. A fifth of its examples is held out of a training (with `--examples` all but
so many of each intent, up to 1,500), and a logistic regression tells pairs of them, joined in many ways, from the
examples alone; a second one tells from the whole's reading which parts are worth reading. Prints the weights of each,
and with them the share of pairs found with both intents, of single examples cut, and of theirs how many parts are read.
Those in use are of the demo and of Banking77, the second's of CLINC150, too; the first's bias is 0.3 higher, which
cuts as many single examples as were cut when parts were read in full.
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
from nlu.cuts import cuts
from nlu.data.examples import Example
from nlu.data.reader import read_training_data
from nlu.intents import probabilities
from nlu.load import load_model
from nlu.requests import BIAS, NO_REQUESTS, PROMISED, PROMISES, WEIGHTS, Readings
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


@dataclass(frozen=True, slots=True)
class Read:
    """A message, its cuts' parts seen within the whole, and glanced at alone."""

    message: Message
    within: Readings
    glanced: Readings

    @property
    def several(self) -> bool:
        return len(self.message.intents) > 1


def reading(model: Model, message: Message) -> Read | Message:
    """The message alone if nothing may be cut."""
    text = message.text
    (whole,) = model._read([text])
    entities = model.entities.read(text, whole.tokens.words, whole.signals.tags, whole.tokens.read)
    tried = cuts(text, entities, whole.decided is not Verdict.SURE)
    if not tried:
        return message
    parts = [part for cut in tried for part in (cut.first, cut.second)]
    assert whole.signals.within is not None
    within = probabilities(whole.signals.within([whole.tokens.within(part.start, part.end) for part in parts]), 1.0)
    alone = model._glanced([text[part.start : part.end] for part in parts])
    seen, glanced = (Readings.of(text, tried, model.families, [whole.likely, *likely]) for likely in (within, alone))
    return Read(message, seen, glanced)


def right(read: Readings, message: Message) -> NDArray[np.bool_]:
    names, meant = read.families.names, read.meant()
    pairs = zip(meant.first, meant.second, strict=True)
    return np.array([{names[one], names[other]} == message.intents for one, other in pairs], bool)


def possible(read: Readings) -> NDArray[np.bool_]:
    meant, asked = read.meant(), requests.possible(read.families.names)
    return np.asarray(asked[meant.first] & asked[meant.second])


Weights = NDArray[np.float64]
Measured = list[Read | Message]


def cut_by(measured: Measured) -> Weights:
    """The weights of a cut that stands, and their bias; a message counts once, however many cuts it has."""
    rows, labels = [], []
    for read in _with_cuts(measured):
        able = possible(read.glanced)
        if able.any():
            rows.append(read.glanced.signals(read.glanced.meant())[able])
            labels.append(right(read.glanced, read.message)[able])
    return _learnt(rows, labels)


def promised_by(measured: Measured) -> Weights:
    """The same of a part that is worth reading."""
    read = _with_cuts(measured)
    labels = [right(one.glanced, one.message) & possible(one.glanced) & one.several for one in read]
    return _learnt([one.within.foreseen() for one in read], labels)


def _learnt(rows: Sequence[Weights], labels: Sequence[NDArray[np.bool_]]) -> Weights:
    counts = np.concatenate([np.full(len(of_text), 1 / len(of_text)) for of_text in rows])
    design = np.column_stack([np.concatenate(rows), np.ones(sum(map(len, rows)))])
    ridge = np.full(design.shape[1], 1e-3)
    return weighted_logistic(design, np.concatenate(labels), counts, np.zeros(len(ridge)), ridge)


def _with_cuts(measured: Measured) -> list[Read]:
    return [read for read in measured if isinstance(read, Read)]


def line(what: str, measured: Measured, weights: Weights, promises: Weights) -> str:
    """`promises` without an entry: every part is read."""
    several = [len((read.message if isinstance(read, Read) else read).intents) > 1 for read in measured]
    found = [isinstance(read, Read) and _found(read, weights, promises) for read in measured]
    shares = [
        f"{np.mean([good for good, of in zip(found, several, strict=True) if of is two]):.1%}" for two in (True, False)
    ]
    parts = sum(int(_read_on(read, promises).sum()) for read in _with_cuts(measured) if not read.several)
    return f"| {what} | {shares[0]} of {sum(several)} | {shares[1]} of {len(several) - sum(several)} | {2 * parts} |"


def _found(read: Read, weights: Weights, promises: Weights) -> bool:
    """Both intents of a pair, or anything in one that is none."""
    glanced = read.glanced
    scores = glanced.signals(glanced.meant()) @ weights[:-1] + weights[-1]
    scores = np.where(possible(glanced) & _read_on(read, promises), scores, -np.inf)
    place = int(scores.argmax())
    return bool(scores[place] > 0 and (not read.several or right(glanced, read.message)[place]))


def _read_on(read: Read, promises: Weights) -> NDArray[np.bool_]:
    if not len(promises):
        return np.ones(len(read.within.cuts), bool)
    return np.asarray(read.within.foreseen() @ promises[:-1] + promises[-1] > 0)


def measured(data: Path, kept: int) -> Measured:
    train_on, held = split(read_training_data(data).examples, kept)
    with tempfile.TemporaryDirectory() as scratch:
        table = Path(scratch) / "examples.csv"
        with table.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("text", "intent"), *((e.text, e.intent) for e in train_on)])
        train(table, Path(scratch) / "model", TrainingOptions(log_to="none"))
        model = load_model(Path(scratch) / "model", device="cpu")
    messages = [*pairs(held, Random(5)), *(Message(e.text, frozenset((_family(e),))) for e in held)]
    return [reading(model, message) for message in messages]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--examples", type=int, default=0)
    chosen = parser.parse_args()
    found = {data: measured(data, chosen.examples) for data in chosen.data}
    print("| | pairs found with both intents | single examples cut | parts read of those |\n|---|---|---|---|")
    in_use, promises, all_read = np.append(WEIGHTS, BIAS), np.append(PROMISES, PROMISED), np.empty(0)
    for data, part in found.items():
        own = cut_by(part)
        print(line(f"{data.name}, own weights {np.round(own, 2).tolist()}", part, own, all_read))
        print(line(f"{data.name}, the weights in use", part, in_use, all_read))
        print(line(f"{data.name}, and reading what promises something", part, in_use, promises))
    together = [read for part in found.values() for read in part]
    cut, read_on = (np.round(learn(together), 2).tolist() for learn in (cut_by, promised_by))
    print(f"\nOf all: cut by {cut}, read by {read_on}")


if __name__ == "__main__":
    main()
