"""Trains in several processes: `torchrun --standalone --nproc-per-node 2 -m tests.team_training DATA OUT`."""

from __future__ import annotations

import sys
from pathlib import Path

from nlu.training.team import team
from nlu.training.together import run
from nlu.training.train import train
from tests.test_nlu_tune import QUICK


def _command() -> None:
    data, out = map(Path, sys.argv[1:])
    print(f"{team().size} processes, this is number {team().rank}")
    train(data, out, QUICK)
    sys.exit(0)


if __name__ == "__main__":
    run(_command)
