"""How good the demo's model is, over three seeds: `python -m benchmarks.demo [--seeds N]`.

Trains on `training_data` without its `test` folder and scores on that folder alone. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

from nlu.training.options import TrainingOptions
from nlu.training.train import train

DATA = Path(__file__).parent.parent / "training_data"
SHOWN = (
    ("test_accuracy", "intent accuracy on the held-out file"),
    ("test_macro_f1", "intent macro-F1"),
    ("test_calibration_error", "calibration error (ECE, 15 bins)"),
    ("test_sure", "answered at once, of all held-out lines"),
    ("test_wrong_when_sure", "answered at once and wrong"),
    ("test_entity_f1", "entities, strict F1"),
    ("test_scope_auroc", "out of scope, AUROC"),
    ("test_scope_recall_at_95", "out-of-scope lines recognised while 95 % of in-scope lines are kept"),
    ("test_knowledge_first", "right article first"),
    ("test_knowledge_in_three", "right article in the first three"),
    ("test_several_found", "two requests in one message, both found"),
    ("test_single_split", "one request, wrongly taken for two"),
)


def trained(seed: int) -> tuple[Mapping[str, float], float]:
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        manifest = train(DATA, Path(home) / "model", TrainingOptions(seed=seed, log_to="none"))
        return manifest.scores, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    runs = [trained(seed) for seed in range(parser.parse_args().seeds)]
    print("| demo, held-out file | mean | by seed |\n|---|---|---|")
    for name, what in SHOWN:
        values = [scores[name] for scores, _ in runs if name in scores]
        if values:
            print(f"| {what} | {mean(values):.3f} | {', '.join(f'{value:.3f}' for value in values)} |")
    seconds = [taken for _, taken in runs]
    spread = f" ± {stdev(seconds):.0f}" if len(seconds) > 1 else ""
    print(f"| training with report, seconds | {mean(seconds):.0f}{spread} | {', '.join(f'{s:.0f}' for s in seconds)} |")


if __name__ == "__main__":
    main()
