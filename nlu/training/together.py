"""What each process does when several train together: the first one commands, the others help."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from nlu.data.examples import TrainingData
from nlu.engine.device import set_threads
from nlu.training.diary import Diary
from nlu.training.learn import learn
from nlu.training.options import TrainingOptions
from nlu.training.progress import Work, silent
from nlu.training.team import Team, gathered, team

_WELL = (None, 0, 1)
"""Exit codes of commands that trained to the end: 1 says that the gate holds the model."""


@dataclass(frozen=True, slots=True)
class Job:
    data: TrainingData
    options: TrainingOptions


def ask_for_help(data: TrainingData, options: TrainingOptions) -> None:
    """Before a training: the others learn the same."""
    team().told(lambda: Job(data, options))


def run(command: Callable[[], None]) -> None:
    """The command in the first process; the others help until it ends. `command` ends with SystemExit."""
    with gathered() as all_of_us:
        if all_of_us.first:
            _command(command, all_of_us)
        else:
            _help(all_of_us)
            _leave()


def _leave() -> None:
    """At once: torch's threads that still listen may abort a process which is taken down around them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _command(command: Callable[[], None], all_of_us: Team) -> None:
    try:
        command()
    except SystemExit as end:
        if end.code in _WELL:  # else torchrun ends the others, who may wait in the middle of a training
            all_of_us.told(lambda: None)
        raise


def _help(all_of_us: Team) -> None:
    nobody: Job | None = None
    while (job := all_of_us.told(lambda: nobody)) is not None:
        set_threads(job.options.threads)
        learn(job.data, job.options, datetime.now(UTC), Diary(Work(1.0, silent), lambda *_: None))
