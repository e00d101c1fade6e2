"""Scores of intents and of what is done with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import Example
from nlu.evaluation.intervals import Interval, Rows, interval
from nlu.evaluation.scores import Bin, IntentScore, IntentScores, Mistake
from nlu.types import Intent, Understanding, Verdict

BINS = 15
"""Of the calibration error and the reliability diagram."""

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


def intent_scores(pairs: Sequence[tuple[Example, Understanding]]) -> IntentScores:
    """Of in-scope texts; none of them is no figure."""
    return scores_of(
        [example for example, _ in pairs], [found.intent for _, found in pairs], [found.verdict for _, found in pairs]
    )


def scores_of(examples: Sequence[Example], first: Sequence[Intent], verdicts: Sequence[Verdict]) -> IntentScores:
    """Of in-scope texts with the intents found first, and what the model would do."""
    found = [intent.name for intent in first]
    right = np.array([example.family == name for example, name in zip(examples, found, strict=True)])
    confident = np.array([intent.confidence for intent in first])
    sure = np.array([verdict is Verdict.SURE for verdict in verdicts])
    wanted = [example.family for example in examples]
    by_intent = _by_intent(wanted, found)
    bins = reliability(confident, right)
    return IntentScores(
        texts=len(wanted),
        accuracy=float(right.mean()),
        macro_f1=float(np.mean([score.f1 for score in by_intent])),
        calibration_error=_calibration_error(bins),
        sure=float(sure.mean()),
        wrong_when_sure=float((sure & ~right).mean()),
        asked=sum(verdict is Verdict.AMBIGUOUS for verdict in verdicts) / len(wanted),
        by_intent=by_intent,
        mistakes=tuple(
            Mistake(example.text, example.family, intent.name, intent.confidence)
            for example, intent, hit in zip(examples, first, right, strict=True)
            if not hit
        ),
        reliability=bins,
    )


def intent_intervals(pairs: Sequence[tuple[Example, Understanding]]) -> dict[str, Interval]:
    wanted, found, count = _numbered(
        [example.family for example, _ in pairs], [found.intent.name for _, found in pairs]
    )
    right = wanted == found
    confident = np.array([found.intent.confidence for _, found in pairs])
    sure = np.array([found.verdict is Verdict.SURE for _, found in pairs])

    def macro_f1(rows: Rows) -> float:
        hits, of, had = _counts(wanted[rows], found[rows], count)
        return float((2 * hits[of > 0] / (of + had)[of > 0]).mean())

    return {
        "accuracy": interval(lambda rows: right[rows].mean(), len(pairs)),
        "macro_f1": interval(macro_f1, len(pairs)),
        "calibration_error": interval(
            lambda rows: _calibration_error(reliability(confident[rows], right[rows])), len(pairs)
        ),
        "sure": interval(lambda rows: sure[rows].mean(), len(pairs)),
        "wrong_when_sure": interval(lambda rows: (sure & ~right)[rows].mean(), len(pairs)),
    }


def _numbered(wanted: Sequence[str], found: Sequence[str]) -> tuple[Numbers, Numbers, int]:
    names = {name: number for number, name in enumerate(sorted({*wanted, *found}))}
    return np.array([names[name] for name in wanted]), np.array([names[name] for name in found]), len(names)


def _counts(wanted: Numbers, found: Numbers, count: int) -> tuple[Numbers, Numbers, Numbers]:
    """Per intent: right, meant, found."""
    return (
        np.bincount(wanted[wanted == found], minlength=count),
        np.bincount(wanted, minlength=count),
        np.bincount(found, minlength=count),
    )


def _by_intent(wanted: Sequence[str], found: Sequence[str]) -> tuple[IntentScore, ...]:
    names = sorted({*wanted, *found})
    rows = zip(names, *(counts.tolist() for counts in _counts(*_numbered(wanted, found))), strict=True)
    return tuple(
        IntentScore(name, of, hits / had if had else 0.0, hits / of, 2 * hits / (of + had))
        for name, hits, of, had in rows
        if of
    )


def reliability(confident: NDArray[np.float64], right: Flags) -> tuple[Bin, ...]:
    places = np.minimum((confident * BINS).astype(int), BINS - 1)
    texts = np.bincount(places, minlength=BINS)
    sums = (np.bincount(places, weights=values, minlength=BINS) for values in (confident, right))
    means = [summed / np.maximum(texts, 1) for summed in sums]
    return tuple(Bin(float(means[0][at]), float(means[1][at]), int(texts[at])) for at in np.flatnonzero(texts))


def _calibration_error(bins: Sequence[Bin]) -> float:
    texts = sum(found.texts for found in bins)
    return sum(abs(found.accuracy - found.confidence) * found.texts for found in bins) / texts
