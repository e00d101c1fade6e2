"""Utterances that were erased: their keys and when, and with them which models learnt from what is gone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nlu.lineage import read_lineage

FILE = ".erased.json"
SLACK = timedelta(minutes=10)
"""A training that had read its utterances when they were erased may name its model so much later."""


@dataclass(frozen=True, slots=True)
class Erased:
    """When each was erased, by lineage key. A conversation that begins anew under its id has the same keys again."""

    when: Mapping[str, datetime]

    @classmethod
    def of(cls, folder: Path) -> Erased:
        """`folder` is where the models are."""
        try:
            found = json.loads((folder / FILE).read_text("utf-8"))
        except FileNotFoundError:
            found = {}
        return cls({key: datetime.fromisoformat(at) for key, at in found.items()})

    def with_keys(self, keys: Iterable[str], at: datetime) -> Erased:
        return Erased({**self.when, **dict.fromkeys(keys, at.astimezone(UTC))})

    def to_text(self) -> str:
        return json.dumps({key: at.isoformat(timespec="seconds") for key, at in sorted(self.when.items())}) + "\n"

    def since(self, began: datetime) -> frozenset[str]:
        """The keys of what was erased while something ran that began then."""
        return frozenset(key for key, at in self.when.items() if began <= at + SLACK)

    def learnt_by(self, directory: Path, created: str) -> bool:
        """Whether a model was made from one of them before it was erased."""
        made = datetime.fromisoformat(created)
        return any(key in self.when and made <= self.when[key] + SLACK for key in read_lineage(directory))
