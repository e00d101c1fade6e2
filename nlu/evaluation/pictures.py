"""The reports' pictures, as PNG: light and dark."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nlu.evaluation.scores import Bin, Cost, Noisy

_NAMED = 90
"""More intents than that and their names would not be legible."""
INKS = {"light": ("#1f2430", "#ffffff", "#2b6cb0"), "dark": ("#d7dbe4", "#171a21", "#63b3ed")}
"""Text, ground and accent."""
THEMES = tuple(INKS)


def confusion_matrix(names: Sequence[str], counts: NDArray[np.int64], theme: str) -> bytes:
    """Rows are the intents meant, columns those found; each row is shaded by its share."""
    ink, ground, accent = INKS[theme]
    size = min(14.0, max(4.0, 0.19 * len(names) + 2.5))
    figure, axes = _figure(size, size, theme)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    shades = LinearSegmentedColormap.from_list("shades", [ground, accent])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, interpolation="nearest")
    axes.set_xlabel("found", color=ink)
    axes.set_ylabel("meant", color=ink)
    if len(names) <= _NAMED:
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
        for row, column in zip(*np.nonzero(counts * (1 - np.eye(len(names), dtype=int))), strict=True):
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink, fontsize=6)
    return _png(figure)


def reliability(bins: Sequence[Bin], theme: str) -> bytes:
    """Accuracy over confidence; a well-calibrated model's dots lie on the diagonal."""
    ink, _, accent = INKS[theme]
    figure, axes = _figure(4.6, 4.2, theme)
    axes.plot([0, 1], [0, 1], color=ink, linewidth=0.8, linestyle=":")
    most = max((found.texts for found in bins), default=1)
    sizes = [20 + 180 * found.texts / most for found in bins]
    axes.plot([b.confidence for b in bins], [b.accuracy for b in bins], color=accent, linewidth=1)
    axes.scatter([b.confidence for b in bins], [b.accuracy for b in bins], s=sizes, color=accent, alpha=0.8)
    axes.set_xlim(0, 1.03)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("confidence", color=ink)
    axes.set_ylabel("share that was right", color=ink)
    return _png(figure)


def budget_curve(costs: Sequence[Cost], theme: str) -> bytes:
    """Over the budget, stacked: the share answered rightly, wrongly, asked back, and left to others."""
    ink, ground, accent = INKS[theme]
    figure, axes = _figure(5.6, 4.2, theme)
    shades = [accent, "#c53030", "#d69e2e", ground]
    choices = [cost.choice for cost in costs]
    shares = [
        [choice.answered - choice.wrong for choice in choices],
        [choice.wrong for choice in choices],
        [choice.asked for choice in choices],
        [choice.left for choice in choices],
    ]
    labels = ("answered rightly", "answered wrongly", "asked which meaning", "knowledge base or person")
    budgets = [100 * cost.budget for cost in costs]
    axes.stackplot(budgets, shares, labels=labels, colors=shades, edgecolor=ink, linewidth=0.4)
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{budget:g}" for budget in budgets])
    axes.minorticks_off()
    axes.set_xlim(min(budgets), max(budgets))
    axes.set_ylim(0, 1)
    axes.set_xlabel("wrong answers allowed, %", color=ink)
    axes.set_ylabel("share of the texts", color=ink)
    axes.legend(loc="lower right", fontsize=8, facecolor=ground, labelcolor=ink, edgecolor=ink)
    return _png(figure)


def robustness(noise: Sequence[Noisy], theme: str) -> bytes:
    """Accuracy, and wrong answers, over the share of letters mistyped."""
    ink, ground, accent = INKS[theme]
    figure, axes = _figure(4.6, 4.2, theme)
    shares = [100 * noisy.share for noisy in noise]
    axes.plot(shares, [noisy.accuracy for noisy in noise], "o-", color=accent, label="first intent right")
    axes.plot(shares, [noisy.wrong for noisy in noise], "o-", color="#c53030", label="answered wrongly")
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("letters mistyped, %", color=ink)
    axes.set_ylabel("share of the texts", color=ink)
    axes.legend(fontsize=8, facecolor=ground, labelcolor=ink, edgecolor=ink)
    return _png(figure)


def progress(models: Sequence[tuple[str, float, bool]], theme: str) -> bytes:
    """Accuracy, model by model: what stands below it, the share, and whether the model was held (a hollow dot)."""
    ink, ground, accent = INKS[theme]
    figure, axes = _figure(6.4, 2.8, theme)
    shares = [100 * share for _, share, _ in models]
    axes.plot(range(len(models)), shares, color=accent, linewidth=1, zorder=1)
    fills = [ground if held else accent for _, _, held in models]
    axes.scatter(range(len(models)), shares, s=36, color=fills, edgecolors=accent, zorder=2)
    axes.set_xticks(range(len(models)), [name for name, _, _ in models], rotation=30, ha="right", fontsize=8)
    axes.margins(x=0.05, y=0.25)
    axes.set_ylabel("held-out accuracy, %", color=ink)
    return _png(figure)


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model on the learning curve."""

    model: str
    examples: int
    accuracy: float
    between: tuple[float, float] | None
    held: bool
    mark: str = ""
    """What stands beside its dot."""


def learning_curve(models: Sequence[Learnt], theme: str) -> bytes:
    """Held-out accuracy over the examples learnt from, with intervals; a hollow dot is a model that is held."""
    ink, ground, accent = INKS[theme]
    figure, axes = _figure(6.4, 3.2, theme)
    for one in models:
        if one.between:
            low, high = one.between
            axes.vlines(one.examples, 100 * low, 100 * high, color=accent, linewidth=1.2, alpha=0.6)
        fill, share = ground if one.held else accent, 100 * one.accuracy
        axes.scatter([one.examples], [share], s=36, color=fill, edgecolors=accent, zorder=2)
        axes.annotate(
            one.mark, (one.examples, share), (7, 0), textcoords="offset points", va="center", color=ink, fontsize=8
        )
    axes.margins(x=0.1, y=0.15)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("labelled examples learnt from", color=ink)
    axes.set_ylabel("held-out accuracy, %", color=ink)
    return _png(figure)


def _figure(width: float, height: float, theme: str) -> tuple[Figure, Axes]:
    ink, ground, _ = INKS[theme]
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=ground)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=ground)
    axes.tick_params(colors=ink)
    for spine in axes.spines.values():
        spine.set_color(ink)
        spine.set_linewidth(0.4)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context({"savefig.dpi": 110}):
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
