"""The heads for intents alone, in seconds: the layers stay as the last model's training left them.

What is calibrated has to be seen on texts that the network does not know, and it knows all that the last model learnt
of. So the temperature, the thresholds and the weights of all signals stay as well; only what is new is held out in
turn, to tell how well it is learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nlu.budget import Curve
from nlu.data.examples import TrainingData
from nlu.engine.network import Network, two_heights
from nlu.engine.torch_engine import network_of
from nlu.entities import labels_of
from nlu.training.calibrate import Calibration, Learnt, held_out, in_one, scope_of
from nlu.training.diary import Diary
from nlu.training.fit import Epoch, Predicted, intent_losses, predict, solved
from nlu.training.options import PARTS, TrainingOptions
from nlu.training.prepare import Prepared
from nlu.training.split import stratified
from nlu.understand import Model

HOLD = 0.05
"""Weight of the squared distance from the last head against the sum of the losses."""
FEWEST_NEW = 50
"""New examples below which all are held out in turn, and the report is too kind."""
_MOST_STEPS = 60


def why_not(last: Model, data: TrainingData, options: TrainingOptions) -> str:
    """Why the last model's layers do not do for the data; empty if they do."""
    if last.manifest.base_model != options.base_model:
        return f"{last.id} was trained from another base model"
    if last.manifest.entities != labels_of(data.examples, data.patterns):
        return f"the data annotate other entities than {last.id} knows"
    return ""


def head_alone(last: Model, prepared: Prepared, data: TrainingData, options: TrainingOptions, diary: Diary) -> Learnt:
    """The last model's network with new heads for intents."""
    diary.work.begin("training the head")
    network = _with_heads(last, prepared)
    rows = list(prepared.examples)
    points = _points(network, prepared)
    refit = _Refit(network, prepared, points.to(prepared.embeddings.device), options)
    parts = []
    for out in _held_out(prepared, _new(last, data), options):
        rest = sorted({*rows} - {*out})
        refit(rest)
        parts.append(held_out(prepared, rest, out, refit.said()))
    diary.epoch("the head", Epoch(1, refit(rows)), len(rows))
    calibration = _calibration(last, prepared)
    return Learnt(network, points, in_one(parts).with_votes(calibration.near, calibration.start), calibration)


def _points(network: Network, prepared: Prepared) -> Tensor:
    """Where the network sees the examples; those of which that is known are not read again."""
    new = [row for row in prepared.examples if row not in prepared.points]
    points = torch.empty(len(prepared.examples), 2 * network.encoder.shape.width)
    points[new] = predict(network, prepared, new).points
    for row, point in prepared.points.items():
        points[row] = point
    return points


def _with_heads(last: Model, prepared: Prepared) -> Network:
    """The last model's, where it had them; the others begin at nothing."""
    before, names = network_of(last.engine), last.manifest.intents
    network = Network(before.encoder, len(prepared.names), prepared.tag_count).to(prepared.embeddings.device)
    new = [number for number, name in enumerate(prepared.names) if name in names]
    old = [names.index(prepared.names[number]) for number in new]
    with torch.no_grad():
        for head, known in ((network.intents, before.intents), (network.start, before.start)):
            for weight, source in ((head.weight, known.weight), (head.bias, known.bias)):
                weight.zero_()
                weight[new] = source[old]
    network.tags = before.tags
    return network.eval().requires_grad_(False)


def _new(last: Model, data: TrainingData) -> list[int]:
    """The examples that the last model did not learn; all, if they are few."""
    new = [row for row, one in enumerate(data.examples) if one.text not in last.remembered and not one.guessed]
    return new if len(new) >= FEWEST_NEW else list(range(len(data.examples)))


def _held_out(prepared: Prepared, rows: Sequence[int], options: TrainingOptions) -> list[list[int]]:
    """The rows of each part."""
    part_of = stratified(prepared.intents[list(rows)].cpu().numpy(), PARTS, options.seed)
    parts = [np.array(rows)[part_of == part].tolist() for part in range(options.held_out_parts)]
    return [part for part in parts if part]


class _Refit:
    """Solves both heads of a network, each from what it was first; the tuned one stays near that."""

    def __init__(self, network: Network, prepared: Prepared, points: Tensor, options: TrainingOptions) -> None:
        self._network, self._prepared, self._points, self._options = network, prepared, points, options
        self._first, self._first_start = (
            (head.weight.detach().clone(), head.bias.detach().clone()) for head in (network.intents, network.start)
        )

    def __call__(self, rows: Sequence[int]) -> float:
        """Of some examples; returns the tuned head's mean loss."""
        *tuned, loss = self._solved(list(rows))
        start = solved(self._prepared, rows, self._first_start)
        heads = (self._network.intents, tuned), (self._network.start, start)
        with torch.no_grad():
            for head, (weight, bias) in heads:
                head.weight.copy_(weight)
                head.bias.copy_(bias)
        return float(loss.detach())

    def _solved(self, rows: list[int]) -> tuple[Tensor, Tensor, Tensor]:
        points, first = self._points[rows], self._first
        intents, counting = self._prepared.intents[rows], self._prepared.weights[rows]
        weight, bias = (one.clone().requires_grad_() for one in first)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=_MOST_STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            losses = intent_losses(points @ weight.T + bias, intents, self._options)
            loss = (losses @ counting + HOLD * (weight - first[0]).square().sum()) / len(rows)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return weight, bias, closure()

    def said(self) -> Predicted:
        """Of all examples."""
        low, embeddings = (one[: len(self._points)] for one in (self._prepared.low, self._prepared.embeddings))
        with torch.inference_mode():
            scores, start = self._network.intents(self._points), self._network.start(two_heights(low, embeddings))
        return Predicted(scores.cpu(), self._points.cpu(), start.cpu())


def _calibration(last: Model, prepared: Prepared) -> Calibration:
    """As it was; but what is new is near to itself."""
    examples, direction = scope_of(prepared, prepared.examples)
    return Calibration(
        near=last.judge.near.weight,
        start=last.judge.start,
        temperature=last.judge.temperature,
        scope=replace(last.scope, examples=examples, direction=direction),
        lowest=last.manifest.thresholds["scope"],
        curve=Curve.from_json(last.manifest.budget),
    )
