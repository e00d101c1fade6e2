"""Cross-validation: every example is scored by a model that has not seen it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import Example, TrainingData
from nlu.data.reader import check_enough
from nlu.engine.device import set_threads
from nlu.evaluation.entities import Pairs
from nlu.evaluation.measure import scored, understood
from nlu.evaluation.scores import Evaluation
from nlu.load import load_model
from nlu.source import DataError
from nlu.training.diary import Diary
from nlu.training.learn import amount, learn
from nlu.training.logs import opened
from nlu.training.options import Progress, Step, TrainingOptions
from nlu.training.pack import pack
from nlu.training.progress import Work
from nlu.training.split import stratified
from nlu.training.together import ask_for_help
from nlu.training.train import settled
from nlu.types import Understanding


def cross_validate(data: TrainingData, parts: int, options: TrainingOptions, progress: Progress) -> Evaluation:
    """Trains as `train` does, once without each part, and scores what those models say of what they have not seen.

    The knowledge base is left out. Raises DataError for fewer examples than parts.
    """
    if len(data.examples) < parts:
        raise DataError(Path(), None, f"{len(data.examples)} examples do not make {parts} parts.", "Ask for fewer.")
    set_threads(options.threads)
    part_of = stratified(np.array([example.intent for example in data.examples]), parts, options.seed)
    folds = [_fold(data, part_of == part) for part in range(int(part_of.max()) + 1)]
    for rest, _ in folds:
        check_enough(rest, Path("the data without a part"))
    pairs: list[tuple[Example, Understanding]] = []
    for part, (rest, held) in enumerate(folds):
        pairs += _asked(rest, held, options, _of_part(progress, part, parts))
    return scored(f"cross-validation in {parts} parts", pairs)


def _fold(data: TrainingData, out: NDArray[np.bool_]) -> tuple[TrainingData, list[Example]]:
    """What is trained on, and what is held out."""
    rest = tuple(example for example, left in zip(data.examples, out, strict=True) if not left)
    held = [example for example, left in zip(data.examples, out, strict=True) if left]
    return replace(data, examples=rest, articles=()), held


def _asked(data: TrainingData, held: Sequence[Example], options: TrainingOptions, progress: Progress) -> Pairs:
    options = settled(options, data)
    with tempfile.TemporaryDirectory() as scratch, opened("none", Path(scratch), {}) as log:
        ask_for_help(data, options)
        trained, _ = learn(data, options, datetime.now(UTC), Diary(Work(amount(data, options), progress), log))
        directory = Path(scratch) / "model"
        directory.mkdir()
        pack(directory, trained)
        model = load_model(directory, device=options.device, threads=options.threads, budget=options.budget)
        return understood(model, held)


def _of_part(progress: Progress, part: int, parts: int) -> Progress:
    def show(step: Step) -> None:
        done = f"part {part + 1} of {parts}: {step.done}" if step.done else ""
        progress(Step((part + step.share) / parts, f"part {part + 1} of {parts}: {step.doing}", done))

    return show
