"""Accuracy and calibration on public data: `FRONTDESK_DATA=folder python -m benchmarks.nlu_quality clinc150`.

The folder holds `banking77/{train,train_5,train_10,test}.csv` and `clinc150/data_full.json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from pathlib import Path

from nlu.evaluation.measure import evaluate, read_texts
from nlu.evaluation.scores import Evaluation
from nlu.load import load_model
from nlu.training.options import TrainingOptions
from nlu.training.progress import shown
from nlu.training.train import train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="banking77/train_5.csv, banking77/train_10.csv, banking77/train.csv or clinc150")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="0 1 2")
    parser.add_argument("--threads", type=int, default=0)
    chosen = parser.parse_args()
    folder = Path(os.environ["FRONTDESK_DATA"])
    with tempfile.TemporaryDirectory() as scratch:
        training, test = _files(folder, chosen.data, Path(scratch))
        for seed in chosen.seeds:
            options = TrainingOptions(seed=seed, threads=chosen.threads, log_to="none")
            _line(chosen.data, seed, *_score(training, test, options, Path(scratch)))


def _files(folder: Path, data: str, scratch: Path) -> tuple[Path, Path]:
    if data != "clinc150":
        return folder / data, folder / data.split("/", maxsplit=1)[0] / "test.csv"
    parts = json.loads((folder / "clinc150" / "data_full.json").read_text("utf-8"))
    for name in ("train", "test"):
        with (scratch / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [*parts[name], *([text, "oos"] for text, _ in parts[f"oos_{name}"])]
            csv.writer(file).writerows([("text", "intent"), *rows])
    return scratch / "train.csv", scratch / "test.csv"


def _score(training: Path, test: Path, options: TrainingOptions, scratch: Path) -> tuple[Evaluation, float]:
    began = time.perf_counter()
    with shown() as progress:
        train(training, scratch / "model", options, progress)
    seconds = time.perf_counter() - began
    return evaluate(load_model(scratch / "model", threads=options.threads), read_texts(test)), seconds


def _line(data: str, seed: int, found: Evaluation, seconds: float) -> None:
    scores = {name: round(value, 4) for name, value in found.scores().items()}
    print(json.dumps({"data": data, "seed": seed, "training_seconds": round(seconds), **scores}), flush=True)


if __name__ == "__main__":
    main()
