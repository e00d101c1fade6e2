"""A network tuned from the base model on, and calibrated on examples that were held out in turn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import OUTLIER, TrainingData
from nlu.encoder import Encoder
from nlu.engine.network import Network
from nlu.training.calibrate import HeldOut, Learnt, calibrate, held_out, in_one
from nlu.training.diary import Diary
from nlu.training.fit import Epoch, fit, predict
from nlu.training.names import names_help
from nlu.training.options import PARTS, TrainingOptions
from nlu.training.prepare import Prepared
from nlu.training.split import stratified

NEVER_HELD_OUT = PARTS
"""The part of what nobody confirmed: it calibrates nothing."""


def tuned_anew(
    encoder: Encoder, prepared: Prepared, data: TrainingData, options: TrainingOptions, diary: Diary
) -> Learnt:
    part_of = stratified(prepared.intents[list(prepared.examples)].cpu().numpy(), PARTS, options.seed)
    part_of[[example.guessed for example in data.examples]] = NEVER_HELD_OUT
    more = list(prepared.named) if names_help(prepared, part_of) else []
    held = _held_out(encoder, prepared, (part_of, more), options, diary)
    rows = [*prepared.examples, *more]
    diary.work.begin("training on everything")
    stage = diary.stage("everything", lambda _, epoch: diary.epoch("everything", epoch, len(rows)))
    network = fit(encoder, prepared, rows, options, stage)
    points = predict(network, prepared, prepared.examples).points
    return Learnt(network, points, *calibrate(held, prepared))


def _held_out(
    encoder: Encoder,
    prepared: Prepared,
    split: tuple[NDArray[np.int64], list[int]],
    options: TrainingOptions,
    diary: Diary,
) -> HeldOut:
    """`split`: the part of every example, and rows that are in no part and always learnt from."""
    part_of, more = split
    parts = []
    for part in range(options.held_out_parts):
        rows = np.flatnonzero(part_of == part).tolist()
        if not any(prepared.intents[row] != OUTLIER for row in rows):
            continue  # of very few examples
        diary.work.begin(f"training, part {part + 1} held out")
        rest = [*np.flatnonzero(part_of != part).tolist(), *more]

        def show(network: Network, epoch: Epoch, rows: list[int] = rows, part: int = part) -> None:
            scores = predict(network, prepared, rows).scores
            dev = _accuracy(scores.numpy(), prepared.intents[rows].cpu().numpy())
            diary.epoch(f"part {part + 1} held out", epoch, len(part_of) - len(rows), dev)

        network = fit(encoder, prepared, rest, options, diary.stage(f"part {part + 1} held out", show))
        parts.append(held_out(prepared, rest, rows, predict(network, prepared, prepared.examples)))
    return in_one(parts)


def _accuracy(scores: NDArray[np.float32], intents: NDArray[np.int64]) -> float:
    known = intents != OUTLIER
    return float((scores[known].argmax(1) == intents[known]).mean()) if known.any() else 0.0
