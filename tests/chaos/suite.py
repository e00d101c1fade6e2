"""Which rounds there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tests.chaos import faults
from tests.chaos.load import Shape
from tests.chaos.rounds import (
    DATABASE_PARTITIONS,
    EVERYWHERE,
    KILLS,
    PARTITIONS,
    REDIS,
    STALLS,
    Round,
)
from tests.chaos.world import Plan

LARGE = Shape()
SMALL = Shape(conversations=20, messages=10, rate=30.0, cut_every=4.0, away=0.5)

POSTGRES = Plan("postgres", servers=4)
SQLITE = Plan("sqlite", servers=4)


def everything(seed: int, shape: Shape) -> Round:
    """All faults in one round; the databases take turns."""
    if seed % 2:
        chosen = (*EVERYWHERE, *DATABASE_PARTITIONS, faults.kill_postgres)
        return Round("everything", seed, replace(POSTGRES, proxies=True), shape, chosen)
    return Round("everything", seed, replace(SQLITE, proxies=True), shape, EVERYWHERE)


def parts(seed: int, shape: Shape) -> list[Round]:
    """One kind of fault a round."""
    return [
        Round("quiet", seed, POSTGRES, shape),
        Round("kills-sqlite", seed, replace(SQLITE, servers=2), shape, KILLS),
        Round("kills-postgres", seed, POSTGRES, shape, (*KILLS, faults.kill_postgres)),
        Round("rolling-restart", seed, replace(POSTGRES, servers=2), shape, (faults.rolling_restart,)),
        Round("redis", seed, POSTGRES, shape, REDIS),
        Round("partitions", seed, replace(POSTGRES, proxies=True), shape, (*PARTITIONS, *DATABASE_PARTITIONS)),
        Round("clock", seed, SQLITE, shape, (faults.jump_clock,)),
        Round("stalls", seed, POSTGRES, shape, STALLS),
    ]


def rounds(seed: int, count: int, shape: Shape, only: Iterable[str]) -> list[Round]:
    every = [*parts(seed, SMALL), *(everything(seed + n, shape) for n in range(count))]
    names = tuple(only)
    return [each for each in every if not names or each.name in names]
