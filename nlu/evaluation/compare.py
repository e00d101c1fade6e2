"""Two models on the same texts: is one better, or was it luck?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from nlu.evaluation.entities import Pairs
from nlu.evaluation.intervals import Interval, interval
from nlu.evaluation.signs import Steps
from nlu.source import in_line
from nlu.types import Understanding, Verdict


@dataclass(frozen=True, slots=True)
class Changed:
    """A text that the two models understand differently, or do something else with."""

    text: str
    intent: str
    before: str
    after: str
    verdict_before: Verdict
    verdict_after: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """Of in-scope texts; `before` is the model compared with."""

    texts: int
    before: float
    """Accuracy."""
    after: float
    difference: Interval
    """95 % interval of the accuracies' difference, the texts drawn in pairs."""
    gained: int
    """Texts that only the new model understands."""
    lost: int
    p: float
    """How often equally good models would differ by so much or more (McNemar's exact test, two-sided)."""
    changed: tuple[Changed, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self, most: int = 20, *, judged: bool = True) -> str:
        """`judged`: with what the p says, where nobody else judges."""
        return "\n".join(self._lines(most, judged=judged))

    def _lines(self, most: int, *, judged: bool) -> Iterator[str]:
        points, low, high = (100 * step for step in (self.after - self.before, *self.difference))
        yield f"accuracy    {self.before:.1%} before, {self.after:.1%} now"
        yield f"            {points:+.1f} points [{low:+.1f}, {high:+.1f}]"
        gained = "1 text" if self.gained == 1 else f"{self.gained} texts"
        yield f"            {gained} gained, {self.lost} lost, p = {self.p:.3g}"
        if judged:
            yield f"            {self.judgement}"
        if self.changed:
            yield "understood or answered differently:"
        for changed in self.changed[:most]:
            yield (
                f"  {in_line(changed.text)}\n      {changed.before} ({changed.verdict_before}) -> "
                f"{changed.after} ({changed.verdict_after}), meant: {changed.intent}"
            )
        if len(self.changed) > most:
            yield f"  and {len(self.changed) - most} more; --json has them all"

    @property
    def judgement(self) -> str:
        """At the usual five per cent."""
        if self.p >= 0.05:
            return "The difference may well be chance."
        return "The new model is better." if self.gained > self.lost else "The new model is worse."


def compare(before: Pairs, after: Pairs) -> Comparison | None:
    """None without in-scope texts. Both are about the same examples, in the same order."""
    rows = [(example, old, new) for (example, old), (_, new) in zip(before, after, strict=True) if not example.outlier]
    if not rows:
        return None
    was = [old.intent.name == example.family for example, old, _ in rows]
    steps = Steps.of(was, [new.intent.name == example.family for example, _, new in rows])
    difference = steps.now.astype(int) - steps.was
    return Comparison(
        texts=len(rows),
        before=float(steps.was.mean()),
        after=float(steps.now.mean()),
        difference=interval(lambda drawn: difference[drawn].mean(), len(rows)),
        gained=len(steps.gained),
        lost=len(steps.lost),
        p=steps.p(),
        changed=tuple(
            Changed(example.text, example.family, old.intent.name, new.intent.name, old.verdict, new.verdict)
            for example, old, new in rows
            if _acts(old) != _acts(new)
        ),
    )


def _acts(found: Understanding) -> tuple[str, Verdict]:
    return found.intent.name, found.verdict
