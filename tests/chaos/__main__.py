"""`make chaos`: rounds with every fault, a table of what was done and found, and a non-zero exit on a violation.

python -m tests.chaos --rounds 20 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

from rich.console import Console
from rich.table import Table

from tests.chaos import apps
from tests.chaos.rounds import Report, play
from tests.chaos.suite import LARGE, SMALL, rounds

VIOLATED = 3
"""Not 1: that is a broken suite."""
SHOWN = 20
"""Violations of a round that are told one by one; all are in its ledger."""


def main() -> int:
    options = _options()
    seed = options.seed if options.seed is not None else SystemRandom().randrange(1_000_000)
    screen = Console(soft_wrap=True)
    folder = Path(options.ledgers or tempfile.mkdtemp(prefix="chaos-ledgers-"))
    folder.mkdir(parents=True, exist_ok=True)
    shape = replace(SMALL if options.small else LARGE, patience=options.patience)
    chosen = rounds(seed, options.rounds, shape, options.only or ())
    if not chosen:
        screen.print(f"There is no round called {options.only}.")
        return 2
    screen.print(f"seed {seed}; the ledgers are in {folder}", highlight=False)
    reports = []
    for each in chosen:
        reports.append(asyncio.run(apps.play(each, folder) if each.apps else play(each, folder)))
        _tell(reports[-1], screen)
    screen.print(_table(reports))
    return VIOLATED if any(report.violations for report in reports) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds with all faults, on SQLite and PostgreSQL in turn"
    )
    parser.add_argument("--seed", type=int, help="of the first round; the next one has the next seed")
    parser.add_argument("--only", action="append", help="the rounds of this name; may be given several times")
    parser.add_argument("--small", action="store_true", help="fewer customers and messages")
    parser.add_argument("--patience", type=float, default=LARGE.patience, help="seconds until all has to be answered")
    parser.add_argument("--ledgers", help="folder for the ledgers")
    return parser.parse_args()


def _tell(report: Report, screen: Console) -> None:
    this = report.round
    verdict = f"{len(report.violations)} violations" if report.violations else "nothing found"
    screen.print(
        f"{this.name} (seed {this.seed}, {this.plan.database}): {verdict}, {report.seconds:.0f} s", highlight=False
    )
    for violation in report.violations[:SHOWN]:
        screen.print(f"  {violation}", highlight=False, markup=False)
    if len(report.violations) > SHOWN:
        screen.print(f"  and {len(report.violations) - SHOWN} more in {report.ledger}", highlight=False)


def _table(reports: list[Report]) -> Table:
    table = Table(title="What was done and found")
    for name in ("round", "seed", "database", "servers", "faults", "kills", "reconnects"):
        table.add_column(name)
    for name in (
        "messages",
        "resent",
        "on two sockets",
        "told to wait",
        "accepted",
        "answered",
        "given up",
        "violations",
    ):
        table.add_column(name, justify="right")
    for report in reports:
        this = report.round
        faults = ", ".join(f"{name.replace('_', ' ')}" for name in sorted(report.done)) or "none"
        numbers = (report.messages, report.resent, report.doubled, report.refused, report.accepted, report.answered)
        more = (report.given_up, len(report.violations))
        first = (
            this.name,
            this.seed,
            this.plan.database,
            this.plan.servers,
            faults,
            report.deaths[-9],
            report.reconnects,
        )
        table.add_row(*map(str, (*first, *numbers, *more)))
    return table


if __name__ == "__main__":
    sys.exit(main())
