"""What happens while a model is trained: remembered for the report, shown and logged."""

from __future__ import annotations

from nlu.training.fit import Epoch
from nlu.training.logs import Log
from nlu.training.progress import Work
from nlu.training.report import EpochLine


class Diary:
    """Remembers every epoch for the report, shows it and logs it."""

    def __init__(self, work: Work, log: Log) -> None:
        self.work = work
        self._log = log
        self.epochs: list[EpochLine] = []

    def epoch(self, doing: str, epoch: Epoch, examples: int, dev: float | None = None) -> None:
        self.epochs.append(EpochLine(doing, epoch.number, epoch.loss, dev))
        self._log(f"{doing}/loss", epoch.loss, epoch.number)
        line = f"{doing}, epoch {epoch.number}: loss {epoch.loss:.3f}"
        if dev is not None:
            self._log(f"{doing}/dev accuracy", dev, epoch.number)
            line += f", dev accuracy {dev:.1%}"
        self.work.advance(examples, line)
