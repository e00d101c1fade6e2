"""The report of a training: one HTML file that needs nothing else, and its pictures."""

from __future__ import annotations

import base64
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from nlu.data.examples import Finding
from nlu.registry import Manifest
from nlu.training.evaluate import Evaluation, IntentScores
from nlu.training.pictures import confusion_matrix, reliability

_CONFUSIONS = 15
_WARNINGS = 100


@dataclass(frozen=True, slots=True)
class EpochLine:
    doing: str
    epoch: int
    loss: float
    dev_accuracy: float | None


@dataclass(frozen=True, slots=True)
class Confusion:
    intent: str
    found: str
    count: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Story:
    """What happened while a model was trained."""

    epochs: tuple[EpochLine, ...]
    dev: IntentScores
    """Of the part that was held out for calibration."""
    warnings: tuple[Finding, ...]


def write_report(directory: Path, manifest: Manifest, story: Story, test: Evaluation | None) -> None:
    """`directory/report/`: index.html, confusion.png and reliability.png."""
    folder = directory / "report"
    folder.mkdir(exist_ok=True)
    shown = test.intents if test and test.intents else story.dev
    names, counts = _matrix(shown)
    pictures = {
        "confusion": {theme: confusion_matrix(names, counts, theme) for theme in ("light", "dark")},
        "reliability": {theme: reliability(shown.reliability, theme) for theme in ("light", "dark")},
    }
    for name, themes in pictures.items():
        (folder / f"{name}.png").write_bytes(themes["light"])
    page = _template().render(
        manifest=manifest,
        story=story,
        test=test,
        shown=shown,
        held_out=shown is not story.dev,
        confusions=_confusions(shown),
        weakest=sorted(shown.by_intent, key=lambda score: score.f1),
        warnings=story.warnings[:_WARNINGS],
        more_warnings=max(0, len(story.warnings) - _WARNINGS),
        pictures={
            name: {theme: base64.b64encode(png).decode() for theme, png in themes.items()}
            for name, themes in pictures.items()
        },
    )
    (folder / "index.html").write_text(page, "utf-8")


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["percent"] = lambda share: f"{100 * share:.1f} %"
    return environment.get_template("report.html")


def _matrix(scores: IntentScores) -> tuple[list[str], NDArray[np.int64]]:
    wrong = Counter((mistake.intent, mistake.found) for mistake in scores.mistakes)
    right = {score.intent: round(score.recall * score.examples) for score in scores.by_intent}
    names = sorted({*right, *(found for _, found in wrong)})
    counts = np.zeros((len(names), len(names)), np.int64)
    for place, name in enumerate(names):
        counts[place, place] = right.get(name, 0)
    for (meant, found), count in wrong.items():
        counts[names.index(meant), names.index(found)] = count
    return names, counts


def _confusions(scores: IntentScores) -> list[Confusion]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for mistake in scores.mistakes:
        texts[mistake.intent, mistake.found].append(mistake.text)
    most = sorted(texts.items(), key=lambda item: (-len(item[1]), item[0]))[:_CONFUSIONS]
    return [Confusion(meant, found, len(lines), tuple(lines[:4])) for (meant, found), lines in most]
