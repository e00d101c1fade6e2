"""The numbers of a training go where the operator looks at them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from nlu.source import DataError
from nlu.training.logs import check_log, opened


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_what_is_not_installed_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("nlu.training.logs.find_spec", lambda _: None)
    with pytest.raises(DataError, match=rf"--log-to: {kind} is not installed. Install 'frontdesk\[{kind}\]'"):
        check_log(kind)


class Mlflow(ModuleType):
    """Writes down what it is told."""

    def __init__(self) -> None:
        super().__init__("mlflow")
        self.__spec__ = ModuleSpec("mlflow", None)
        self.told: list[tuple[Any, ...]] = []

    def set_tracking_uri(self, uri: str) -> None:
        self.told.append(("uri", uri))

    def set_experiment(self, name: str) -> None:
        self.told.append(("experiment", name))

    @contextmanager
    def start_run(self, *, run_name: str) -> Iterator[None]:
        self.told.append(("begins", run_name))
        yield
        self.told.append(("ends", run_name))

    def log_params(self, values: dict[str, Any]) -> None:
        self.told.append(("settings", values))

    def log_metric(self, name: str, value: float, *, step: int) -> None:
        self.told.append((name, value, step))


@pytest.mark.parametrize("uri", ["", "http://mlflow.example"])
def test_mlflow_is_told_settings_and_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uri: str) -> None:
    mlflow = Mlflow()
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    check_log("mlflow")
    with opened("mlflow", tmp_path / "logs" / "model", {"seed": 3}) as log:
        log("everything/loss", 0.5, 1)
    where = [] if uri else [("uri", f"sqlite:///{tmp_path}/logs/mlflow.db")]
    assert mlflow.told == [
        *where,
        ("experiment", "frontdesk"),
        ("begins", "model"),
        ("settings", {"seed": 3}),
        ("everything/loss", 0.5, 1),
        ("ends", "model"),
    ]


def test_wandb_is_told_settings_and_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[Any] = []

    @contextmanager
    def init(**how: Any) -> Iterator[SimpleNamespace]:
        told.append(how)
        yield SimpleNamespace(log=told.append)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    with opened("wandb", tmp_path / "model", {"seed": 3}) as log:
        log("everything/loss", 0.5, 1)
    assert told == [
        {"project": "frontdesk", "name": "model", "config": {"seed": 3}, "dir": str(tmp_path)},
        {"everything/loss": 0.5, "epoch": 1},
    ]
