"""Examples a second in training: `python -m benchmarks.training_speed [--examples N] [--epochs N] [--device cuda]`.

The demo's examples are learnt from the same base model: by the Hugging Face Trainer with its defaults (a new head, all
layers) and by a training of Frontdesk (intents and entities, typing errors, the upper layers; what it does before the
first epoch counts, too). Both see every example once an epoch. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from random import Random
from typing import Any

import torch

from nlu.base_model import BUILT_IN, base_folder, read_base
from nlu.data.examples import Example, TrainingData
from nlu.data.reader import read_training_data
from nlu.tokens import TextReader
from nlu.training.checkpoints import Checkpoints
from nlu.training.fit import Stage, fit
from nlu.training.options import TrainingOptions
from nlu.training.prepare import prepare
from nlu.training.words import speller_of
from tests.demo import DATA


def trainer(examples: Sequence[Example], epochs: int, device: str) -> float:
    """Seconds of the Hugging Face Trainer."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

    names = sorted({one.intent for one in examples})
    folder = str(base_folder(BUILT_IN))
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = [{**tokenizer(one.text, truncation=True), "label": names.index(one.intent)} for one in examples]
    with tempfile.TemporaryDirectory() as scratch:
        quiet: dict[str, Any] = {"report_to": [], "save_strategy": "no", "disable_tqdm": True}
        arguments = TrainingArguments(scratch, num_train_epochs=epochs, use_cpu=device == "cpu", **quiet)
        training = Trainer(model, arguments, train_dataset=rows, processing_class=tokenizer)
        began = time.perf_counter()
        with redirect_stdout(sys.stderr):  # it prints figures of its own
            training.train()
        return time.perf_counter() - began


def ours(data: TrainingData, epochs: int, device: str) -> float:
    """Seconds of a training on all examples."""
    began = time.perf_counter()
    encoder, tokenizer = read_base(base_folder(BUILT_IN))
    encoder.to(device).fork(encoder.shape.layers // 2, 0.0)
    reader = TextReader(tokenizer, speller_of(data, tokenizer, frozenset({"en"})))
    prepared = prepare(data, encoder, reader, torch.device(device), lambda _: None)
    options = TrainingOptions(epochs=epochs, averaged=1).settled(len(data.examples))
    fit(encoder, prepared, prepared.examples, options, Stage("all", Checkpoints(), lambda *_: None))
    return time.perf_counter() - began


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    chosen = parser.parse_args(arguments)
    data = read_training_data(DATA)
    inside = [one for one in data.examples if not one.outlier]
    some = tuple(Random(0).sample(inside, chosen.examples))
    seen = chosen.examples * chosen.epochs
    theirs = trainer(some, chosen.epochs, chosen.device)
    own = ours(TrainingData(some, data.patterns, ()), chosen.epochs, chosen.device)
    print("| training | examples/s | ratio | goal |\n|---|---|---|---|")
    print(f"| Hugging Face Trainer, its defaults | {seen / theirs:.0f} | 1 | |")
    print(f"| Frontdesk | {seen / own:.0f} | {theirs / own:.2f} | 1.5 |")


if __name__ == "__main__":
    main(sys.argv[1:])
