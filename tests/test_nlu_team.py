"""Several processes train what one would have trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from nlu.training.team import Team, team
from nlu.training.train import train
from tests.test_nlu_model import write_data
from tests.test_nlu_tune import QUICK

ROOT = Path(__file__).parent.parent


def _together(data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, "-m", "tests.team_training", str(data), str(out)],
        check=False, capture_output=True, text=True, timeout=600, cwd=ROOT,
    )  # fmt: skip


def test_two_processes_make_the_model_of_one(tmp_path: Path) -> None:
    """But for the last digits: gradients are summed in another order."""
    data = write_data(tmp_path / "data")
    train(data, tmp_path / "one", QUICK)
    ran = _together(data, tmp_path / "two")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("2 processes, this is number 0") == 1, "one commands, and nobody else speaks"
    assert "number 1" not in ran.stdout
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "two"))
    tuned = [name for name in one if "tuned" in name or name.startswith(("intents.", "tags."))]
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in tuned)
    assert not all(torch.equal(one[name], two[name]) for name in tuned), "each saw only a part of every batch"


def test_what_fails_in_the_first_process_ends_all(tmp_path: Path) -> None:
    ran = _together(tmp_path / "nothing here", tmp_path / "out")
    assert ran.returncode != 0
    assert "nothing here" in ran.stderr


def test_a_batch_is_shared_out_whole() -> None:
    batch = list(range(7))
    shares = [Team(rank, 3).share(batch) for rank in range(3)]
    assert sorted(row for share in shares for row in share) == batch
    assert team() == Team(0, 1), "whoever is alone learns from all of it"
    assert list(team().share(batch)) == batch
