"""Scores a model on labelled texts that it was not trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlu.data.examples import Example
from nlu.data.knowledge import FOLDER
from nlu.data.reader import read_examples
from nlu.data.table import columns_of, read_questions
from nlu.source import DataError
from nlu.types import Intent, Understanding, Verdict
from nlu.understand import Model

BINS = 15
_AT_ONCE = 64


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
    """Share of in-scope texts above the model's own threshold."""
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
class Evaluation:
    model: str
    intents: IntentScores | None
    entities: EntityScores | None
    scope: ScopeScores | None
    knowledge: KnowledgeScores | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def scores(self, prefix: str = "") -> dict[str, float]:
        """The figures that fit in a manifest."""
        found: dict[str, float] = {}
        if self.intents:
            found["accuracy"] = self.intents.accuracy
            found["macro_f1"] = self.intents.macro_f1
            found["calibration_error"] = self.intents.calibration_error
            found["sure"] = self.intents.sure
            found["wrong_when_sure"] = self.intents.wrong_when_sure
        if self.entities:
            found["entity_f1"] = self.entities.f1
        if self.scope:
            found["scope_auroc"] = self.scope.auroc
            found["scope_recall_at_95"] = self.scope.recall_at_95
        if self.knowledge:
            found["knowledge_first"] = self.knowledge.first
            found["knowledge_in_three"] = self.knowledge.in_three
        return {prefix + name: value for name, value in found.items()}

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"model {self.model}"
        if (found := self.intents) is not None:
            yield f"intents     {found.texts} texts: accuracy {found.accuracy:.1%}, macro-F1 {found.macro_f1:.1%}"
            yield f"            calibration error {found.calibration_error:.3f}"
            yield (
                f"            acted on {found.sure:.1%} (wrongly {found.wrong_when_sure:.1%} of all), "
                f"asked back {found.asked:.1%}"
            )
        if self.entities:
            yield f"entities    {self.entities.entities}: strict F1 {self.entities.f1:.1%}"
        if self.scope:
            yield (
                f"scope       {self.scope.texts} out-of-scope texts: AUROC {self.scope.auroc:.3f}, "
                f"recall with 95 % in scope kept {self.scope.recall_at_95:.1%}"
            )
            yield f"            as set: {self.scope.kept:.1%} in scope kept, {self.scope.caught:.1%} not acted on"
        if self.knowledge:
            yield (
                f"knowledge   {self.knowledge.questions} questions: right article first {self.knowledge.first:.1%}, "
                f"in three {self.knowledge.in_three:.1%}, MRR {self.knowledge.reciprocal_rank:.3f}"
            )


def evaluate(model: Model, data: Path) -> Evaluation:
    """`data` is Rasa NLU YAML, a CSV `text,intent` or `question,article`, or a folder of them. Raises DataError."""
    questions = [pair for file in _question_files(data) for pair in read_questions(file)]
    examples = read_examples(data).examples if not (data.is_file() and questions) else ()
    if not examples and not questions:
        raise DataError(data, None, "there are no labelled texts.", "Give YAML with examples or a CSV 'text,intent'.")
    understood = _understood(model, [example.text for example in examples])
    pairs = list(zip(examples, understood, strict=True))
    inside = [(example, found) for example, found in pairs if not example.outlier]
    outside = [found for example, found in pairs if example.outlier]
    return Evaluation(
        model.id,
        _intent_scores(inside) if inside else None,
        _entity_scores(inside) if any(example.annotations for example, _ in inside) else None,
        _scope_scores([found for _, found in inside], outside) if inside and outside else None,
        _knowledge_scores(model, questions) if questions and model.retriever else None,
    )


def _question_files(data: Path) -> list[Path]:
    files = (
        [data] if data.is_file() else sorted(f for f in data.rglob("*.csv") if FOLDER not in f.relative_to(data).parts)
    )
    return [file for file in files if file.suffix.lower() == ".csv" and "question" in columns_of(file)]


def _understood(model: Model, texts: Sequence[str]) -> list[Understanding]:
    return [
        found
        for start in range(0, len(texts), _AT_ONCE)
        for found in model.understand_now(texts[start : start + _AT_ONCE])
    ]


Pairs = Sequence[tuple[Example, Understanding]]


def _intent_scores(pairs: Pairs) -> IntentScores:
    return intent_scores(
        [example.text for example, _ in pairs],
        [example.intent for example, _ in pairs],
        [found.intent for _, found in pairs],
        [found.verdict for _, found in pairs],
    )


