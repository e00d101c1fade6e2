"""The report of a training: how the model scores, and what happened while it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nlu.budget import BUDGETS, Curve
from nlu.data.examples import Finding
from nlu.evaluation.report import write_page
from nlu.evaluation.scores import Cost, Evaluation, IntentScores
from nlu.intents import Thresholds
from nlu.manifest import Manifest

_TEMPLATE = Path(__file__).parent / "report.html"
_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class EpochLine:
    doing: str
    epoch: int
    loss: float
    dev_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Story:
    """What happened while a model was trained."""

    epochs: tuple[EpochLine, ...]
    dev: IntentScores
    """Of the part that was held out for calibration."""
    warnings: tuple[Finding, ...]


def write_training_report(directory: Path, manifest: Manifest, story: Story, test: Evaluation | None) -> None:
    """`directory/report/`: index.html and its pictures."""
    curve, budget = Curve.from_json(manifest.budget), manifest.options["budget"]
    tested = test is not None and test.intents is not None
    dev = Evaluation(manifest.id, story.dev, None, None, None)
    write_page(
        directory / "report",
        test if test is not None and tested else dev,
        test.costs if test is not None and tested else _seen(curve, budget),
        _TEMPLATE,
        title=f"Model {manifest.id}",
        tested=tested,
        unseen="dev_accuracy" in manifest.scores,
        manifest=manifest,
        story=story,
        budget=budget,
        thresholds=Thresholds.keeping(budget, curve, **manifest.thresholds),
        warnings=story.warnings[:_WARNINGS],
        more_warnings=max(0, len(story.warnings) - _WARNINGS),
        comparison=None,
    )


def _seen(curve: Curve, budget: float) -> tuple[Cost, ...]:
    """Of the dev texts; nobody asked the knowledge base."""
    return tuple(Cost(allowed, curve.within(allowed), 0.0) for allowed in sorted({*BUDGETS, budget}))
