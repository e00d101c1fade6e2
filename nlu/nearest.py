"""The training examples nearest to a text. A model keeps where it saw its examples, but not their words: those are in
the data folder."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import Example, TrainingData
from nlu.neighbours import MOST
from nlu.remembered import UNKNOWN
from nlu.understand import Model

Floats = NDArray[np.float32]
SHOWN = 5
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Near:
    text: str
    intent: str
    distance: float
    """One minus the cosine of the angle in which the fine-tuned network sees the two: 0 to 2."""
    path: str
    line: int
    taught: bool
    """Whether the model was trained on it: the folder may have changed since."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Nearest:
    examples: Sequence[Example]
    points: Floats
    """Unit vectors."""
    taught: Sequence[bool]

    def find(self, points: Floats) -> list[tuple[Near, ...]]:
        """Of each text the nearest examples, the nearest first."""
        close = points @ self.points.T
        return [tuple(self._near(at, row[at]) for at in np.argsort(-row)[:SHOWN].tolist()) for row in close]

    def _near(self, at: int, cosine: float) -> Near:
        example = self.examples[at]
        distance = round(max(0.0, 1.0 - float(cosine)), 4)
        return Near(example.text, example.intent, distance, str(example.path), example.line, self.taught[at])


def nearest(model: Model, data: TrainingData, cache: Path, tell: Callable[[int, int], None]) -> Nearest:
    """Of the data that the model was trained on at once; other data are read by its network, and `cache` keeps what it
    saw, without the words. `tell` is told how many of how many examples are read."""
    inside = [example for example in data.examples if not example.outlier]
    kept = _kept(model, data, inside)
    if kept is not None:
        return Nearest(inside, kept, [True] * len(inside))
    file = cache / f"{model.id}-{data.hash[:16]}.npy"
    points = _cached(file, len(inside))
    if points is None:
        points = _seen(model, [example.text for example in inside], tell)
        _keep(file, points)
    return Nearest(inside, points, [model.remembered.find(example.text) != UNKNOWN for example in inside])


def _kept(model: Model, data: TrainingData, inside: Sequence[Example]) -> Floats | None:
    """As the model keeps them: by intent, in the data's order, before what it learnt beside them."""
    near = model.judge.near
    if model.manifest.data_hash != data.hash or len(near.points) >= MOST:
        return None
    numbers = {name: number for number, name in enumerate(model.manifest.intents)}
    starts, ranks = np.cumsum(near.counts) - near.counts, defaultdict[int, int](int)
    rows = []
    for example in inside:
        number = numbers[example.intent]
        rows.append(int(starts[number]) + ranks[number])
        ranks[number] += 1
    return near.points.floats[rows]


def _seen(model: Model, texts: Sequence[str], tell: Callable[[int, int], None]) -> Floats:
    points: list[Floats] = []
    for start in range(0, len(texts), _AT_ONCE):
        read = model.reader.read(texts[start : start + _AT_ONCE])
        points += [one.point for one in model.engine.run([tokens.ids for tokens in read])]
        tell(len(points), len(texts))
    return np.stack(points)


def _cached(file: Path, count: int) -> Floats | None:
    """None if there is nothing that fits."""
    try:
        points = np.load(file, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError):
        return None
    return points if points.ndim == 2 and len(points) == count else None


def _keep(file: Path, points: Floats) -> None:
    """Alone: what was kept of other models and data has had its time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for old in file.parent.glob("*.npy"):
        old.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    with os.fdopen(handle, "wb") as whole:
        np.save(whole, points.astype(np.float16))
    Path(name).replace(file)
