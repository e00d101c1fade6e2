"""Tells how far training has come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from nlu.training.options import Progress, Step


def silent(_: Step) -> None:
    """For callers that show nothing."""


class Work:
    """Counts work in examples seen, so that the estimate of the time left is honest."""

    def __init__(self, total: float, progress: Progress) -> None:
        self._total = total
        self._seen = 0.0
        self._doing = ""
        self._progress = progress

    def begin(self, doing: str) -> None:
        self._doing = doing
        self.advance(0)

    def tell(self, line: str) -> None:
        self.advance(0, line)

    def advance(self, examples: float, done: str = "") -> None:
        self._seen += examples
        self._progress(Step(min(1.0, self._seen / self._total), self._doing, done))


@contextmanager
def shown(console: Console | None = None) -> Iterator[Progress]:
    """A bar with the time left, and a line for every epoch."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%"))
    with Bar(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("reading", total=1.0)

        def show(step: Step) -> None:
            if step.done:
                bar.console.print(step.done, highlight=False)
            bar.update(task, completed=step.share, description=step.doing)

        yield show
