"""What a model is, for whoever decides about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlu.manifest import Manifest

_TUNED = {"all": "everything tuned", "adapters": "adapters", "head": "the head alone"}


@dataclass(frozen=True, slots=True)
class Portrait:
    manifest: Manifest
    scores: tuple[tuple[str, str], ...]
    standing: str
    """What becomes of it in the registry."""
    decision: Mapping[str, Any]
    """The gate's; empty where nobody judged it."""
    pages: Mapping[str, Path]

    def to_json(self) -> dict[str, Any]:
        pages = {name: str(path) for name, path in self.pages.items()}
        return {**self.manifest.to_json(), **({"decision": dict(self.decision)} if self.decision else {}), **pages}

    def to_text(self) -> str:
        return "\n".join(f"{name:10}  {words}" for name, words in self._lines())

    def _lines(self) -> Iterator[tuple[str, str]]:
        manifest = self.manifest
        yield "model", f"{manifest.id}, {self.standing}"
        tuned = _TUNED.get(str(manifest.options.get("tune")), "")
        yield "made", f"{manifest.made} from {manifest.base_model}, {tuned}".rstrip(", ")
        yield "examples", f"{manifest.examples}{', of conversations too' if manifest.learned else ''}"
        yield "knows", f"{len(manifest.intents)} intents, {len({name for name, *_ in manifest.entities})} entities"
        yield "languages", ", ".join(manifest.languages) or "not told"
        yield "runs in", str(manifest.engine.get("precision", "torch"))
        yield "scores", ", ".join(f"{name} {value}" for name, value in self.scores) or "none"
        reasons = reasons_of(self.decision)
        yield from (("" if place else "the gate", reason) for place, reason in enumerate(reasons))
        yield from ((name, str(path)) for name, path in self.pages.items())


def reasons_of(decision: Mapping[str, Any]) -> list[str]:
    """Why the gate holds a model, or what it found; empty where nobody judged it."""
    if not decision:
        return []
    found = [f"{reason['what']}: {reason['sentence']}" for reason in decision.get("reasons", ())]
    found += [str(decision["why"])] if decision.get("why") else []
    return found or ["found nothing worse"]
