"""How long `frontdesk retrain` takes after a week's work: `python -m benchmarks.retrain [-- --tune head]`.

The demo project with its first model, and a conversation log in which people decided on so many messages: training
examples with typing errors, so the time is real and the accuracy is not to be looked at. The command runs as an
operator would type it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from bot.journal.journal import Journal
from bot.journal.values import Kind, Review, Utterance
from nlu.data.examples import Example
from nlu.data.reader import read_training_data
from nlu.manifest import read_manifest
from nlu.noise import mistyped
from nlu.registry import Registry
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.types import Tune
from tests.demo import DATA
from tests.registered import registered

ERRORS = 0.08
"""Of the letters."""


def messages(count: int, seed: int) -> list[Example]:
    """Examples that are not in the data, each another one."""
    random, examples = Random(seed), read_training_data(DATA).examples  # must be repeatable, keeps no secret
    found = {example.text: example for example in examples}
    known = len(found)
    while len(found) < known + count:
        one = mistyped(random.choice(examples), ERRORS, random)
        if one.text.strip():
            found.setdefault(one.text, one)
    return list(found.values())[known:]


async def decided(database: Path, said: list[Example]) -> None:
    """A log in which somebody decided on all of them."""
    async with await Journal.open(database) as journal:
        kept = [Utterance("chat", f"c{n}", "1", one.text, at=1e9 + n) for n, one in enumerate(said)]
        await journal.keep_utterances(kept)
        found = {one.text: one.id for one in await journal.newest_utterances(len(said))}
        await journal.decide([_review(found[one.text], one) for one in said])


def _review(utterance: int, example: Example) -> Review:
    if example.outlier:
        return Review(utterance, Kind.OUT_OF_SCOPE, None, "oracle")
    return Review(utterance, Kind.INTENT, example.intent, "oracle")


def seen(registry: Registry) -> None:
    """What the model's training would have left beside it: a training of its head that learns nothing new leaves it."""
    head = TrainingOptions(tune=Tune.HEAD, log_to="none")
    again = train(DATA, registry, head, last=registry.current(), promote=False)
    shutil.rmtree(registry.directory(again.id))


def retrained(home: Path, more: list[str]) -> float:
    """Seconds of the whole command."""
    environment = {**os.environ, "FRONTDESK_HOME": str(home), "FRONTDESK_DATA": str(DATA)}
    command = [sys.executable, "-c", "from bot.cli import main; main()", "retrain", *more]
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=False, stdout=sys.stderr)  # held or not: the time counts
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=500)
    parser.add_argument("--model", type=Path, help="a trained model of the demo's data")
    parser.add_argument("more", nargs="*", help="options of the command, after --")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        if given.model:
            registered(given.model, home, read_manifest(given.model).id)
            seen(Registry(home))
        else:
            train(DATA, Registry(home), TrainingOptions(log_to="none"))
        asyncio.run(decided(home / "frontdesk.db", messages(given.labels, 0)))
        seconds = retrained(home, given.more)
    print(f"| `frontdesk retrain` | {given.labels} new labels |\n|---|---|")
    print(f"| {' '.join(given.more) or 'everything'} | {seconds:.0f} s |")


if __name__ == "__main__":
    main()
