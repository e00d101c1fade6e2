"""How two models differ, as their manifests tell it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nlu.manifest import Manifest

Pair = tuple[Any, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    before: str
    after: str
    same_data: bool
    examples: Pair
    """So many each learnt from, those of conversations among them."""
    same_learned: bool
    """Whether it was the same that they learnt from conversations."""
    intents_added: tuple[str, ...]
    intents_removed: tuple[str, ...]
    settings: Mapping[str, Pair]
    """Options and versions that are not the same."""
    scores: Mapping[str, Pair]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.before} -> {self.after}"
        yield "The data are the same." if self.same_data else "The data differ."
        if not self.same_learned:
            yield "What they learnt from conversations differs."
        if self.examples[0] != self.examples[1]:
            yield f"{'examples':32} {self.examples[0]} -> {self.examples[1]}"
        for what, intents in (("new", self.intents_added), ("gone", self.intents_removed)):
            if intents:
                yield f"{what} intents: {', '.join(intents)}"
        yield from (f"{name:32} {_shown(was)} -> {_shown(now)}" for name, (was, now) in self.settings.items())
        for name, (was, now) in self.scores.items():
            step = f"  {now - was:+.4f}" if was is not None and now is not None else ""
            yield f"{name:32} {_shown(was)} -> {_shown(now)}{step}"


def difference(before: Manifest, after: Manifest) -> Difference:
    was, now = ({**manifest.options, **manifest.versions} for manifest in (before, after))
    return Difference(
        before.id,
        after.id,
        before.data_hash == after.data_hash,
        (before.examples, after.examples),
        before.learned == after.learned,
        tuple(sorted(set(after.intents) - set(before.intents))),
        tuple(sorted(set(before.intents) - set(after.intents))),
        _pairs(was, now),
        _pairs(before.scores, after.scores),
    )


def _pairs(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Pair]:
    both = {name: (was.get(name), now.get(name)) for name in (*was, *(name for name in now if name not in was))}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "-" if value is None else str(value)
