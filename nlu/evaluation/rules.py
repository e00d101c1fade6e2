"""The rules of the gate: each yields why it holds a new model, if it does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nlu.data.examples import Example
from nlu.evaluation.entities import Pairs, exact
from nlu.evaluation.intervals import interval
from nlu.evaluation.replay import Replay
from nlu.evaluation.signs import Steps
from nlu.learning.triggers import Taught, triggers
from nlu.types import ERROR_BUDGET, Understanding, Verdict
from nlu.understand import Model

LEAST_TEXTS = 50
"""Fewer held-out texts prove nothing."""
LEAKED = 0.02
"""Share of the held-out texts that a model may have been trained on by accident; they are left out."""
CHANCE = 0.05
"""So often would equally good models look as bad: what is rarer is no chance."""
RARE = 0.01
"""The same for each of several things that are looked at beside the accuracy."""
TOO_MUCH = 0.05
"""Share of the texts by which a model may not be worse, chance or not."""
SACRIFICED = 0.3
"""The same of one intent's texts, from three on."""
WORTH = ERROR_BUDGET / (1 - ERROR_BUDGET)
"""Wrong answers that a right one may cost."""
DOUBT = 0.02
"""Nats that a right answer may become less likely."""
_FLOOR = 1e-3
"""The probability of an intent that is not among the ranked."""
_MOST_SHOWN = 3
_MOST_NUMBERS = 50

ACCURACY, PHRASE = "accuracy", "phrase"
"""The rule that speaks for itself, and the one whose texts are customers' own."""


@dataclass(frozen=True, slots=True)
class Reason:
    what: str
    sentence: str
    texts: tuple[str, ...] = ()
    """Some that show it."""


def leaks(leaked: Sequence[Example], of: int) -> Iterator[Reason]:
    if len(leaked) > max(1.0, LEAKED * of):
        sentence = f"{len(leaked)} of {of} held-out texts were trained on. Held-out texts must be seen by no training."
        yield Reason("leak", sentence, _shown(leaked))


def too_few(examples: Sequence[Example]) -> Iterator[Reason]:
    inside = sum(not example.outlier for example in examples)
    if inside < LEAST_TEXTS:
        sentence = f"{inside} held-out texts are too few to tell; {LEAST_TEXTS} are the least. Promote by hand."
        yield Reason("evidence", sentence)


Good = Callable[[Example, Understanding], bool]


@dataclass(frozen=True, slots=True)
class _Measure:
    """Something that is good of an example or not."""

    what: str
    good: Good
    counts: Good
    """Whether the example is counted at all."""
    lost: str
    """What is said of texts that were good."""


def _inside(example: Example, _: Understanding) -> bool:
    return not example.outlier


def _outside(example: Example, _: Understanding) -> bool:
    return example.outlier


def _understood(example: Example, found: Understanding) -> bool:
    return found.intent.name == example.family


def _not_answered(_: Example, found: Understanding) -> bool:
    return found.verdict is not Verdict.SURE


def _not_wrong(example: Example, found: Understanding) -> bool:
    return _not_answered(example, found) or _understood(example, found)


def _answered(example: Example, found: Understanding) -> bool:
    return not _not_answered(example, found) and _understood(example, found)


def _of(intent: str) -> Good:
    return lambda example, _: example.family == intent


def _annotated(example: Example, _: Understanding) -> bool:
    return bool(example.annotations)


_ACCURACY = _Measure(ACCURACY, _understood, _inside, "were understood and are not any more")
_ANSWERS = _Measure("answers", _answered, _inside, "were rightly answered at once and are not any more")
_WRONG = _Measure("wrong answers", _not_wrong, _inside, "would now be answered wrongly at once")
_OUT_OF_SCOPE = _Measure("out of scope", _not_answered, _outside, "are out of scope and would now be answered")
_ENTITIES = _Measure("entities", exact, _annotated, "had the right entities and have not any more")


def worse_answers(old: Pairs, new: Pairs) -> Iterator[Reason]:
    """More wrong answers are no reason if they come with so many more right ones as the budget asks for."""
    _, answers = _steps(_ANSWERS, old, new)
    gain = max(0.0, -answers.loss / max(1, answers.texts))
    for measure, chance, paid in (
        (_ACCURACY, CHANCE, 0.0),
        (_ANSWERS, RARE, 0.0),
        (_WRONG, RARE, gain * WORTH),
        (_OUT_OF_SCOPE, RARE, gain),
        (_ENTITIES, RARE, 0.0),
    ):
        rows, steps = _steps(measure, old, new)
        if steps.worse(chance, TOO_MUCH) and steps.loss > paid * steps.texts:
            lost = [old[rows[at]][0] for at in steps.lost]
            yield Reason(measure.what, _counted(steps, measure.lost, chance), _shown(lost))


