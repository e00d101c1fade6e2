"""Which of the customers' utterances a model was trained on: their keys, from which nobody can read a word."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

LINEAGE = "lineage.json"


def lineage_key(source: str, conversation: str, message: str) -> str:
    """Sixteen hex digits that name an utterance."""
    return hashlib.sha256(json.dumps([source, conversation, message]).encode("utf-8")).hexdigest()[:16]


def write_lineage(directory: Path, keys: Iterable[str]) -> None:
    """To be called before the directory is sealed."""
    (directory / LINEAGE).write_text(json.dumps({"utterances": sorted(set(keys))}) + "\n", "utf-8")


def read_lineage(directory: Path) -> frozenset[str]:
    """Empty of a model that learnt from no utterance, and of a directory without the file, or whose file is damaged:
    such a model is refused."""
    try:
        return frozenset(json.loads((directory / LINEAGE).read_text("utf-8"))["utterances"])
    except (OSError, ValueError, TypeError, KeyError):
        return frozenset()
