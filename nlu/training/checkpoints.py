"""Where a training stands, after every epoch: one that was stopped goes on there and ends with the same model."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from nlu.data.examples import TrainingData
from nlu.registry import UNFINISHED
from nlu.training.options import TrainingOptions


class Checkpoints:
    """In a folder of their own; without one nothing is kept. A disk too full for them stops no training."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    @classmethod
    def of(cls, models: Path, data: TrainingData, options: TrainingOptions) -> Checkpoints:
        """Of these examples and options, and of no others."""
        counted = [[example.weight, example.guessed, example.marked] for example in data.examples]
        content = json.dumps([data.hash, counted, options.to_json(), torch.__version__], sort_keys=True)
        return cls(models / f"{UNFINISHED}{hashlib.sha256(content.encode()).hexdigest()[:16]}")

    def read(self, name: str) -> dict[str, Any] | None:
        """What was written last under that name; None if nothing was, or nobody can read it."""
        if self._folder is None:
            return None
        try:
            found = torch.load(self._folder / f"{name}.pt", map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
            return None
        return found if isinstance(found, dict) else None

    def write(self, name: str, state: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        with suppress(OSError, RuntimeError):
            self._folder.mkdir(exist_ok=True)
            new = self._folder / f"{name}.{os.getpid()}.new"
            torch.save(dict(state), new)
            new.replace(self._folder / f"{name}.pt")

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
