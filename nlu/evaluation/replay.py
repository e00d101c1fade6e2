"""Customers' last messages asked of two models: which answers would change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from nlu.evaluation.measure import NOTHING_SAID, Answers, asked_whole
from nlu.evaluation.signs import Steps
from nlu.source import in_line
from nlu.types import Understanding, Verdict, family
from nlu.understand import Model

PERSON = "a person"
LEAST = 8
"""Turns that an answer must have served before one says that it dries up."""
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Change:
    before: str
    after: str
    turns: int
    texts: tuple[str, ...]
    """Some of them."""


@dataclass(frozen=True, slots=True)
class Flow:
    """How many turns an intent served, and would serve."""

    intent: str
    before: int
    after: int
    to: str = ""
    """Where most of them go."""

    def __str__(self) -> str:
        return f"{self.intent}: {self.before}, now {self.after}" + (f"; most go to {self.to}" if self.to else "")


@dataclass(frozen=True, slots=True)
class Replay:
    turns: int
    changes: tuple[Change, ...]
    """Most frequent first."""
    flows: tuple[Flow, ...]
    """Of the intents that the old model knows."""
    steps: Steps
    """Whether the bot has an answer at all, turn by turn."""

    def to_json(self) -> dict[str, Any]:
        changes, flows = ([asdict(one) for one in many] for many in (self.changes, self.flows))
        return {"turns": self.turns, "changed": self.changed, "changes": changes, "flows": flows}

    def unquoted(self) -> Self:
        return replace(self, changes=tuple(replace(change, texts=()) for change in self.changes))

    @property
    def changed(self) -> int:
        return sum(change.turns for change in self.changes)

    def drained(self) -> list[Flow]:
        """Intents that would serve less than half as many turns."""
        return [flow for flow in self.flows if flow.before >= LEAST and 2 * flow.after < flow.before]

    def to_text(self, most: int = 20) -> str:
        return "\n".join(self._lines(most))

    def _lines(self, most: int) -> Iterator[str]:
        share = f"{self.changed / self.turns:.1%}"
        yield f"replay      {self.turns} turns, {self.changed} of them answered differently ({share})"
        for change in self.changes[:most]:
            yield f"  {change.turns:4}  {change.before} -> {change.after}"
            yield from (f"        {in_line(text)}" for text in change.texts)
        if len(self.changes) > most:
            yield f"  and {len(self.changes) - most} kinds more; --json has them all"


def replayed(
    before: Model,
    after: Model,
    turns: Sequence[str],
    said: Answers = NOTHING_SAID,
    unanswered: Collection[str] = (),
) -> Replay:
    """`turns`: at least one text; `said`: what the new model said already; `unanswered`: intents that no rule has."""
    asked = asked_whole(before, turns), asked_whole(after, turns, said)
    old, new = ([answer(one, unanswered) for one in found] for found in asked)
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for text, was, now in zip(turns, old, new, strict=True):
        if was != now:
            groups[was, now].append(text)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    changes = tuple(Change(*pair, len(texts), tuple(texts[:_SHOWN])) for pair, texts in ordered)
    flows = _flows(old, new, *({family(name) for name in model.manifest.intents} for model in (before, after)))
    return Replay(len(turns), changes, flows, Steps.of(*([one != PERSON for one in row] for row in (old, new))))


def answer(found: Understanding, unanswered: Collection[str] = ()) -> str:
    """What the customer gets: an intent's answer, a question back, an article, a person."""
    if found.verdict is Verdict.SURE and found.intent.name not in unanswered:
        return found.intent.name
    if found.verdict is Verdict.AMBIGUOUS:
        return "a question back"
    if found.passages and found.passages[0].sure:
        return f"article {found.passages[0].article}"
    return PERSON


def _flows(old: Sequence[str], new: Sequence[str], known: set[str], later: set[str]) -> tuple[Flow, ...]:
    """What goes to an intent that is new, is no loss."""
    settled = [was if now in later - known else now for was, now in zip(old, new, strict=True)]
    return tuple(_flow(intent, old, settled) for intent in sorted(known & set(old)))


def _flow(intent: str, old: Sequence[str], new: Sequence[str]) -> Flow:
    to = Counter(now for was, now in zip(old, new, strict=True) if was == intent != now).most_common(1)
    return Flow(intent, old.count(intent), new.count(intent), to[0][0] if to else "")
