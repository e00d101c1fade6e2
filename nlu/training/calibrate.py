"""Temperature, scope and thresholds from examples that the network had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import compress, pairwise, product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nlu.budget import Choice, Curve, Tried, choice
from nlu.data.examples import OUTLIER
from nlu.engine.network import Network
from nlu.families import Families
from nlu.intents import MOST_CANDIDATES, offered, probabilities
from nlu.neighbours import Neighbours, grouped, joined, voted
from nlu.scope import Scope
from nlu.similarity import UnitVectors
from nlu.training.fit import Predicted, logistic
from nlu.training.newton import weighted_logistic
from nlu.training.prepare import Prepared

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

KEPT_IN_SCOPE = 0.96
"""Share of in-scope texts that the scope threshold lets through."""
ASKED_RIGHT = 0.85
"""Share of questions back to the customer that should offer the right meaning."""
_OUTLIER_RIDGE = 0.3
_EXPECTED = np.array([2.0, 1.0, 0.0, 4.0])
"""Weights of energy, nearness and outlier direction, and the bias, where no outliers say better."""
_TRUST = np.array([10.0, 10.0, 10.0, 0.01])
"""Outliers that it takes to change them."""
_WEIGHTS = (1.0, 0.5, 0.0)
_STEPS = np.linspace(0.5, 0.995, 100)
NEVER = 1.01
"""A threshold that no probability reaches."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a network said of examples that it was not trained on."""

    rows: Integers
    intents: Integers
    """Class, or OUTLIER."""
    scores: Floats
    closest: Floats
    """Of Neighbours."""
    start: Floats
    """Scores of the head as it was before training."""
    embeddings: Floats
    signals: Floats
    """Of Scope: energy, nearness, outlier direction."""

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.not_equal(self.intents, OUTLIER)

    def with_votes(self, near: float, start: float) -> HeldOut:
        """Of the neighbours and of the head before training, with these weights."""
        scores = joined(self.scores, self.closest, near) if near else self.scores
        return replace(self, scores=voted(scores, self.start, start))


@dataclass(frozen=True, slots=True)
class Calibration:
    near: float
    """The vote's weight of the neighbours."""
    start: float
    """And of the head before training."""
    temperature: float
    scope: Scope
    lowest: float
    """Scope score below which nothing is guessed."""
    curve: Curve


@dataclass(frozen=True, slots=True)
class Learnt:
    """A network, and how to read what it says."""

    network: Network
    points: Tensor
    """Where it sees the examples."""
    held: HeldOut
    """With the votes."""
    calibration: Calibration


def calibrate(held: HeldOut, prepared: Prepared) -> tuple[HeldOut, Calibration]:
    """The network's scores come from held-out rows, which come back with the votes; the examples to be near to are all
    of them."""
    near, start = votes(held)
    held = held.with_votes(near, start)
    scope = fitted_scope(held, *scope_of(prepared, prepared.examples))
    heat = temperature(held)
    in_scope = scope.folded(held.signals)
    lowest = float(np.quantile(in_scope[held.known], 1 - KEPT_IN_SCOPE))
    likely = probabilities(held.scores, heat)
    return held, Calibration(near, start, heat, scope, lowest, curve(held, likely, in_scope >= lowest, prepared.names))


def held_out(prepared: Prepared, trained: Sequence[int], rows: Sequence[int], said: Predicted) -> HeldOut:
    """What a network fitted on `trained` has `said` of all examples, of `rows`."""
    trained = [row for row in trained if row in prepared.examples]
    examples, direction = scope_of(prepared, trained)
    embeddings, scores = prepared.embeddings[list(rows)].cpu().numpy(), said.scores[rows].numpy()
    blank = np.zeros(3, np.float32)
    return HeldOut(
        rows=np.array(rows),
        intents=prepared.intents[list(rows)].cpu().numpy(),
        scores=scores,
        closest=neighbours(said.points, prepared, trained, 1.0).closest(said.points[rows].numpy()),
        start=said.start[rows].numpy(),
        embeddings=embeddings,
        signals=Scope(examples, direction, blank, blank + 1, blank, 0.0).signals(embeddings, scores),
    )


def in_one(parts: Sequence[HeldOut]) -> HeldOut:
    columns = [column.name for column in fields(HeldOut)]
    return HeldOut(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns})


def neighbours(points: Tensor, prepared: Prepared, rows: Sequence[int], weight: float) -> Neighbours:
    """The in-scope examples among `rows`, where the network sees them: `points` of all."""
    known = [row for row in rows if prepared.intents[row] != OUTLIER]
    intents = prepared.intents[known].cpu().numpy()
    return grouped(points[known].numpy(), intents, len(prepared.names), weight)


def votes(held: HeldOut) -> tuple[float, float]:
    """The weights of the neighbours and of the head before training under which held-out texts are most likely what
    they are."""
    return min(product(_WEIGHTS, reversed(_WEIGHTS)), key=lambda weights: _log_loss(held.with_votes(*weights))[0])


