"""The network in buckets: each is recorded once, with buffers that stay where they are, and then only repeated."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from nlu.engine.buckets import Bucket, buckets
from nlu.engine.network import Network
from nlu.engine.signals import Floats, Signals

Step = Callable[[], None]
Capture = Callable[[Step], Step]
"""Takes what reads and writes the same buffers each time; returns what repeats it."""
_WARM_UPS = 2
"""Before a recording: libraries choose their ways, and load them, at the first calls."""


class CudaGraphs:
    """Records graphs that share the memory for what lies between their buffers: one is repeated at a time.

    Each model's have a stream while they last: what its products take on the side, 32 MB, belongs to the stream, and
    is written to whenever one of them is repeated.
    """

    _idle: ClassVar[list[torch.cuda.Stream]] = []
    """Of models that are gone. New ones for every model would take new memory each time."""

    def __init__(self) -> None:
        self._stream = self._idle.pop() if self._idle else torch.cuda.Stream()  # type: ignore[no-untyped-call]  # by torch
        self._pool = torch.cuda.graph_pool_handle()
        weakref.finalize(self, self._idle.append, self._stream)

    def __call__(self, step: Step) -> Step:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(self._stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may be serving the model before this one: what it does there is no part of the recording.
        with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
            step()
        return graph.replay


class CapturedNetwork:
    """For one thread at a time."""

    def __init__(self, network: Network, device: str, capture: Capture) -> None:
        """Records every bucket at once. Raises RuntimeError if the device cannot."""
        self._network, self._device = network, device
        self._capture = capture  # keeps the stream from others while there are recordings of it
        intents, tags = network.intents.out_features, network.tags.out_features if network.tags is not None else 0
        width = network.encoder.shape.width
        self._ends = np.cumsum([width, 2 * width, intents, intents])
        self._tags = tags
        all_of_them = buckets(network.encoder.shape.max_tokens)
        self.longest = max((one.length for one in all_of_them), default=0)
        self._asked = _Buffer(max((one.size * (1 + one.length) for one in all_of_them), default=0), torch.int32, device)
        self._told = _Buffer(max((self._numbers(one) for one in all_of_them), default=0), torch.float32, device)
        self.repeat = {bucket: capture(self._step(bucket)) for bucket in all_of_them}
        """The recorded passes."""

    def _columns(self, bucket: Bucket) -> int:
        return int(self._ends[-1]) + self._tags * bucket.length

    def _numbers(self, bucket: Bucket) -> int:
        return bucket.size * self._columns(bucket)

    def _step(self, bucket: Bucket) -> Step:
        asked = self._asked.device[: bucket.size * (1 + bucket.length)].view(bucket.size, 1 + bucket.length)
        told = self._told.device[: self._numbers(bucket)].view(bucket.size, self._columns(bucket))

        def step() -> None:
            places = torch.arange(bucket.length, device=self._device)
            seen = places < asked[:, :1]
            told.copy_(_side_by_side(self._network, asked[:, 1:], seen[:, None, None, :]))

        return step

    def run(self, bucket: Bucket, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row, in order; the rows fit the bucket."""
        lengths = np.fromiter(map(len, rows), np.int32, len(rows))
        self._ask(bucket, rows, lengths)
        self.repeat[bucket]()
        return list(self._signals(self._answer(bucket, len(rows)), lengths.tolist()))

    def _ask(
        self, bucket: Bucket, rows: Sequence[list[int]], lengths: np.ndarray[tuple[int], np.dtype[np.int32]]
    ) -> None:
        """Each line: how many tokens there are, and the tokens. A line of no text has one token: nothing seen would be
        no number."""
        count = bucket.size * (1 + bucket.length)
        lines = self._asked.host[:count].numpy().reshape(bucket.size, 1 + bucket.length)
        lines[:] = 0
        lines[:, 0] = 1
        lines[: len(rows), 0] = lengths
        held = np.arange(bucket.length) < lengths[:, None]
        lines[: len(rows), 1:][held] = np.fromiter(chain.from_iterable(rows), np.int32, int(lengths.sum()))
        self._asked.device[:count].copy_(self._asked.host[:count], non_blocking=True)

    def _answer(self, bucket: Bucket, rows: int) -> Floats:
        count = rows * self._columns(bucket)
        self._told.host[:count].copy_(self._told.device[:count], non_blocking=True)
        if self._device == "cuda":
            torch.cuda.current_stream().synchronize()
        found: Floats = self._told.host[:count].numpy().reshape(rows, -1).copy()  # the buffer is for the next ones
        return found

    def _signals(self, told: Floats, lengths: Sequence[int]) -> Iterator[Signals]:
        embeddings, points, intents, start, tags = np.split(told, self._ends, axis=1)
        for row, length in enumerate(lengths):
            of_tokens = tags[row].reshape(-1, self._tags)[:length] if self._tags else None
            yield Signals(points[row], intents[row], embeddings[row], start[row], of_tokens)


class _Buffer:
    """The same on both sides. A GPU fetches from pinned memory while the processor does something else."""

    def __init__(self, count: int, kind: torch.dtype, device: str) -> None:
        self.device = torch.zeros(count, dtype=kind, device=device)
        self.host = torch.zeros(count, dtype=kind, pin_memory=device == "cuda")


def _side_by_side(network: Network, ids: Tensor, mask: Tensor) -> Tensor:
    """All outputs, a line per text: one piece is fetched sooner than five."""
    outputs = network(ids, mask)
    told = [outputs.embeddings, outputs.points, outputs.intents, outputs.start]
    if outputs.tokens is not None:
        told.append(outputs.tokens.flatten(1))
    return torch.cat([one.float() for one in told], 1)
