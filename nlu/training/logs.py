"""Where the numbers of a training go while it runs: TensorBoard, Weights & Biases, MLflow, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nlu.source import DataError

Log = Callable[[str, float, int], None]
"""A name, a value, and the epoch it belongs to."""
KINDS = ("tensorboard", "wandb", "mlflow", "none")
_EXTRAS = ("wandb", "mlflow")


def check_log(kind: str) -> None:
    """Raises DataError before hours of work, not after."""
    if kind not in KINDS:
        raise DataError("--log-to", None, f"'{kind}' is unknown.", f"Use one of {', '.join(KINDS)}.")
    if kind in _EXTRAS and find_spec(kind) is None:
        raise DataError(
            "--log-to", None, f"{kind} is not installed.", f"Install 'frontdesk[{kind}]' or use tensorboard."
        )


@contextmanager
def opened(kind: str, folder: Path, settings: Mapping[str, Any]) -> Iterator[Log]:
    if kind == "tensorboard":
        from torch.utils.tensorboard import SummaryWriter

        with SummaryWriter(str(folder)) as writer:
            writer.add_text("settings", "  \n".join(f"{name}: {value}" for name, value in settings.items()))
            yield writer.add_scalar
    elif kind == "wandb":
        import wandb  # type: ignore[import-not-found]  # an extra

        with wandb.init(project="frontdesk", name=folder.name, config=dict(settings), dir=str(folder.parent)) as run:
            yield lambda name, value, epoch: run.log({name: value, "epoch": epoch})
    elif kind == "mlflow":
        with _mlflow(folder, settings) as log:
            yield log
    else:
        yield lambda name, value, epoch: None


@contextmanager
def _mlflow(folder: Path, settings: Mapping[str, Any]) -> Iterator[Log]:
    """Where MLFLOW_TRACKING_URI says, else into a file beside the other logs."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before the import; who wants it says so
    import mlflow  # type: ignore[import-not-found]  # an extra

    if "MLFLOW_TRACKING_URI" not in os.environ:
        folder.parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{folder.parent.absolute() / 'mlflow.db'}")
    mlflow.set_experiment("frontdesk")
    with mlflow.start_run(run_name=folder.name):
        mlflow.log_params(dict(settings))
        yield lambda name, value, epoch: mlflow.log_metric(name, value, step=epoch)