def scope_of(prepared: Prepared, rows: Sequence[int]) -> tuple[UnitVectors, Floats]:
    """The in-scope unit vectors among `rows`, and the direction that tells them from the outliers."""
    chosen = torch.tensor(list(rows), device=prepared.intents.device)
    inside = prepared.intents[chosen] != OUTLIER
    vectors = prepared.embeddings[chosen]
    examples = vectors[inside].cpu().numpy()
    if bool(inside.all()):
        return UnitVectors.of(examples), np.zeros(examples.shape[1], np.float32)
    weight, _ = logistic(vectors, inside.long(), 2, _OUTLIER_RIDGE)
    return UnitVectors.of(examples), (weight[1] - weight[0]).cpu().numpy()


def temperature(held: HeldOut) -> float:
    """The one with the least log loss (Guo et al. 2017)."""
    return _log_loss(held)[1]


def _log_loss(held: HeldOut) -> tuple[float, float]:
    """The least there is, and its temperature; the targets are Platt's, so that few examples stay modest."""
    scores, intents = held.scores[held.known], held.intents[held.known]
    doubt = 1 / (len(intents) + 2)

    def loss(log_temperature: float) -> float:
        logs = np.log(probabilities(scores, float(np.exp(log_temperature))) + 1e-12)
        return float(-((1 - doubt) * logs[np.arange(len(intents)), intents] + doubt * logs.mean(1)).mean())

    best = _lowest(loss, np.log(0.05), np.log(20.0))
    return loss(best), float(np.exp(best))


def _lowest(loss: Callable[[float], float], low: float, high: float) -> float:
    """Golden-section search."""
    ratio = (5**0.5 - 1) / 2
    for _ in range(40):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return (low + high) / 2


def fitted_scope(held: HeldOut, examples: UnitVectors, direction: Floats) -> Scope:
    """What held-out outliers say of the signals' weights, as far as they are enough to say something."""
    inside = held.signals[held.known]
    centre, spread = inside.mean(0), np.maximum(inside.std(0), 1e-6)
    scaled = (held.signals - centre) / spread
    outliers = int((~held.known).sum())
    balance = np.where(held.known, outliers / max(1, held.known.sum()), 1.0)
    design = np.column_stack([scaled, np.ones(len(scaled))]).astype(np.float64)
    found = weighted_logistic(design, held.known, balance, _EXPECTED, _TRUST) if outliers else _EXPECTED
    weights = np.maximum(found[:-1], 0).astype(np.float32)
    return Scope(examples, direction, centre, spread, weights, float(found[-1]))


def curve(held: HeldOut, likely: Floats, kept: NDArray[np.bool_], names: Sequence[str]) -> Curve:
    """What each threshold made of the held-out texts; `kept`: whether their scope score lets them through."""
    families = Families.of(names)
    together = families.likely(likely).astype(np.float32)
    meant = np.where(held.known, families.of_intents[held.intents], OUTLIER)
    meanings = _Meanings.of(together, meant)
    found = [_choice(float(sure), meanings, kept, held.known) for sure in [*_STEPS, NEVER]]
    ends = [one.answered != other.answered for one, other in pairwise(found)]
    return Curve(int(held.known.sum()), tuple(compress(found, [True, *ends[:-1], True])))


@dataclass(frozen=True, slots=True)
class _Meanings:
    """Of texts: the first meaning's chance, whether it is right, and the same of those that would be offered."""

    first: Floats
    right: NDArray[np.bool_]
    several: NDArray[np.bool_]
    joint: Floats
    among: NDArray[np.bool_]

    @classmethod
    def of(cls, likely: Floats, meant: Integers) -> _Meanings:
        best = np.argsort(-likely, 1, kind="stable")[:, :MOST_CANDIDATES]
        chances = np.take_along_axis(likely, best, 1)
        worth = offered(chances)
        among = ((best == meant[:, None]) & worth).any(1)
        return cls(chances[:, 0], best[:, 0] == meant, worth.sum(1) > 1, np.where(worth, chances, 0).sum(1), among)


def _choice(sure: float, found: _Meanings, kept: NDArray[np.bool_], known: NDArray[np.bool_]) -> Choice:
    answered = kept & (found.first >= sure)
    open_ = kept & known & found.several & ~answered
    ambiguous = _ambiguous(found.joint[open_], found.among[open_])
    asked = kept & found.several & ~answered & (found.joint >= ambiguous)
    inside = Tried(answered[known], found.right[known], asked[known], found.among[known])
    return choice(sure, ambiguous, inside, answered[~known])


def _ambiguous(joint: Floats, among: NDArray[np.bool_]) -> float:
    """The least joint probability of the offered meanings from which the right one is mostly among them."""
    for step in _STEPS:
        if (joint >= step).any() and among[joint >= step].mean() >= ASKED_RIGHT:
            return float(step)
    return float(_STEPS[-1])
