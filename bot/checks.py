"""Everything that is wrong with an assistant's folder: examples, knowledge base, domain and rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.dialogue.assistant import Assistant, check
from nlu.data.examples import TrainingData
from nlu.data.reader import check_enough, read_training_data
from nlu.source import DataError


@dataclass(frozen=True, slots=True)
class Finding:
    sentence: str
    fatal: bool


def problems_of(data: Path) -> list[Finding]:
    """What cannot be used first, what looks wrong after it; never raises on what the files hold.

    A single file has examples alone; a folder that is not there or holds nothing is told once.
    """
    found, trained = _of_the_examples(data)
    if data.is_dir() and not (trained is None and not any(data.iterdir())):
        found += _of_the_dialogue(data, trained)
    return sorted(dict.fromkeys(found), key=lambda finding: not finding.fatal)


def _of_the_examples(data: Path) -> tuple[list[Finding], TrainingData | None]:
    try:
        trained = read_training_data(data)
    except DataError as problem:
        return [Finding(str(problem), fatal=True)], None
    found = [Finding(str(warning), fatal=False) for warning in trained.warnings]
    try:
        check_enough(trained, data)
    except DataError as problem:
        found.append(Finding(str(problem), fatal=True))
    return found, trained


def _of_the_dialogue(folder: Path, trained: TrainingData | None) -> Iterator[Finding]:
    intents = entities = None
    if trained is not None:
        intents = frozenset(trained.intents)
        entities = frozenset(a.entity for example in trained.examples for a in example.annotations)
        entities |= {name for name, _ in trained.patterns.regexes} | trained.patterns.lookups.keys()
    try:
        for problem in check(Assistant.read(folder), intents, entities):
            yield Finding(str(problem.error()), problem.fatal)
    except DataError as problem:
        yield Finding(str(problem), fatal=True)
