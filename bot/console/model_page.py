"""What the console says about the model in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelPage:
    id: str
    facts: tuple[tuple[str, str], ...]
    report: Path | None
