"""Where the numbers of a training go while it runs: TensorBoard, Weights & Biases, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nlu.source import DataError

Log = Callable[[str, float, int], None]
"""A name, a value, and the epoch it belongs to."""
KINDS = ("tensorboard", "wandb", "none")


def check_log(kind: str) -> None:
    """Raises DataError before hours of work, not after."""
    if kind not in KINDS:
        raise DataError("--log-to", None, f"'{kind}' is unknown.", f"Use one of {', '.join(KINDS)}.")
    if kind == "wandb" and find_spec("wandb") is None:
        raise DataError("--log-to", None, "wandb is not installed.", "Install 'frontdesk[wandb]' or use tensorboard.")


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
    else:
        yield lambda name, value, epoch: None
