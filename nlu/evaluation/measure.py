"""Scores a model on labelled texts that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nlu.budget import BUDGETS, Curve, Tried, choice
from nlu.data.examples import Example
from nlu.data.knowledge import FOLDER
from nlu.data.reader import read_examples
from nlu.data.table import columns_of, read_questions, read_table
from nlu.evaluation.entities import Pairs, entity_intervals, entity_scores
from nlu.evaluation.intents import intent_intervals, intent_scores
from nlu.evaluation.knowledge import knowledge_intervals, knowledge_scores
from nlu.evaluation.scope import scope_intervals, scope_scores
from nlu.evaluation.scores import Cost, Evaluation, Noisy
from nlu.evaluation.several import Message, read_several, several_intervals, several_scores
from nlu.intents import Thresholds, verdict
from nlu.noise import all_mistyped
from nlu.source import DataError
from nlu.types import Understanding, Verdict
from nlu.understand import Model

NOISE = (0.0, 0.05, 0.1, 0.2)
"""Shares of letters mistyped, for a robustness curve."""
_AT_ONCE = 256
"""Texts that go to the model together: of many, those of like length find each other."""

Answers = Mapping[str, Understanding]
"""What a model said of texts, each as one request."""
NOTHING_SAID: Answers = {}


@dataclass(frozen=True, slots=True)
class Said:
    """A model, and what it said of texts already: in one run nobody asks it twice."""

    model: Model
    answers: Answers


@dataclass(frozen=True, slots=True)
class Texts:
    """What a model can be asked, with the answers."""

    examples: Sequence[Example]
    questions: Sequence[tuple[str, str]] = ()
    """With the article's name."""
    messages: Sequence[Message] = ()
    """With several requests, or looking so."""


def read_texts(data: Path) -> Texts:
    """`data` is Rasa NLU YAML, also with the key `several`, a CSV `text,intent` or `question,article`, or a folder of
    them. Raises DataError, also for another CSV."""
    tables = _tables(data)
    asked = [file for file in tables if "question" in columns_of(file)]
    questions = [pair for file in asked for pair in read_questions(file)]
    examples = list(read_examples(data).examples if data not in asked else ())
    if data.is_dir():
        examples += [one for file in tables if file not in asked for one in read_table(file)]
    messages = read_several(data)
    if not examples and not questions and not messages:
        raise DataError(data, None, "there are no labelled texts.", "Give YAML with examples or a CSV 'text,intent'.")
    return Texts(examples, questions, messages)


def _tables(data: Path) -> list[Path]:
    """Without the knowledge base's own."""
    files = [data] if data.is_file() else sorted(data.rglob("*"))
    inside = [file for file in files if FOLDER not in file.relative_to(data).parts]
    return [file for file in inside if file.suffix.lower() == ".csv" and file.is_file()]


def evaluate(
    model: Model,
    texts: Texts,
    budgets: Iterable[float] = BUDGETS,
    noise: Sequence[float] = (),
    said: Answers = NOTHING_SAID,
) -> Evaluation:
    """With the costs of the budgets, and the robustness against such shares of mistyped letters.

    `said`: what the model said already.
    """
    pairs = understood(model, texts.examples, said)
    asked = [text for text, _ in texts.questions] if model.retriever else []
    found = scored(model.id, pairs, list(zip(texts.questions, asked_whole(model, asked, said), strict=False)))
    inside = [example for example in texts.examples if not example.outlier]
    messages = _in_batches(model.understand_now, [message.text for message in texts.messages])
    several = list(zip(texts.messages, messages, strict=True))
    return replace(
        found,
        several=several_scores(several),
        intervals={**found.intervals, **several_intervals(several)},
        costs=tuple(_cost(model, budget, pairs) for budget in sorted(budgets)) if inside else (),
        noise=tuple(_noisy(model, inside, share) for share in noise) if inside else (),
        learnt=sum(example.text in model.remembered for example in texts.examples),
    )


def said_of(model: Model, texts: Texts) -> Said:
    """Of all that are one request each."""
    asked = [*(example.text for example in texts.examples), *(text for text, _ in texts.questions)]
    return Said(model, dict(zip(asked, asked_whole(model, asked), strict=True)))


def understood(model: Model, examples: Sequence[Example], said: Answers = NOTHING_SAID) -> Pairs:
    return list(zip(examples, asked_whole(model, [example.text for example in examples], said), strict=True))


def asked_whole(model: Model, texts: Sequence[str], said: Answers = NOTHING_SAID) -> list[Understanding]:
    """Each text as one request; of the same text once, and not of what the model `said` already."""
    new = [text for text in dict.fromkeys(texts) if text not in said]
    found = {**said, **dict(zip(new, _in_batches(model.understand_whole, new), strict=True))}
    return [found[text] for text in texts]


def _in_batches(
    understand: Callable[[Sequence[str]], list[Understanding]], texts: Sequence[str]
) -> list[Understanding]:
    return [found for start in range(0, len(texts), _AT_ONCE) for found in understand(texts[start : start + _AT_ONCE])]


def scored(name: str, pairs: Pairs, questions: Sequence[tuple[tuple[str, str], Understanding]] = ()) -> Evaluation:
    """Of texts that may have been understood by several models, each with thresholds of its own."""
    inside = [(example, found) for example, found in pairs if not example.outlier]
    outside = [found for example, found in pairs if example.outlier]
    annotated = any(example.annotations for example, _ in inside)
    both = ([found for _, found in inside], outside) if inside and outside else None
    intervals: Mapping[str, tuple[float, float]] = {
        **(intent_intervals(inside) if inside else {}),
        **(entity_intervals(inside) if annotated else {}),
        **(scope_intervals(*both) if both else {}),
        **(knowledge_intervals(questions) if questions else {}),
    }
    return Evaluation(
        name,
        intent_scores(inside) if inside else None,
        entity_scores(inside) if annotated else None,
        scope_scores(*both) if both else None,
        knowledge_scores(questions) if questions else None,
        intervals=intervals,
        strangers=len(outside),
    )


def _cost(model: Model, budget: float, pairs: Pairs) -> Cost:
    thresholds = Thresholds.keeping(budget, Curve.from_json(model.manifest.budget), **model.manifest.thresholds)
    verdicts = [verdict(found.ranking, found.scope, thresholds) for _, found in pairs]
    known = np.array([not example.outlier for example, _ in pairs])
    answered = np.array([decided is Verdict.SURE for decided, _ in verdicts])
    asked = np.array([decided is Verdict.AMBIGUOUS for decided, _ in verdicts])
    right = np.array([found.intent.name == example.family for example, found in pairs])
    among = np.array([
        example.family in [intent.name for intent in offered]
        for (example, _), (_, offered) in zip(pairs, verdicts, strict=True)
    ])  # fmt: skip
    passage = np.array([bool(found.passages) and found.passages[0].sure for _, found in pairs])
    tried = Tried(answered[known], right[known], asked[known], among[known])
    return Cost(
        budget,
        choice(thresholds.sure, thresholds.ambiguous, tried, answered[~known]),
        float((passage & ~answered & ~asked)[known].mean()),
    )


def _noisy(model: Model, inside: Sequence[Example], share: float) -> Noisy:
    pairs = understood(model, all_mistyped(inside, share))
    found, marked = intent_scores(pairs), any(example.annotations for example, _ in pairs)
    entities = entity_scores(pairs).f1 if marked else None
    return Noisy(share, found.accuracy, found.sure, found.wrong_when_sure, entities)
