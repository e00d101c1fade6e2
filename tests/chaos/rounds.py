"""A round: a world, a load, faults in the middle of it, a full restart, and the invariants."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos import faults
from tests.chaos.faults import Fault
from tests.chaos.invariants import Story, Violation
from tests.chaos.ledger import Ledger
from tests.chaos.load import Crowd, Shape, judge
from tests.chaos.world import Plan, World, world

KILLS = (
    faults.kill,
    faults.kill_at_a_point,
    faults.kill_at_a_statement,
    faults.kill_at_a_commit,
    faults.kill_everything,
)
REDIS = (faults.kill_redis, faults.hang_redis, faults.flush_redis)
PARTITIONS = (faults.part_redis, faults.slow_network, faults.lose_replies)
DATABASE_PARTITIONS = (faults.part_database, faults.swallow_database)
STALLS = (faults.stall, faults.stall_in_a_turn)
EVERYWHERE = (*KILLS, faults.rolling_restart, *REDIS, *PARTITIONS, faults.jump_clock, *STALLS)


@dataclass(frozen=True, slots=True)
class Round:
    name: str
    seed: int
    plan: Plan
    shape: Shape
    faults: tuple[Fault, ...] = ()
    """Each of them happens once, in an order that the seed gives."""
    may_fail: bool = False
    apps: bool = False
    """The customers use messaging apps (apps.py), and the faults are those that are there."""


@dataclass(slots=True)
class Report:
    """What was done and found."""

    round: Round
    violations: list[Violation] = field(default_factory=list)
    messages: int = 0
    resent: int = 0
    doubled: int = 0
    reconnects: int = 0
    accepted: int = 0
    answered: int = 0
    refused: int = 0
    """Times that a customer was told "not yet"."""
    given_up: int = 0
    """Messages with an apology and a person for an answer."""
    done: Counter[str] = field(default_factory=Counter)
    deaths: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    ledger: Path | None = None


async def play(this: Round, folder: Path | None = None) -> Report:
    """Plays it; the ledger stays in the folder."""
    folder = folder or Path(tempfile.mkdtemp(prefix="chaos-ledger-"))
    began = time.monotonic()
    rng = Random(this.seed)
    report = Report(this, ledger=folder / f"{this.name}-{this.seed}.jsonl")
    assert report.ledger is not None
    report.ledger.unlink(missing_ok=True)
    with Ledger(report.ledger) as ledger:
        async with world(this.plan, rng, ledger) as it:
            async with Crowd(it.url_of, this.shape, rng, ledger) as crowd:
                await _under_faults(this, it, crowd, report)
                settled = await crowd.settle()
                report.deaths = it.deaths
                await it.restart()
                stories = await crowd.stories(it.url, it.what_actions_did, this.may_fail)
                _count(report, crowd, stories)
                report.refused = ledger.count("refused")
                report.violations += judge(stories)
                report.violations += _of_the_whole(report, settled)
                report.violations += _repeated(it)
        for violation in report.violations:
            ledger.note("violation", invariant=violation.invariant, sentence=str(violation))
    report.seconds = time.monotonic() - began
    return report


async def _under_faults(this: Round, it: World, crowd: Crowd, report: Report) -> None:
    load = asyncio.create_task(crowd.live())
    try:
        await _do_harm(this, it, report)
        await load
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)


async def _do_harm(this: Round, it: World, report: Report) -> None:
    chosen = it.rng.sample(this.faults, len(this.faults))
    began, share = time.monotonic(), this.shape.seconds / (len(chosen) + 1)
    for number, fault in enumerate(chosen):
        due = share * (number + it.rng.uniform(0.5, 1.5))
        await asyncio.sleep(max(0.0, began + due - time.monotonic()))
        it.ledger.note("fault", kind=fault.__name__)
        await fault(it)
        it.ledger.note("healed", kind=fault.__name__)
        report.done[fault.__name__] += 1


def _count(report: Report, crowd: Crowd, stories: list[Story]) -> None:
    for customer in crowd.customers:
        report.messages += len(customer.said)
        report.resent += customer.resent
        report.doubled += customer.doubled
        report.reconnects += max(0, customer.client.welcomes - 1)
    for story in stories:
        report.accepted += sum(entry["author"] == "user" for entry in story.history)
        report.answered += sum(1 for _ in story.answers())
        report.given_up += story.given_up


def _of_the_whole(report: Report, settled: bool) -> list[Violation]:
    found = []
    if not settled and not report.violations:
        found.append(Violation("I3", "all", "something was never acknowledged or answered, though the log has it"))
    killed = report.deaths[-9]
    # Only a message on which three servers died may be given up, and each had one of each conversation in hand.
    if report.given_up > killed * report.round.shape.conversations / 3:
        found.append(
            Violation("I3", "all", f"{report.given_up} messages were given up; servers were killed {killed} times")
        )
    for code, times in report.deaths.items():
        if code not in (0, -9) and not report.done:
            found.append(Violation("I3", "all", f"a server ended {times} times with code {code}"))
    return found


def _repeated(it: World) -> list[Violation]:
    return [
        Violation("I10", "Redis", f"a lease was written {times} times by one call")
        for times in it.valkey.taken.values()
        if times > 1
    ]
