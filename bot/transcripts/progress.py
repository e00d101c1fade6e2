"""How far reading has come: a bar in a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[Path, int], None]
"""Told the file and how many of its bytes were read."""
LONG = 20 << 20
"""Bytes from which reading takes so long that somebody wonders."""
_STEP = 0.1


@contextmanager
def shown(files: Sequence[Path]) -> Iterator[Progress]:
    """On standard error; nothing for files that are read in a moment."""
    sizes = {path: path.stat().st_size for path in files}
    before, total = {}, 0
    for path, size in sizes.items():
        before[path], total = total, total + size
    if total < LONG:
        yield lambda path, position: None
    elif sys.stderr.isatty():
        with _bar(total) as show:
            yield lambda path, position: show(before[path] + position, path.name)
    else:
        yield _Lines(total, before)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=total)
        yield lambda done, name: bar.update(task, completed=done, description=name)


class _Lines:
    def __init__(self, total: int, before: dict[Path, int]) -> None:
        self._total, self._before, self._next = total, before, _STEP

    def __call__(self, path: Path, position: int) -> None:
        share = (self._before[path] + position) / self._total
        if share >= self._next:
            self._next = share + _STEP
            print(f"{share:.0%} read, in {path}", file=sys.stderr, flush=True)
