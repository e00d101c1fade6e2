"""Runs the network with torch, on a GPU in half precision or on a CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from nlu.architecture import Architecture
from nlu.encoder import padded
from nlu.engine.network import Network, Outputs
from nlu.engine.signals import Engine, Floats, Signals, by_length

CPU_TOKENS = 512
"""Tokens of a batch: on a CPU, padding soon costs more than batching gains."""
GPU_TOKENS = 32768


class TorchEngine:
    callers = 1
    """A call uses all cores, or the GPU; others wait."""

    def __init__(self, network: Network, device: str) -> None:
        self._device = device
        self._one = threading.Lock()
        self._half = device == "cuda"
        self._budget = GPU_TOKENS if self._half else CPU_TOKENS
        network = network.eval().requires_grad_(False)
        self.network = network.to(device, torch.float16) if self._half else network

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; like lengths run together."""
        found: list[Signals | None] = [None] * len(rows)
        with self._one, torch.inference_mode():
            for batch in by_length([len(row) for row in rows], self._budget):
                ids, mask = padded([rows[index] for index in batch], self._device)
                outputs = self.network(ids, mask)
                for index, signals in zip(batch, _split(outputs, [len(rows[i]) for i in batch]), strict=True):
                    found[index] = signals
        return [signals for signals in found if signals is not None]


def read_engine(weights: Path, shape: Architecture, outputs: tuple[int, int], device: str) -> TorchEngine:
    """`weights`: a safetensors file, which may hold more; `outputs`: how many intents and tags the network knows."""
    network = Network.empty(shape, *outputs)
    named = set(network.state_dict())
    network.load_state_dict({n: w for n, w in load_file(weights).items() if n in named}, assign=True)
    return TorchEngine(network, device)


def network_of(engine: Engine) -> Network:
    """What a model that was loaded with torch runs."""
    assert isinstance(engine, TorchEngine)
    return engine.network


def _split(outputs: Outputs, lengths: Sequence[int]) -> Iterator[Signals]:
    told = [_array(values) for values in (outputs.embeddings, outputs.points, outputs.intents, outputs.start)]
    tags = None if outputs.tokens is None else _array(outputs.tokens)
    for row, length in enumerate(lengths):
        embedding, point, intents, start = (values[row] for values in told)
        yield Signals(embedding, point, intents, start, None if tags is None else tags[row, :length])


def _array(values: torch.Tensor) -> Floats:
    return values.float().cpu().numpy()
