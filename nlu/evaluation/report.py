"""An evaluation as one HTML file that needs nothing else, as JSON and as pictures."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from nlu.evaluation.compare import Comparison
from nlu.evaluation.intervals import Interval
from nlu.evaluation.pictures import THEMES, budget_curve, confusion_matrix, reliability, robustness
from nlu.evaluation.scores import Cost, Evaluation, IntentScores

TEMPLATE = Path(__file__).parent / "evaluation.html"
_CONFUSIONS = 15


@dataclass(frozen=True, slots=True)
class Confusion:
    intent: str
    found: str
    count: int
    texts: tuple[str, ...]


def write_report(
    folder: Path, found: Evaluation, budget: float, comparison: Comparison | None = None, against: str = ""
) -> None:
    """`folder/`: index.html, evaluation.json and the pictures as PNG."""
    about = {"title": f"Evaluation of {found.model}", "budget": budget, "tested": True}
    write_page(folder, found, found.costs, TEMPLATE, **about, comparison=comparison, against=against)
    values = {**found.to_json(), "comparison": comparison.to_json() if comparison else None}
    (folder / "evaluation.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")


def write_page(folder: Path, found: Evaluation, costs: Sequence[Cost], template: Path, **context: Any) -> None:
    """`template` may extend this module's and use all of `context`."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {name: {theme: draw(theme) for theme in THEMES} for name, draw in _pictures(found, costs).items()}
    for name, themes in pictures.items():
        (folder / f"{name}.png").write_bytes(themes["light"])
    page = rendered(
        template,
        pictures,
        found=found,
        costs=costs,
        confusions=confusions(found.intents) if found.intents else [],
        weakest=sorted(found.intents.by_intent, key=lambda score: score.f1) if found.intents else [],
        **context,
    )
    (folder / "index.html").write_text(page, "utf-8")


def rendered(template: Path, pictures: Mapping[str, Mapping[str, bytes]], **context: Any) -> str:
    """A page that needs nothing else. `pictures`: PNGs by name and theme."""
    encoded = {
        name: {theme: base64.b64encode(png).decode() for theme, png in themes.items()}
        for name, themes in pictures.items()
    }
    return str(_template(template).render(pictures=encoded, **context))


def _pictures(found: Evaluation, costs: Sequence[Cost]) -> dict[str, Any]:
    """Functions from a theme to a PNG."""
    drawn: dict[str, Any] = {}
    if found.intents:
        scores = found.intents
        drawn["confusion"] = lambda theme: confusion_matrix(*_matrix(scores), theme)
        drawn["reliability"] = lambda theme: reliability(scores.reliability, theme)
    if costs:
        drawn["budget"] = lambda theme: budget_curve(costs, theme)
    if found.noise:
        drawn["robustness"] = lambda theme: robustness(found.noise, theme)
    return drawn


def _template(template: Path) -> Any:
    environment = Environment(
        loader=FileSystemLoader([template.parent, TEMPLATE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {
        "percent": _percent,
        "between": _between,
        "points": _points,
        "named": _named,
        "chance": _chance,
    }
    return environment.get_template(template.name)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _between(interval: Interval) -> str:
    return f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _points(interval: Interval) -> str:
    return f"[{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"


def _chance(p: float) -> str:
    return f"= {p:.2g}" if p >= 0.001 else "< 0.001"


def _named(name: str) -> Markup:
    """A long name may go on in the next line behind its underscores."""
    return Markup("<code>{}</code>").format(Markup("_<wbr>").join(name.split("_")))


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


def confusions(scores: IntentScores) -> list[Confusion]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for mistake in scores.mistakes:
        texts[mistake.intent, mistake.found].append(mistake.text)
    most = sorted(texts.items(), key=lambda item: (-len(item[1]), item[0]))[:_CONFUSIONS]
    return [Confusion(meant, found, len(lines), tuple(lines[:4])) for (meant, found), lines in most]
