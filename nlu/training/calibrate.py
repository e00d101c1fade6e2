"""Temperature, scope and thresholds from examples that the network had not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from nlu.engine.network import Network
from nlu.intents import MOST_CANDIDATES, Thresholds, probabilities
from nlu.neighbours import Neighbours, grouped, joined
from nlu.scope import Scope
from nlu.training.fit import logistic, predict
from nlu.training.newton import weighted_logistic
from nlu.training.prepare import OUTLIER, Prepared

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

WRONG_BUDGET = 0.03
"""Share of in-scope texts that may be acted on wrongly."""
KEPT_IN_SCOPE = 0.96
"""Share of in-scope texts that the scope threshold lets through."""
ASKED_RIGHT = 0.85
"""Share of questions back to the customer that should offer the right meaning."""
_OUTLIER_RIDGE = 0.3
_WEIGHTS = (1.0, 0.5, 0.0)
_STEPS = np.linspace(0.5, 0.98, 49)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a network said of examples that it was not trained on."""

    rows: Integers
    intents: Integers
    """Class, or OUTLIER."""
    scores: Floats
    closest: Floats
    """Of Neighbours."""
    embeddings: Floats
    signals: Floats
    """Of Scope: energy, nearness, outlier direction."""

    @property
    def known(self) -> NDArray[np.bool_]:
        return np.not_equal(self.intents, OUTLIER)

    def with_neighbours(self, weight: float) -> HeldOut:
        return replace(self, scores=joined(self.scores, self.closest, weight)) if weight else self


@dataclass(frozen=True, slots=True)
class Calibration:
    temperature: float
    scope: Scope
    thresholds: Thresholds


def calibrate(held: HeldOut, prepared: Prepared) -> Calibration:
    """The network's scores come from held-out rows; the examples to be near to are all of them."""
    scope = fitted_scope(held, *scope_of(prepared, prepared.examples))
    heat = temperature(held)
    return Calibration(heat, scope, thresholds(held, scope, heat))


def held_out(network: Network, prepared: Prepared, trained: Sequence[int], rows: Sequence[int]) -> HeldOut:
    """What a network fitted on `trained` says of `rows`."""
    trained = [row for row in trained if row in prepared.examples]
    examples, direction = scope_of(prepared, trained)
    found = predict(network, prepared, rows)
    embeddings, scores = prepared.embeddings[list(rows)].cpu().numpy(), found.scores.numpy()
    blank = np.zeros(3, np.float32)
    return HeldOut(
        rows=np.array(rows),
        intents=prepared.intents[list(rows)].cpu().numpy(),
        scores=scores,
        closest=neighbours(network, prepared, trained, 1.0).closest(found.points.numpy()),
        embeddings=embeddings,
        signals=Scope(examples, direction, blank, blank + 1, blank, 0.0).signals(embeddings, scores),
    )


def in_one(parts: Sequence[HeldOut]) -> HeldOut:
    columns = [column.name for column in fields(HeldOut)]
    return HeldOut(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns})


def neighbours(network: Network, prepared: Prepared, rows: Sequence[int], weight: float) -> Neighbours:
    """The in-scope examples among `rows`, where the network sees them."""
    known = [row for row in rows if prepared.intents[row] != OUTLIER]
    points = predict(network, prepared, known).points.numpy()
    return grouped(points, prepared.intents[known].cpu().numpy(), len(prepared.names), weight)


def neighbour_weight(held: HeldOut) -> float:
    """The one under which held-out texts are most likely what they are."""
    return min(_WEIGHTS, key=lambda weight: _log_loss(held.with_neighbours(weight))[0])


def scope_of(prepared: Prepared, rows: Sequence[int]) -> tuple[Floats, Floats]:
    """The in-scope unit vectors among `rows`, and the direction that tells them from the outliers."""
    chosen = torch.tensor(list(rows), device=prepared.intents.device)
    inside = prepared.intents[chosen] != OUTLIER
    vectors = prepared.embeddings[chosen]
    examples = vectors[inside].cpu().numpy()
    if bool(inside.all()):
        return examples, np.zeros(examples.shape[1], np.float32)
    weight, _ = logistic(vectors, inside.long(), 2, _OUTLIER_RIDGE)
    return examples, (weight[1] - weight[0]).cpu().numpy()


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


def fitted_scope(held: HeldOut, examples: Floats, direction: Floats) -> Scope:
    """Weights learnt from held-out outliers; without any, energy and nearness count alike."""
    inside = held.signals[held.known]
    centre, spread = inside.mean(0), np.maximum(inside.std(0), 1e-6)
    scaled = (held.signals - centre) / spread
    if held.known.all():
        return Scope(examples, direction, centre, spread, np.array([1, 1, 0], np.float32), 4.0)
    balance = np.where(held.known, 0.5 / held.known.mean(), 0.5 / (1 - held.known.mean()))
    weights, bias = _balanced_logistic(scaled, held.known, balance)
    return Scope(examples, direction, centre, spread, weights, bias)


def _balanced_logistic(inputs: Floats, inside: NDArray[np.bool_], balance: NDArray[np.float64]) -> tuple[Floats, float]:
    """Three weights and a bias, none of the weights below zero."""
    design = np.column_stack([inputs, np.ones(len(inputs))]).astype(np.float64)
    found = weighted_logistic(design, inside, balance, np.zeros(design.shape[1]), np.ones(design.shape[1]))
    return np.maximum(found[:-1], 0).astype(np.float32), float(found[-1])


def thresholds(held: HeldOut, scope: Scope, heat: float) -> Thresholds:
    """All but the knowledge base's, which is 1 here."""
    in_scope = scope.folded(held.signals)
    lowest = float(np.quantile(in_scope[held.known], 1 - KEPT_IN_SCOPE))
    kept = held.known & (in_scope >= lowest)
    likely = probabilities(held.scores[kept], heat)
    intents = held.intents[kept]
    first = likely.max(1)
    wrong = likely.argmax(1) != intents
    sure = next((t for t in _STEPS if (wrong & (first >= t)).sum() <= WRONG_BUDGET * held.known.sum()), _STEPS[-1])
    return Thresholds(float(sure), _ambiguous(likely, intents, first < sure), lowest, 1.0)


def _ambiguous(likely: Floats, intents: Integers, unsure: NDArray[np.bool_]) -> float:
    """The least joint probability of the offered meanings from which the right one is mostly among them."""
    if not unsure.any():
        return 0.5
    best = np.argsort(-likely[unsure], 1)[:, :MOST_CANDIDATES]
    offered = np.take_along_axis(likely[unsure], best, 1)
    offered = np.where(offered * 5 >= offered[:, :1], offered, 0)
    right = ((best == intents[unsure, None]) & (offered > 0)).any(1)
    together = offered.sum(1)
    for step in _STEPS:
        if (together >= step).any() and right[together >= step].mean() >= ASKED_RIGHT:
            return float(step)
    return float(_STEPS[-1])