def intent_scores(
    texts: Sequence[str], intents: Sequence[str], first: Sequence[Intent], verdicts: Sequence[Verdict]
) -> IntentScores:
    """Of texts with the intents meant, the intents found first, and what the model would do. None may be empty."""
    wanted = [intent.partition("/")[0] for intent in intents]
    right = np.array([intent.name == name for intent, name in zip(first, wanted, strict=True)])
    confident = np.array([intent.confidence for intent in first])
    sure = np.array([verdict is Verdict.SURE for verdict in verdicts])
    by_intent = _by_intent(wanted, [intent.name for intent in first])
    bins = _reliability(confident, right)
    return IntentScores(
        texts=len(wanted),
        accuracy=float(right.mean()),
        macro_f1=float(np.mean([score.f1 for score in by_intent])),
        calibration_error=sum(abs(b.accuracy - b.confidence) * b.texts for b in bins) / len(wanted),
        sure=float(sure.mean()),
        wrong_when_sure=float((sure & ~right).mean()),
        asked=sum(verdict is Verdict.AMBIGUOUS for verdict in verdicts) / len(wanted),
        by_intent=by_intent,
        mistakes=tuple(
            Mistake(text, name, intent.name, intent.confidence)
            for text, name, intent, hit in zip(texts, wanted, first, right, strict=True)
            if not hit
        ),
        reliability=bins,
    )


def _by_intent(wanted: list[str], found: list[str]) -> tuple[IntentScore, ...]:
    hits = Counter(name for name, other in zip(wanted, found, strict=True) if name == other)
    in_wanted, in_found = Counter(wanted), Counter(found)
    return tuple(
        IntentScore(
            name,
            in_wanted[name],
            hits[name] / in_found[name] if in_found[name] else 0.0,
            hits[name] / in_wanted[name],
            2 * hits[name] / (in_wanted[name] + in_found[name]),
        )
        for name in sorted(in_wanted)
    )


def _reliability(confident: np.ndarray, right: np.ndarray) -> tuple[Bin, ...]:
    places = np.minimum((confident * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            float(confident[places == place].mean()), float(right[places == place].mean()), int((places == place).sum())
        )
        for place in np.unique(places)
    )


def _entity_scores(pairs: Pairs) -> EntityScores:
    wanted = [(n, a.start, a.end, a.entity, a.role, a.group) for n, (e, _) in enumerate(pairs) for a in e.annotations]
    found = [(n, a.start, a.end, a.entity, a.role, a.group) for n, (_, u) in enumerate(pairs) for a in u.entities]
    hits = set(wanted) & set(found)
    names = sorted({key[3] for key in wanted})
    of = {name: tuple(sum(key[3] == name for key in keys) for keys in (hits, wanted, found)) for name in names}
    return EntityScores(
        len(wanted),
        len(hits) / len(found) if found else 0.0,
        len(hits) / len(wanted),
        2 * len(hits) / (len(wanted) + len(found)),
        {name: 2 * hit / (want + had) for name, (hit, want, had) in of.items()},
    )


def _scope_scores(inside: list[Understanding], outside: list[Understanding]) -> ScopeScores:
    within = np.array([found.scope for found in inside])
    beyond = np.array([found.scope for found in outside])
    return ScopeScores(
        texts=len(outside),
        auroc=_auroc(within, beyond),
        recall_at_95=float((beyond < np.quantile(within, 0.05)).mean()),
        kept=sum(found.verdict is not Verdict.UNSURE for found in inside) / len(inside),
        caught=sum(found.verdict is not Verdict.SURE for found in outside) / len(outside),
    )


def _auroc(high: np.ndarray, low: np.ndarray) -> float:
    """The chance that one of `high` is above one of `low`; ties count half."""
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(below.sum() / (2 * len(high) * len(low)))


def _knowledge_scores(model: Model, questions: list[tuple[str, str]]) -> KnowledgeScores:
    understood = _understood(model, [question for question, _ in questions])
    ranks = [
        next((rank for rank, passage in enumerate(found.passages, 1) if passage.article == article), 0)
        for (_, article), found in zip(questions, understood, strict=True)
    ]
    sure = [bool(found.passages) and found.passages[0].sure for found in understood]
    count = len(questions)
    return KnowledgeScores(
        count,
        sum(rank == 1 for rank in ranks) / count,
        sum(rank > 0 for rank in ranks) / count,
        sum(1 / rank for rank in ranks if rank) / count,
        sum(sure) / count,
        sum(shown and rank != 1 for shown, rank in zip(sure, ranks, strict=True)) / count,
    )
