"""Intents that a model may know and that nothing answers."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from bot.dialogue.assistant import Assistant
from bot.dialogue.checks import without_rule
from nlu.data.examples import OUT_OF_SCOPE
from nlu.source import DataError


def ruleless(data: Path, intents: Collection[str]) -> list[str]:
    """Those of the intents with which no rule or story begins; none where the data have no dialogue."""
    try:
        written = Assistant.read(data).written
    except DataError:
        return []
    return sorted(without_rule(intents, written) - set(OUT_OF_SCOPE))


def warning(names: Collection[str]) -> str:
    which = ", ".join(names)
    return (
        f"No rule answers {which}: whoever means that gets an article that fits, or is told that they were not "
        f"understood. Add one to rules.yml before it goes live."
    )
