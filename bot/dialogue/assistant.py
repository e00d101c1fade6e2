"""An assistant: a Rasa project's folder, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from bot.dialogue import checks
from bot.dialogue.articles import answered_without
from bot.dialogue.checks import Problem
from bot.dialogue.domain import SECTIONS, Domain
from bot.dialogue.policy import Policy
from bot.dialogue.rules import Written, expand, read_blocks
from bot.dialogue.slots import Kind
from nlu.source import DataError, Node, read_text, read_yaml

_SKIPPED = frozenset({"test", "tests", "canaries", "conversations", "models", "results", "node_modules", "kb"})
_SETTINGS = frozenset({"config", "credentials", "endpoints"})
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}|rules|stories)[ \t]*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Assistant:
    domain: Domain
    written: Written
    policy: Policy
    without_articles: frozenset[str]
    """Intents that are answered without the knowledge base."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Raises DataError for the first thing that would make the assistant fail."""
        assistant = cls.read(folder)
        for problem in check(assistant):
            if problem.fatal:
                raise problem.error()
        return assistant

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises DataError only for what cannot be read at all; `check` tells the rest."""
        documents = [read_yaml(path) for path in _files(folder)]
        if not any("intents" in document.mapping("The file") for document in documents):
            raise DataError(folder, None, "there is no domain with intents in this folder.", "Add a domain.yml.")
        return cls.of(documents)

    @classmethod
    def of(cls, documents: Sequence[Node]) -> Self:
        domain = Domain.of(documents)
        present = frozenset(name for name, slot in domain.slots.items() if slot.kind in (Kind.TEXT, Kind.LIST))
        written = expand([block for document in documents for block in read_blocks(document)], present)
        return cls(domain, written, Policy.of(written.paths), answered_without(written.paths))


def check(
    assistant: Assistant, intents_trained: Set[str] | None = None, entities_trained: Set[str] | None = None
) -> list[Problem]:
    """Everything that is wrong or looks wrong, fatal things first. Without trained names those are not compared."""
    found = checks.all_problems(assistant.domain, assistant.written, intents_trained, entities_trained)
    return sorted(found, key=lambda problem: (not problem.fatal, str(problem.path), problem.line))


def _files(folder: Path) -> Iterator[Path]:
    """YAML files that hold a part of the dialogue, in a fixed order."""
    if not folder.is_dir():
        raise DataError(folder, None, "there is no such folder.", "Give the folder that holds domain.yml.")
    for path in sorted(path for suffix in ("yml", "yaml") for path in folder.rglob(f"*.{suffix}")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") or part in _SKIPPED for part in inside.parts[:-1])
        apart = hidden or path.stem in _SETTINGS or path.name.startswith("test_")
        if not apart and _SECTION.search(read_text(path)):
            yield path
