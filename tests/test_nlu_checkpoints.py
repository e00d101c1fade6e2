"""A training that was stopped goes on where it was, and makes the model that it would have made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nlu.registry import UNFINISHED, Registry
from nlu.training.checkpoints import Checkpoints
from nlu.training.diary import Diary
from nlu.training.fit import Epoch
from nlu.training.options import Step, TrainingOptions
from nlu.training.progress import Work
from nlu.training.train import train
from nlu.types import Tune
from tests.test_nlu_model import OPTIONS, write_data

HOW = replace(OPTIONS, epochs=2, averaged=2, held_out_parts=2, dropout=0.1, log_to="none")
EPOCHS = 12
"""Two trainings of two epochs each for two parts and for everything."""


class PulledPlug(BaseException):
    """No part of a training catches it."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("checkpoints") / "data")


@pytest.fixture(scope="module", autouse=True)
def _threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def made(data: Path, home: Path, how: TrainingOptions = HOW, stop_after: int = 0) -> list[str]:
    """What the training says was done."""
    told: list[str] = []

    def show(step: Step) -> None:
        if step.done:
            told.append(step.done)
            if len(told) == stop_after:
                raise PulledPlug

    train(data, Registry(home), how, show)
    return told


@pytest.mark.parametrize("before", ["its first epoch", "another one"])
def test_a_training_keeps_nothing_more_once_an_erasure_removed_what_it_had_kept(tmp_path: Path, before: str) -> None:
    registry, folder = Registry(tmp_path), tmp_path / "models" / f"{UNFINISHED}x"
    folder.parent.mkdir()
    running = Checkpoints(folder)
    if before == "another one":
        running.write("a", {"epoch": 1})
        assert running.read("a") == {"epoch": 1}
    registry.forget(["0123456789abcdef"], [], datetime.now(UTC))
    running.write("a", {"epoch": 2})
    assert not folder.exists()
    Checkpoints(folder).write("a", {"epoch": 1})
    assert folder.exists()


def stopped(data: Path, home: Path, after: int, how: TrainingOptions = HOW) -> None:
    with pytest.raises(PulledPlug):
        made(data, home, how, after)


def weights(home: Path) -> dict[str, torch.Tensor]:
    current = Registry(home).current()
    assert current is not None
    return load_file(current / "model.safetensors")


def report(home: Path) -> str:
    current = Registry(home).current()
    assert current is not None
    page = (current / "report" / "index.html").read_text("utf-8")
    return page[page.index("<h2>Epochs</h2>") : page.index("<h2>The data, to look at</h2>")]


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("undisturbed")
    assert len(made(data, home)) == EPOCHS
    return home


@pytest.mark.parametrize("after", [1, 7, EPOCHS])
def test_a_stopped_training_goes_on_and_ends_alike(data: Path, undisturbed: Path, tmp_path: Path, after: int) -> None:
    """The epoch after which it was stopped is done again: it was shown, but nobody had kept it yet."""
    stopped(data, tmp_path, after)
    told = made(data, tmp_path)
    assert told[0].startswith("Going on after ")
    assert len(told) - 1 == EPOCHS - after + 1
    first, second = weights(undisturbed), weights(tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert report(undisturbed) == report(tmp_path), "the report knows all epochs"
    assert not list((tmp_path / "models").glob(f"{UNFINISHED}*"))


def test_adapters_go_on_too(data: Path, tmp_path: Path) -> None:
    how = replace(HOW, tune=Tune.ADAPTERS, averaged=1, held_out_parts=1)
    made(data, tmp_path / "whole", how)
    stopped(data, tmp_path / "stopped", 3, how)
    assert made(data, tmp_path / "stopped", how)[0].startswith("Going on after ")
    first, second = weights(tmp_path / "whole"), weights(tmp_path / "stopped")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_training_does_not_go_on_there(data: Path, tmp_path: Path) -> None:
    quick = replace(HOW, averaged=1, held_out_parts=1)
    stopped(data, tmp_path, 3, quick)
    assert not made(data, tmp_path, replace(quick, seed=1))[0].startswith("Going on")


def test_what_a_machine_with_more_gpus_left_is_begun_afresh_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The random numbers of eight have no place on one."""
    told: list[str] = []

    def diary() -> Diary:
        return Diary(Work(100.0, lambda step: told.append(step.done)), lambda *_: None, Checkpoints(tmp_path / "kept"))

    monkeypatch.setattr("nlu.training.diary.gpus", lambda: 8)
    diary().epoch("everything", Epoch(1, 0.5), 10)
    told.clear()
    assert len(diary().epochs) == 1
    assert told == ["Going on after everything, epoch 1, where it was stopped."]

    monkeypatch.undo()
    assert diary().epochs == ()
    assert told[-1].startswith("The training that was stopped had 8 GPUs and here are ")
    assert list((tmp_path / "kept").iterdir()) == []


def test_one_byte_that_is_another_makes_no_checkpoint(tmp_path: Path) -> None:
    """torch reads some of them, and raises any error for others."""
    kept = Checkpoints(tmp_path / "kept")
    kept.write("part", {"epoch": 3, "weights": torch.ones(8)})
    assert (kept.read("part") or {})["epoch"] == 3
    path = tmp_path / "kept" / "part.pt"
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        assert kept.read("part") is None


@pytest.mark.parametrize("damage", [b"not a checkpoint", None])
def test_a_damaged_checkpoint_is_done_again(
    data: Path, undisturbed: Path, tmp_path: Path, damage: bytes | None
) -> None:
    stopped(data, tmp_path, 4)
    for file in (tmp_path / "models").glob(f"{UNFINISHED}*/*.pt"):
        file.write_bytes(file.read_bytes()[:200] if damage is None else damage)
    made(data, tmp_path)
    first, second = weights(undisturbed), weights(tmp_path)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_full_disk_costs_the_checkpoints_and_not_the_training(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    made(data, tmp_path, replace(HOW, averaged=1, held_out_parts=1))
    assert Registry(tmp_path).current() is not None


def test_whoever_is_erased_is_erased_from_unfinished_trainings(data: Path, tmp_path: Path) -> None:
    stopped(data, tmp_path, 3, replace(HOW, averaged=1, held_out_parts=1))
    folders = (tmp_path / "models").glob(f"{UNFINISHED}*")
    assert list(folders)
    Registry(tmp_path).forget(["0123456789abcdef"], [], datetime.now(UTC))
    assert not list((tmp_path / "models").glob(f"{UNFINISHED}*"))
