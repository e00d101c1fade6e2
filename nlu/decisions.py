"""What the gate said of models, with the pages that show it; both quote customers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import escape

from nlu.atomic import write_text

FOLDER = ".decisions"
"""Beside the models."""
ERASED = "<erased>"


@dataclass(frozen=True, slots=True)
class Decisions:
    folder: Path

    def write(self, model: str, decision: Mapping[str, Any]) -> None:
        self.folder.mkdir(exist_ok=True)
        write_text(self._file(model), json.dumps(decision, ensure_ascii=False) + "\n")

    def of(self, model: str) -> Mapping[str, Any]:
        """Empty if nothing was decided."""
        try:
            found = json.loads(self._file(model).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def page(self, model: str) -> Path:
        """Where the page lies that shows what the model changed, if there is one."""
        return self.folder / f"{model}.html"

    def remove(self, model: str) -> None:
        self._file(model).unlink(missing_ok=True)
        self.page(model).unlink(missing_ok=True)

    def forget(self, texts: Collection[str], learnt: Collection[str]) -> None:
        """Takes the texts out of what was said. The pages go that quote one, and those of the models that learnt from
        them, perhaps in other words."""
        for path in self.folder.glob("*.json"):
            try:
                said = json.loads(path.read_text("utf-8"))
            except ValueError:
                path.unlink()  # nobody can tell whether it quotes them, and what cannot be read decides nothing
                continue
            if (silent := _without(said, texts)) != said:
                write_text(path, json.dumps(silent, ensure_ascii=False) + "\n")
        quoted = [str(escape(text)) for text in texts]
        for page in self.folder.glob("*.html"):
            shown = page.read_text("utf-8")
            if page.stem in learnt or any(text in shown for text in quoted):
                page.unlink()

    def _file(self, model: str) -> Path:
        return self.folder / f"{model}.json"


def _without(value: Any, texts: Collection[str]) -> Any:
    """JSON in which these strings are not told."""
    if isinstance(value, dict):
        return {name: _without(one, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [_without(one, texts) for one in value]
    return ERASED if isinstance(value, str) and value in texts else value
