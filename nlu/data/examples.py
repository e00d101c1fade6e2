"""What training learns from: labelled texts, patterns, lists of values, and what looked wrong about them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nlu.data.article import Article
from nlu.types import family

OUT_OF_SCOPE = ("out_of_scope", "oos")
"""Intents whose examples teach what the assistant cannot serve; they are outliers, never an answer."""
OUTLIER = -1
"""Their class, where intents are numbers."""

FORMAT = 12
"""Part of the data's hash: raise it when training makes another model of the same data."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """An entity marked in an example: `text[start:end]`, with the annotations' marks already taken out."""

    start: int
    end: int
    entity: str
    value: str | None = None
    """Only where the annotation gives one that differs from the text."""
    role: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    text: str
    intent: str
    annotations: tuple[Annotation, ...] = ()
    path: Path = Path()
    line: int = 0
    weight: float = 1.0
    """How much the label deserves to be believed."""
    marked: bool = True
    """Whether its entities are marked: of one that nobody marked, training learns the intent alone."""
    guessed: bool = False
    """Whether its intent is a model's own guess, which nobody confirmed."""

    @property
    def outlier(self) -> bool:
        return self.intent in OUT_OF_SCOPE

    @property
    def family(self) -> str:
        return family(self.intent)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the data that training can live with and a person should look at."""

    path: Path
    line: int
    problem: str
    suggestion: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.problem}" + (f" {self.suggestion}" if self.suggestion else "")


@dataclass(frozen=True, slots=True)
class Patterns:
    """Entities found without a model. Regexes are (entity, expression); lookups are entity to values."""

    regexes: tuple[tuple[str, str], ...] = ()
    lookups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """Case-folded surface form to value, whatever the entity."""

    def to_json(self) -> dict[str, Any]:
        return {
            "regexes": [list(pair) for pair in self.regexes],
            "lookups": {name: list(values) for name, values in self.lookups.items()},
            "synonyms": dict(self.synonyms),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Patterns:
        return cls(
            tuple((name, expression) for name, expression in values["regexes"]),
            {name: tuple(entries) for name, entries in values["lookups"].items()},
            dict(values["synonyms"]),
        )


@dataclass(frozen=True, slots=True)
class TrainingData:
    examples: tuple[Example, ...]
    patterns: Patterns = Patterns()
    articles: tuple[Article, ...] = ()
    warnings: tuple[Finding, ...] = ()
    languages: tuple[str, ...] = ()
    """Those that `config.yml` names."""

    @property
    def intents(self) -> list[str]:
        return sorted({example.intent for example in self.examples if not example.outlier})

    @property
    def hash(self) -> str:
        """Names the content, not the files: a moved or reformatted file leaves it as it is."""
        content = {
            "format": FORMAT,
            "examples": [
                [e.text, e.intent, [[a.start, a.end, a.entity, a.value, a.role, a.group] for a in e.annotations]]
                for e in self.examples
            ],
            "patterns": self.patterns.to_json(),
            "articles": [article.to_json() for article in self.articles],
            **({"languages": self.languages} if self.languages else {}),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8", "surrogatepass")).hexdigest()
