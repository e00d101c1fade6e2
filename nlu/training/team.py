"""Several processes that train one model together, each on a GPU of its own, as `torchrun` starts them.

The first one runs the command. The others wait for what it trains, take their share of every batch, and write nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")
_PATIENCE = timedelta(days=7)
"""The others wait so long for the first one's next training: it may ask people in between."""


@dataclass(frozen=True, slots=True)
class Team:
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, batch: Sequence[T]) -> Sequence[T]:
        """What this process learns from of a batch."""
        return batch[self.rank :: self.size]

    def told(self, find: Callable[[], T]) -> T:
        """What the first one finds, in every process."""
        if self.size == 1:
            return find()
        found: list[Any] = [find() if self.first else None]
        distributed.broadcast_object_list(found, 0, device=torch.device("cpu"))
        return found[0]  # type: ignore[no-any-return]  # torch tells no type

    def begin_alike(self, weights: Iterable[Tensor]) -> None:
        """With the first one's."""
        if self.size > 1:
            for weight in weights:
                distributed.broadcast(weight.detach(), 0)

    def add_up(self, weights: Iterable[Tensor]) -> None:
        """The gradients, over all processes."""
        if self.size > 1:
            for weight in weights:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
                distributed.all_reduce(weight.grad)

    def total(self, number: float) -> float:
        if self.size == 1:
            return number
        found = torch.tensor(number, dtype=torch.float64)
        distributed.all_reduce(found)
        return float(found)


def team() -> Team:
    """This process alone, unless it is one of several."""
    if not distributed.is_available() or not distributed.is_initialized():
        return Team()
    return Team(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def gathered() -> Iterator[Team]:
    """While it is open, the processes that `torchrun` started belong together."""
    gpus = torch.cuda.is_available()
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_PATIENCE)
    try:
        yield team()
    finally:
        distributed.destroy_process_group()
