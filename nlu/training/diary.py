"""What happens while a model is trained: remembered for the report, shown and logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlu.engine.network import Network
from nlu.training.checkpoints import Checkpoints, gpus
from nlu.training.fit import Epoch, Stage
from nlu.training.logs import Log
from nlu.training.progress import Work
from nlu.training.report import EpochLine

_LINES = "diary"


class Diary:
    """Remembers every epoch for the report, shows it and logs it; also those before a training was stopped."""

    def __init__(self, work: Work, log: Log, checkpoints: Checkpoints | None = None) -> None:
        self.work = work
        self._log = log
        self._checkpoints = checkpoints or Checkpoints()
        found = self._kept()
        self._lines = {(doing, number): (loss, dev, examples) for doing, number, loss, dev, examples in found}
        if found:
            last = f"{found[-1][0]}, epoch {found[-1][1]}"
            self.work.advance(sum(line[-1] for line in found), f"Going on after {last}, where it was stopped.")

    def _kept(self) -> list[Any]:
        """The epochs of a training that was stopped; of one that had more GPUs nothing can be taken up."""
        kept = self._checkpoints.read(_LINES) or {}
        if (before := kept.get("gpus", 0)) <= gpus():
            return list(kept.get("lines", []))
        self._checkpoints.begin_afresh()
        self.work.tell(f"The training that was stopped had {before} GPUs and here are {gpus()}: it begins afresh.")
        return []

    @property
    def epochs(self) -> tuple[EpochLine, ...]:
        return tuple(EpochLine(*key, *line[:2]) for key, line in self._lines.items())

    def stage(self, name: str, after_epoch: Callable[[Network, Epoch], None]) -> Stage:
        return Stage(name, self._checkpoints, after_epoch)

    def epoch(self, doing: str, epoch: Epoch, examples: int, dev: float | None = None) -> None:
        self._lines[doing, epoch.number] = epoch.loss, dev, examples
        lines = [(*key, *line) for key, line in self._lines.items()]
        self._checkpoints.write(_LINES, {"lines": lines, "gpus": gpus()})
        self._log(f"{doing}/loss", epoch.loss, epoch.number)
        line = f"{doing}, epoch {epoch.number}: loss {epoch.loss:.3f}"
        if dev is not None:
            self._log(f"{doing}/dev accuracy", dev, epoch.number)
            line += f", dev accuracy {dev:.1%}"
        self.work.advance(examples, line)