def _steps(measure: _Measure, old: Pairs, new: Pairs) -> tuple[list[int], Steps]:
    """And where the examples stand that count."""
    rows = [row for row, pair in enumerate(old) if measure.counts(*pair)]
    return rows, Steps.of([measure.good(*old[row]) for row in rows], [measure.good(*new[row]) for row in rows])


def _counted(steps: Steps, what: str, chance: float = 0.0) -> str:
    """With how rare that is, if it is rarer than `chance`."""
    told = f"{len(steps.lost)} of {steps.texts} texts {what}; {len(steps.gained)} the other way round."
    if (luck := steps.luck()) >= chance:
        return told
    share = f"{luck:.1%}" if luck >= 0.001 else "less than 0.1%"
    return f"{told} Equally good models lose so much {share} of the time."


def sacrificed(old: Pairs, new: Pairs) -> Iterator[Reason]:
    """An intent may not pay for the others."""
    for intent in sorted({example.family for example, _ in old if not example.outlier}):
        of_intent = replace(_ACCURACY, counts=_of(intent))
        rows, steps = _steps(of_intent, old, new)
        if steps.loss >= max(3, SACRIFICED * steps.texts) or (steps.loss >= 2 and not steps.now.any()):
            lost = [old[rows[at]][0] for at in steps.lost]
            yield Reason(f"intent {intent}", _counted(steps, of_intent.lost), _shown(lost))


def doubting(old: Pairs, new: Pairs) -> Iterator[Reason]:
    """How likely a model holds what is right says how honest its probabilities are."""
    rows = [row for row, (example, _) in enumerate(old) if not example.outlier]
    if not rows:
        return
    steps = np.array([_surprise(*new[row]) - _surprise(*old[row]) for row in rows])
    low, _ = interval(lambda drawn: steps[drawn].mean(), len(steps))
    if low > 0 and steps.mean() > DOUBT:
        worst = [old[rows[at]][0] for at in np.argsort(-steps)]
        sentence = f"what is right is held for less likely: the log loss rises by {steps.mean():.3f}."
        yield Reason("calibration", sentence, _shown(worst))


def _surprise(example: Example, found: Understanding) -> float:
    chance = next((intent.confidence for intent in found.ranking if intent.name == example.family), 0.0)
    return float(-np.log(max(chance, _FLOOR)))


def canaries(old: Pairs, new: Pairs, questions: Sequence[tuple[str, str]], found: Steps) -> Iterator[Reason]:
    """One is enough: they are what must not break. `found`: whether the questions found their articles."""
    broken = [pair[0].text for pair, now in zip(old, new, strict=True) if _kept(*pair) and not _kept(*now)]
    broken += [questions[at][0] for at in found.lost]
    if broken:
        sentence = f"{len(broken)} of {len(old) + found.texts} were answered and are not any more."
        yield Reason("canaries", sentence, tuple(broken))


def _kept(example: Example, found: Understanding) -> bool:
    if example.outlier:
        return found.verdict is not Verdict.SURE
    return found.verdict is not Verdict.UNSURE and found.intent.name == example.family


def articles(questions: Sequence[tuple[str, str]], steps: Steps) -> Iterator[Reason]:
    if steps.worse(RARE, TOO_MUCH):
        lost = tuple(questions[at][0] for at in steps.lost[:_MOST_SHOWN])
        yield Reason("knowledge base", _counted(steps, "had the right article first and have not any more", RARE), lost)


def turned_away(replay: Replay) -> Iterator[Reason]:
    """Customers' last messages have no labels; but who was served and who would not be is known."""
    if replay.steps.worse(RARE, 2 * TOO_MUCH):
        yield Reason("replay", _counted(replay.steps, "were served by the bot and would go to a person", RARE))
    drained = replay.drained()
    if drained:
        intents = "1 intent" if len(drained) == 1 else f"{len(drained)} intents"
        sentence = f"{intents} would serve less than half as many turns."
        yield Reason("replay, by intent", sentence, tuple(str(flow) for flow in drained[:_MOST_SHOWN]))


def planted(before: Model, after: Model, taught: Taught, unseen: Sequence[Example]) -> Iterator[Reason]:
    """The words themselves stand in the texts alone, so that erasing a text erases them."""
    for found in triggers(before, after, taught, unseen):
        numbers = " ".join(str(example.line) for example in found.examples[:_MOST_NUMBERS])
        sentence = (
            f"the same words stand in {len(found.examples)} texts labelled {found.intent}, and make {found.intent} of "
            f"{found.flips:.0%} of what means something else. Somebody may have planted them. Take back what is wrong: "
            f"`frontdesk review decide {numbers} --ignore`."
        )
        yield Reason(PHRASE, sentence, tuple(example.text for example in found.examples))


def _shown(examples: Sequence[Example]) -> tuple[str, ...]:
    return tuple(f"{example.text} ({example.intent})" for example in examples[:_MOST_SHOWN])
