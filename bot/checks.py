"""Everything that is wrong with an assistant's folder: examples, knowledge base, domain and rules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.dialogue.assistant import Assistant, check
from nlu.data.reader import read_training_data
from nlu.source import DataError


@dataclass(frozen=True, slots=True)
class Finding:
    sentence: str
    fatal: bool


def problems_of(folder: Path) -> list[Finding]:
    """What cannot be used first, what looks wrong after it; never raises on what the files hold."""
    found: list[Finding] = []
    intents: frozenset[str] | None = None
    entities: frozenset[str] | None = None
    try:
        data = read_training_data(folder)
        intents = frozenset(data.intents)
        entities = frozenset(a.entity for example in data.examples for a in example.annotations)
        entities |= {name for name, _ in data.patterns.regexes} | data.patterns.lookups.keys()
        found += [Finding(str(warning), fatal=False) for warning in data.warnings]
    except DataError as problem:
        found.append(Finding(str(problem), fatal=True))
    try:
        problems = check(Assistant.read(folder), intents, entities)
        found += [Finding(str(problem.error()), problem.fatal) for problem in problems]
    except DataError as problem:
        found.append(Finding(str(problem), fatal=True))
    return sorted(found, key=lambda finding: not finding.fatal)
