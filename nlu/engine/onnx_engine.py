"""Runs the encoder with ONNX Runtime on a CPU, a core for each batch, and the heads with NumPy."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nlu.engine.device import cores
from nlu.engine.heads import Heads
from nlu.engine.signals import Floats, Glance, Signals, by_length

TOKENS = 256
"""Of a batch: more gain nothing."""
STATES = ("low", "frozen", "tuned")
"""The graph's outputs, batch x length x width. If nothing is to be embedded, the second is the first."""
Told = TypeVar("Told", Signals, Glance)
_OTHER_FILES = "session.model_external_initializers_file_folder_path"


class OnnxEngine:
    def __init__(self, graph: bytes | Path, heads: Heads, threads: int) -> None:
        """0 threads are one a core. Raises what ONNX Runtime raises for a graph that it cannot run."""
        self.session = opened(graph)
        self.callers = threads or cores()
        self._heads = heads
        self._pool = ThreadPoolExecutor(self.callers, thread_name_prefix="engine")
        self._free = threading.BoundedSemaphore(self.callers)

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        """One value per row of token ids, in order; like lengths run together."""
        return self._batched(rows, self._signals)

    def glance(self, rows: Sequence[list[int]]) -> list[Glance]:
        """The same without the frozen branch: a third of the layers less."""
        return self._batched(rows, self._glances)

    def _batched(self, rows: Sequence[list[int]], told: Callable[[Sequence[list[int]]], list[Told]]) -> list[Told]:
        lengths = [len(row) for row in rows]
        budget = min(TOKENS, -(-sum(lengths) // self.callers))  # of few texts, each core gets some
        places = list(by_length(lengths, budget))
        batches = [[rows[at] for at in batch] for batch in places]
        alone = len(batches) == 1 or self.callers == 1
        found: dict[int, Told] = {}
        for batch, of_batch in zip(places, (map if alone else self._pool.map)(told, batches), strict=True):
            found.update(zip(batch, of_batch, strict=True))
        return [found[at] for at in range(len(rows))]

    def _signals(self, rows: Sequence[list[int]]) -> list[Signals]:
        with self._free:
            low, frozen, tuned = states(self.session, rows)
        return self._heads.signals((low, frozen, tuned), [len(row) for row in rows])

    def _glances(self, rows: Sequence[list[int]]) -> list[Glance]:
        with self._free:
            low, _, tuned = states(self.session, rows, embedded=False)
        return self._heads.glances((low, tuned), [len(row) for row in rows])


def opened(graph: bytes | Path) -> onnxruntime.InferenceSession:
    """One thread a call: several calls at once share the cores without waiting for each other. A file is read without
    Python's lock, bytes are copied with it in hand."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # else a plan is kept for every shape
    options.log_severity_level = 3
    options.add_session_config_entry(_OTHER_FILES, os.devnull)  # a graph holds all its numbers, or is refused
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def states(
    session: onnxruntime.InferenceSession, rows: Sequence[list[int]], embedded: bool = True
) -> tuple[Floats, Floats, Floats]:
    """What the encoder makes of a batch."""
    low, frozen, tuned = session.run(STATES, batch_of(rows, embedded))
    return low, frozen, tuned


def batch_of(rows: Sequence[list[int]], embedded: bool = True) -> dict[str, NDArray[np.int64 | np.int32 | np.bool_]]:
    """Token ids, padded, which of them are seen, and whether the frozen branch is to be computed."""
    longest = max(map(len, rows))
    ids = np.array([row + [0] * (longest - len(row)) for row in rows], np.int64)
    seen = np.arange(longest) < np.array([len(row) for row in rows])[:, None]
    return {"ids": ids, "seen": seen.astype(np.int32), "embedded": np.array(embedded)}
