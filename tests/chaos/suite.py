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

ACTIONS = replace(SQLITE, servers=2, actions_over_http=True, settings={"action_timeout": 1.0})
APPS = replace(SQLITE, servers=2, wrong_clocks=False, margin=1.0)
OVERLOADED = replace(POSTGRES, servers=2, settings={"queue_size": 5}, model_seconds=0.05)


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
        Round("actions", seed, ACTIONS, replace(shape, pays=0.5), (faults.misbehave, faults.kill), may_fail=True),
        Round("disk", seed, replace(SQLITE, servers=2, small_disk=True), shape, (faults.fill_disk,) * 2, may_fail=True),
        Round("slow-readers", seed, replace(SQLITE, servers=2, slow_readers=True), shape),
        Round("overload", seed, OVERLOADED, replace(shape, rate=400.0)),
        Round("late", seed, SQLITE, replace(shape, resent=1.0, doubled=0.5, late=6.0), (faults.kill, faults.kill)),
        Round("stalls", seed, POSTGRES, shape, STALLS),
        Round("apps", seed, APPS, replace(shape, conversations=12), apps=True),
    ]


def probes(seed: int, patience: float) -> list[Round]:
    """Short rounds, each around one thing that can be broken (see mutations.py)."""
    shape = Shape(conversations=16, messages=5, rate=30.0, cut_every=2.0, away=0.3, patience=patience)
    alone = replace(SQLITE, servers=1)
    between = replace(SQLITE, servers=2, proxies=True)
    return [
        Round("commits", seed, alone, shape, (faults.kill_at_a_commit,) * 5),
        Round("doubles", seed, POSTGRES, replace(shape, doubled=1.0, resent=0.5)),
        Round("stolen", seed, replace(SQLITE, servers=2), shape, (faults.stall_in_a_turn,) * 3),
        Round("replies-lost", seed, between, shape, (faults.lose_replies,) * 4),
        Round("resumed", seed, alone, replace(shape, cut_every=0.7)),
        Round("interrupted", seed, alone, replace(shape, pays=1.0), (faults.kill_at("acted"),) * 4),
        Round("left-behind", seed, alone, replace(shape, resent=0.0), (faults.kill_at("acknowledged"),) * 4),
        Round("snapshots", seed, alone, shape, (faults.kill_at("answered"),) * 4),
    ]


def rounds(seed: int, count: int, shape: Shape, only: Iterable[str]) -> list[Round]:
    """The parts and `count` rounds of everything; or those that are named, probes among them."""
    names = tuple(only)
    usual = [
        *parts(seed, replace(SMALL, patience=shape.patience)),
        *(everything(seed + n, shape) for n in range(count)),
    ]
    return [each for each in [*usual, *probes(seed, shape.patience)] if each.name in names] if names else usual
