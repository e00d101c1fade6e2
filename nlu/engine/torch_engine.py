"""Runs the network with torch, on a GPU in half precision or on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from nlu.encoder import padded
from nlu.engine.network import Network, Outputs
from nlu.source import Mendable

Vector = NDArray[np.float32]

CPU_TOKENS = 512
"""Tokens of a batch: on a CPU, padding soon costs more than batching gains."""
GPU_TOKENS = 32768


@dataclass(frozen=True, slots=True)
class Signals:
    """What the network says of one text."""

    embedding: Vector
    point: Vector
    """Where the intent head sees it; unit length."""
    intents: Vector
    start: Vector
    """The same by the head as it was before training, on the frozen encoder."""
    tags: Vector | None
    """Tokens x tags."""


class DeviceError(Mendable):
    """The device cannot be used; the sentence says what to do."""


def choose_device(wanted: str) -> torch.device:
    """`auto` is the GPU if there is one. Raises DeviceError."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise DeviceError("There is no GPU that torch can use here: set FRONTDESK_DEVICE=cpu, or leave it out.")
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(wanted)


def set_threads(threads: int) -> None:
    """0 leaves torch its default: one thread a core. NumPy gets one: its products here are too small to share."""
    if threads > 0:
        torch.set_num_threads(threads)
    threadpool_limits(1, user_api="blas")


class TorchEngine:
    def __init__(self, network: Network, device: torch.device) -> None:
        self._device = device
        self._half = device.type == "cuda"
        self._budget = GPU_TOKENS if self._half else CPU_TOKENS
        network = network.eval().requires_grad_(False)
        self.network = network.to(device, torch.float16) if self._half else network

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; like lengths run together."""
        found: list[Signals | None] = [None] * len(rows)
        with torch.inference_mode():
            for batch in by_length([len(row) for row in rows], self._budget):
                ids, mask = padded([rows[index] for index in batch], self._device)
                outputs = self.network(ids, mask)
                for index, signals in zip(batch, _split(outputs, [len(rows[i]) for i in batch]), strict=True):
                    found[index] = signals
        return [signals for signals in found if signals is not None]


def by_length(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Positions in batches of like lengths; a batch's padded size stays within `budget` tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _split(outputs: Outputs, lengths: Sequence[int]) -> Iterator[Signals]:
    told = [_array(values) for values in (outputs.embeddings, outputs.points, outputs.intents, outputs.start)]
    tags = None if outputs.tokens is None else _array(outputs.tokens)
    for row, length in enumerate(lengths):
        embedding, point, intents, start = (values[row] for values in told)
        yield Signals(embedding, point, intents, start, None if tags is None else tags[row, :length])


def _array(values: torch.Tensor) -> Vector:
    return values.float().cpu().numpy()
