"""Runs the network with torch, on a GPU in half precision or on a CPU."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from nlu.architecture import Architecture
from nlu.encoder import padded
from nlu.engine.buckets import shares
from nlu.engine.captured import Capture, CapturedNetwork, CudaGraphs
from nlu.engine.network import Network, Outputs
from nlu.engine.signals import Engine, Floats, Signals, by_length

CPU_TOKENS = 512
"""Tokens of a batch: on a CPU, padding soon costs more than batching gains."""
GPU_TOKENS = 32768
_log = logging.getLogger(__name__)


class TorchEngine:
    def __init__(self, network: Network, device: str, capture: Capture | None = None) -> None:
        """With `capture`, batches have the shapes of buckets, recorded now: who serves wants that, who trains not."""
        self._device = device
        self._one = threading.Lock()
        self._half = device == "cuda"
        self._budget = GPU_TOKENS if self._half else CPU_TOKENS
        network = network.eval().requires_grad_(False)
        self.network = network.to(device, torch.float16) if self._half else network
        self.captured = self._recorded(capture) if capture else None

    @property
    def callers(self) -> int:
        """A call uses all cores; but while the GPU works for one, the next can be prepared."""
        return 2 if self._half else 1

    @torch.inference_mode()
    def _recorded(self, capture: Capture) -> CapturedNetwork | None:
        try:
            return CapturedNetwork(self.network, self._device, capture)
        except RuntimeError as problem:  # torch's for what a GPU cannot, or has no memory for
            _log.warning("The model is served without captured graphs, slower: %s", str(problem).partition("\n")[0])
            return None

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; like lengths run together."""
        found: dict[int, Signals] = {}
        with self._one, torch.inference_mode():
            for places, signals in self._in_buckets(rows) if self.captured else self._padded(rows, range(len(rows))):
                found.update(zip(places, signals, strict=True))
        return [found[place] for place in range(len(rows))]

    def glance(self, rows: Sequence[list[int]]) -> list[Signals]:
        """As a whole: a graph is captured with all of it. So a message that may be two takes three passes on a GPU."""
        return self.run(rows)

    def _in_buckets(self, rows: Sequence[list[int]]) -> Iterator[tuple[Sequence[int], Iterable[Signals]]]:
        assert self.captured is not None
        for share in shares([len(row) for row in rows], self.captured.longest):
            if share.bucket is None:
                yield from self._padded(rows, share.places)
            else:
                yield share.places, self.captured.run(share.bucket, [rows[place] for place in share.places])

    def _padded(
        self, rows: Sequence[list[int]], places: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Iterable[Signals]]]:
        for batch in by_length([len(rows[place]) for place in places], self._budget):
            these = [places[index] for index in batch]
            ids, mask = padded([rows[place] for place in these], self._device)
            yield these, _split(self.network(ids, mask), [len(rows[place]) for place in these])


def read_engine(
    weights: Path, shape: Architecture, outputs: tuple[int, int], device: str, *, serving: bool = False
) -> TorchEngine:
    """`weights`: a safetensors file, which may hold more; `outputs`: how many intents and tags the network knows;
    `serving`: nobody will change the network any more."""
    network = Network.empty(shape, *outputs)
    named = set(network.state_dict())
    network.load_state_dict({n: w for n, w in load_file(weights).items() if n in named}, assign=True)
    return TorchEngine(network, device, CudaGraphs() if serving and device == "cuda" else None)


def network_of(engine: Engine) -> Network:
    """What a model that was loaded with torch runs."""
    assert isinstance(engine, TorchEngine)
    return engine.network


def _split(outputs: Outputs, lengths: Sequence[int]) -> Iterator[Signals]:
    told = [_array(values) for values in (outputs.embeddings, outputs.points, outputs.intents, outputs.start)]
    tags = None if outputs.tokens is None else _array(outputs.tokens)
    for row, length in enumerate(lengths):
        embedding, point, intents, start = (values[row] for values in told)
        yield Signals(point, intents, embedding, start, None if tags is None else tags[row, :length])


def _array(values: torch.Tensor) -> Floats:
    return values.float().cpu().numpy()
