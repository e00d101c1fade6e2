"""What `frontdesk evaluate` does: a model scored, cross-validated or compared, and how that is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console as Screen

from bot import models
from bot.config import Settings
from nlu.budget import BUDGETS
from nlu.data.reader import check_enough, read_training_data
from nlu.evaluation.compare import Comparison, compare
from nlu.evaluation.measure import NOISE, evaluate, read_texts, said_of, understood
from nlu.evaluation.report import write_report
from nlu.evaluation.scores import Evaluation, costs_text
from nlu.manifest import Manifest
from nlu.source import DataError
from nlu.types import family


@dataclass(frozen=True, slots=True)
class Evaluated:
    scores: Evaluation
    comparison: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        compared = {"comparison": self.comparison.to_json()} if self.comparison else {}
        return {**self.scores.to_json(), **compared}

    def lines(self, settings: Settings, *, budget: bool) -> Iterator[str]:
        yield self.scores.to_text()
        if budget and self.scores.costs:
            yield f"\nWhat an error budget costs, of {self.scores.intents.texts if self.scores.intents else 0} texts:"
            yield costs_text(self.scores.costs, settings.error_budget)
        if self.comparison:
            yield f"\n{self.comparison.to_text()}"

    def write(self, folder: Path, settings: Settings, against: Path | None) -> None:
        write_report(folder, self.scores, settings.error_budget, self.comparison, against.name if against else "")


def held_out(settings: Settings, data: Path | None) -> Path:
    """The texts to score on. Raises DataError."""
    texts = data or settings.data / "test"
    if not texts.exists() and data is None:
        raise DataError(texts, None, "there are no held-out texts here.", "Name labelled ones with --data.")
    return texts


def scored(settings: Settings, model: Path, data: Path, against: Path | None, *, noise: bool) -> Evaluated:
    """Raises DataError and ModelError."""
    texts = read_texts(data)
    loaded = models.for_texts(model, settings)
    said = said_of(loaded, texts)
    found = evaluate(loaded, texts, {*BUDGETS, settings.error_budget}, NOISE if noise else (), said.answers)
    _warn_of_strangers(loaded.manifest, [score.intent for score in found.intents.by_intent] if found.intents else [])
    if against is None:
        return Evaluated(found)
    before = understood(models.for_texts(against, settings), texts.examples)
    return Evaluated(found, compare(before, understood(loaded, texts.examples, said.answers)))


def cross_validated(settings: Settings, data: Path, parts: int, seed: int, screen: Screen) -> Evaluated:
    """Raises DataError."""
    examples = read_training_data(data)
    check_enough(examples, data)
    from nlu.training.folds import cross_validate

    how = replace(models.options(settings), seed=seed, log_to="none")
    with models.progress(screen) as show:
        return Evaluated(cross_validate(examples, parts, how, show))


def _warn_of_strangers(manifest: Manifest, intents: list[str]) -> None:
    known = {family(intent) for intent in manifest.intents}
    strangers = [intent for intent in intents if intent not in known]
    if strangers:
        shown = ", ".join(strangers[:3]) + (", ..." if len(strangers) > 3 else "")
        print(f"The model was never taught {len(strangers)} of {len(intents)} intents: {shown}", file=sys.stderr)
