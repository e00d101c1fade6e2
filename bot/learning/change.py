"""Writes the page that shows what a new model changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console as Screen

from nlu.data.examples import Example
from nlu.data.reader import read_training_data
from nlu.evaluation.change import Models, write_change
from nlu.evaluation.gate import Decision
from nlu.registry import Registry
from nlu.source import DataError


def beside_decision(
    registry: Registry, pair: tuple[Path, Path], examples: Sequence[Example], decision: Decision, screen: Screen
) -> Path | None:
    """Where the page lies. The decision stands, whether there is room for a page or not: None, and why is said."""
    try:
        return write_page(registry.page(decision.after), registry, pair, examples, decision)
    except OSError as problem:
        screen.print(f"No page was written: {problem}", markup=False, highlight=False)
        return None


def write_page(
    file: Path, registry: Registry, pair: tuple[Path, Path], examples: Sequence[Example], decision: Decision
) -> Path:
    """`pair`: the directories of the two models, the old one's first. Returns `file`."""
    last = [(manifest, registry.held(manifest.id)) for manifest in registry.list()]
    promoted = registry.current_id() == decision.after
    write_change(file, decision, Models(*pair, last), examples, promoted=promoted)
    return file


def examples_of(data: Path) -> Sequence[Example]:
    """None where the folder has nothing to train on: it was named for its held-out texts."""
    try:
        return read_training_data(data).examples
    except DataError:
        return ()
