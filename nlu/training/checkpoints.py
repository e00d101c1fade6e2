"""Where a training stands, after every epoch: one that was stopped goes on there and ends with the same model."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from nlu.data.examples import TrainingData
from nlu.registry import UNFINISHED
from nlu.training.options import TrainingOptions

_PACKAGES = ("frontdesk", "torch")
_DIGEST = 32
"""Bytes that begin a file, of the rest: a machine that loses power may write anything, and torch sees only some."""


class Checkpoints:
    """In a folder of their own; without one nothing is kept. A disk too full for them stops no training."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None:
            # Now, and never again: who finds it gone was told by an erasure that the examples may quote the customer.
            with suppress(OSError):
                folder.mkdir(exist_ok=True)

    @classmethod
    def of(cls, models: Path, data: TrainingData, options: TrainingOptions) -> Checkpoints:
        """Of these examples and options, and of no others."""
        counted = [[example.weight, example.guessed, example.marked] for example in data.examples]
        content = json.dumps([data.hash, counted, options.to_json(), *map(version, _PACKAGES)], sort_keys=True)
        return cls(models / f"{UNFINISHED}{hashlib.sha256(content.encode()).hexdigest()[:16]}")

    def read(self, name: str) -> dict[str, Any] | None:
        """What was written last under that name; None if nothing was, or nobody can read it."""
        if self._folder is None:
            return None
        try:
            content = (self._folder / f"{name}.pt").read_bytes()
        except OSError:
            return None
        digest, state = content[:_DIGEST], content[_DIGEST:]
        if digest != _sum(state):
            return None
        found: dict[str, Any] = torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
        return found

    def write(self, name: str, state: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        content, new = io.BytesIO(), self._folder / f"{name}.{os.getpid()}.new"
        try:
            torch.save(dict(state), content)
            new.write_bytes(_sum(content.getbuffer()) + content.getbuffer())
            new.replace(self._folder / f"{name}.pt")
        except OSError:
            with suppress(OSError):  # the model needs the room
                new.unlink()

    def begin_afresh(self) -> None:
        for path in self._folder.glob("*") if self._folder else ():
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def gpus() -> int:
    """Those whose random numbers a checkpoint keeps."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _sum(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(content).digest()
