"""The figures of an evaluation: plain values that print and serialise themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nlu.budget import Choice
from nlu.evaluation.intervals import Interval


@dataclass(frozen=True, slots=True)
class IntentScore:
    intent: str
    examples: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Mistake:
    text: str
    intent: str
    found: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Texts whose first intent had about the same confidence."""

    confidence: float
    accuracy: float
    texts: int


@dataclass(frozen=True, slots=True)
class IntentScores:
    texts: int
    accuracy: float
    macro_f1: float
    calibration_error: float
    sure: float
    """Share of the texts that are acted on."""
    wrong_when_sure: float
    """Share of all texts that are acted on wrongly."""
    asked: float
    """Share of the texts answered by a question back."""
    by_intent: tuple[IntentScore, ...]
    mistakes: tuple[Mistake, ...]
    reliability: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Strict: the same characters, entity, role and group."""

    entities: int
    precision: float
    recall: float
    f1: float
    by_entity: dict[str, float]


@dataclass(frozen=True, slots=True)
class ScopeScores:
    texts: int
    auroc: float
    recall_at_95: float
    """Share of out-of-scope texts below the score that keeps 95 % of the in-scope texts."""
    kept: float
    """Share of in-scope texts that are acted on or asked about."""
    caught: float
    """Share of out-of-scope texts not acted on."""


@dataclass(frozen=True, slots=True)
class KnowledgeScores:
    questions: int
    first: float
    in_three: float
    reciprocal_rank: float
    sure: float
    wrong_when_sure: float


@dataclass(frozen=True, slots=True)
class SeveralScores:
    messages: int
    found: float
    """Share of the messages with several requests of which every intent was found, and no other."""
    singles: int
    split: float
    """Share of the messages with one request that were taken for more."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an error budget made of the in-scope texts, and of the others."""

    budget: float
    choice: Choice
    knowledge: float
    """Of all in-scope texts those neither answered nor asked about that found a passage it is sure of."""

    @property
    def handed_over(self) -> float:
        """In-scope texts for which nothing but a person is left."""
        return self.choice.left - self.knowledge


@dataclass(frozen=True, slots=True)
class Noisy:
    """The same texts with that share of their letters mistyped."""

    share: float
    accuracy: float
    answered: float
    wrong: float
    entity_f1: float | None = None
    """Strict; None where no entity is marked."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    model: str
    intents: IntentScores | None
    entities: EntityScores | None
    scope: ScopeScores | None
    knowledge: KnowledgeScores | None
    several: SeveralScores | None = None
    costs: tuple[Cost, ...] = ()
    """The boldest budget last."""
    noise: tuple[Noisy, ...] = ()
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    """95 % intervals of what `scores` gives, by name."""
    strangers: int = 0
    """Out-of-scope texts."""
    learnt: int = 0
    """Texts that the model was trained on, word for word: they make every figure look better than it is."""

    @property
    def lacking(self) -> str:
        """Why there are so few figures; else empty."""
        if self.intents or not self.strangers:
            return ""
        return (
            f"All {self.strangers} labelled texts are out of scope: accuracy, budgets and telling them from the others "
            "need in-scope texts, too."
        )

    @property
    def flattered(self) -> str:
        """Empty if the model saw none of the texts."""
        if not self.learnt:
            return ""
        return f"Trained on, word for word: {self.learnt} of the labelled texts. The figures flatter the model."

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def scores(self, prefix: str = "") -> dict[str, float]:
        """The figures that fit in a manifest."""
        return {
            prefix + name: getattr(scores, attribute)
            for part, names in _OF.items()
            if (scores := getattr(self, part)) is not None
            for name, attribute in names.items()
        }

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"model {self.model}"
        if self.lacking:
            yield self.lacking
        if self.flattered:
            yield self.flattered
        if (found := self.intents) is not None:
            yield f"intents     {found.texts} texts: accuracy {self._share('accuracy')}"
            yield f"            macro-F1 {self._share('macro_f1')}, calibration error {found.calibration_error:.3f}"
            yield (
                f"            acted on {found.sure:.1%} (wrongly {self._share('wrong_when_sure')} of all), "
                f"asked back {found.asked:.1%}"
            )
        if self.entities:
            yield f"entities    {self.entities.entities}: strict F1 {self._share('entity_f1')}"
        if self.scope:
            yield (
                f"scope       {self.scope.texts} out-of-scope texts: AUROC {self.scope.auroc:.3f}, "
                f"recall with 95 % in scope kept {self._share('scope_recall_at_95')}"
            )
            yield (
                f"            as set: {self.scope.kept:.1%} in scope acted on or asked about, "
                f"{self.scope.caught:.1%} out of scope not acted on"
            )
        if self.knowledge:
            yield f"knowledge   {self.knowledge.questions} questions: right article {self._share('knowledge_first')}"
            yield (
                f"            in three {self._share('knowledge_in_three')}, MRR {self.knowledge.reciprocal_rank:.3f}; "
                f"sure of {self.knowledge.sure:.1%} (wrongly {self.knowledge.wrong_when_sure:.1%} of all)"
            )
        if self.several:
            found_all = self._share("several_found")
            yield f"several     {self.several.messages} messages with several requests: all found {found_all}"
            if self.several.singles:
                yield f"            {self.several.singles} with one: taken for more {self._share('single_split')}"
        for noisy in self.noise:
            entities = "" if noisy.entity_f1 is None else f", entities F1 {noisy.entity_f1:.1%}"
            yield (
                f"typing      {noisy.share:4.0%} of the letters wrong: accuracy {noisy.accuracy:.1%}, "
                f"acted on {noisy.answered:.1%} (wrongly {noisy.wrong:.1%} of all){entities}"
            )

    def _share(self, name: str) -> str:
        value = f"{self.scores()[name]:.1%}"
        if name not in self.intervals:
            return value
        low, high = self.intervals[name]
        return f"{value} [{100 * low:.1f}, {100 * high:.1f}]"


_OF_INTENTS = {name: name for name in ("accuracy", "macro_f1", "calibration_error", "sure", "wrong_when_sure")}
_OF_ENTITIES = {"entity_f1": "f1"}
_OF_SCOPE = {"scope_auroc": "auroc", "scope_recall_at_95": "recall_at_95"}
_OF_KNOWLEDGE = {"knowledge_first": "first", "knowledge_in_three": "in_three"}
_OF_SEVERAL = {"several_found": "found", "single_split": "split"}
_OF = {
    "intents": _OF_INTENTS,
    "entities": _OF_ENTITIES,
    "scope": _OF_SCOPE,
    "knowledge": _OF_KNOWLEDGE,
    "several": _OF_SEVERAL,
}


def costs_text(costs: tuple[Cost, ...], chosen: float) -> str:
    """A table; the budget in use is marked."""
    rows: list[tuple[str, ...]] = [
        ("budget", "sure from", "answered", "wrongly", "asked back", "knowledge", "person", "strangers answered")
    ]
    for cost in costs:
        choice = cost.choice
        shares = (choice.answered, choice.wrong, choice.asked, cost.knowledge, cost.handed_over, choice.strangers)
        mark = "* " if cost.budget == chosen else "  "
        sure = f"{choice.sure:.1%}" if choice.sure <= 1 else "never"
        rows.append((f"{mark}{cost.budget:.1%}", sure, *(f"{share:.1%}" for share in shares)))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
