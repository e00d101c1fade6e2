"""Breaks the product in a copy, one named damage at a time, and shows that the suite sees each.

    python -m tests.chaos.mutations              # all of them
    python -m tests.chaos.mutations "no fence"

A damage that no longer fits the source is an error: somebody has to say anew where the guard stands.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from tests.chaos.__main__ import VIOLATED

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bot", "nlu", "actions", "tests", "pyproject.toml")
SOUND_PATIENCE, DAMAGED_PATIENCE = 120, 10
"""Seconds until everything has to be answered."""
MACHINE = "journal machine"
"""Not a round: the state machine on the journal alone."""
SEEDS = (1, 2, 3)
"""A damage that needs luck to be seen is given three tries."""


@dataclass(frozen=True, slots=True)
class Mutation:
    name: str
    file: str
    old: str
    new: str
    probe: str
    """The round that has to see it."""
    seen_by: frozenset[str]
    """Invariants, one of which has to be violated."""


MUTATIONS = (
    Mutation(
        "acknowledged before the commit",
        "bot/journal/sqlite.py",
        "                return [self._trusted(waiting) for waiting in _kept(group, taken)]\n",
        "                outcomes = [self._trusted(waiting) for waiting in _kept(group, taken)]\n"
        "                _settle(list(zip(taken, outcomes, strict=True)))\n"
        "                sleep(0.02)  # as long as a slow disk takes for the commit\n"
        "                return outcomes\n",
        "commits",
        frozenset({"I1"}),
    ),
    Mutation(
        "no UNIQUE on message ids",
        "bot/journal/tables.py",
        "    entries.c.conversation_id,\n    entries.c.message_id,\n    unique=True,\n",
        "    entries.c.conversation_id,\n    entries.c.message_id,\n    unique=False,\n",
        "doubles",
        frozenset({"I1", "I2"}),
    ),
    Mutation(
        "no fence at the commit",
        "bot/journal/outcome.py",
        "_fenced = _unfenced.where(conversations.c.fence <= _mine)",
        "_fenced = _unfenced",
        MACHINE,
        frozenset({MACHINE}),
    ),
    Mutation(
        "Redis calls repeated by the library",
        "bot/exchange.py",
        "            retry=Retry(NoBackoff(), 0),\n",
        "            retry=Retry(NoBackoff(), 10),\n",
        "replies-lost",
        frozenset({"I10"}),
    ),
    Mutation(
        "committed without the processed mark",
        "bot/journal/outcome.py",
        "    _mark_processed(connection, given)\n    written",
        "    written",
        "resumed",
        frozenset({"I2", "I3"}),
    ),
    Mutation(
        "resumed behind what was missed",
        "bot/channels/widget.py",
        "self.follower.seen = min(hello.last_seq, conversation.last_seq) if hello.epoch == conversation.epoch else 0",
        "self.follower.seen = conversation.last_seq",
        "resumed",
        frozenset({"I5"}),
    ),
    Mutation(
        "interrupted actions run again",
        "bot/turn.py",
        "        if before.status is not ActionStatus.NEW:\n",
        "        if before.status is ActionStatus.DONE:\n",
        "interrupted",
        frozenset({"I7"}),
    ),
    Mutation(
        "nobody looks for what a dead server left",
        "bot/sweeper.py",
        "found = await self.journal.orphans(time.time() - patience)",
        "found = []",
        "left-behind",
        frozenset({"I3"}),
    ),
    Mutation(
        "what may have arrived is sent again",
        "bot/outbox.py",
        "            if delivery.doubt and calls and not calls[0].repeatable:\n",
        "            if False:\n",
        "apps",
        frozenset({"I2", "I11"}),
    ),
    Mutation(
        "a provider is acknowledged before the commit",
        "bot/channels/webhooks.py",
        "            await self.intake.take(connector, received, came.now)\n",
        "            asyncio.ensure_future(self.intake.take(connector, received, came.now))\n",
        "apps",
        frozenset({"I1", "I4"}),
    ),
    Mutation(
        "any snapshot will do",
        "bot/sessions.py",
        "        if held is None or state is None or int(held) != version:\n",
        "        if held is None or state is None:\n",
        "snapshots",
        frozenset({"I9"}),
    ),
)


class DoesNotFit(Exception):
    """The text to damage is not in the source exactly once."""


def damaged(mutation: Mutation, root: Path = ROOT) -> str:
    """The file with its damage. Raises DoesNotFit."""
    source = (root / mutation.file).read_text()
    if source.count(mutation.old) != 1:
        raise DoesNotFit(f"'{mutation.name}' fits {source.count(mutation.old)} places of {mutation.file}, not one.")
    return source.replace(mutation.old, mutation.new)


@contextmanager
def copy_of_the_tree() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="chaos-mutant-") as folder:
        for name in COPIED:
            source, target = ROOT / name, Path(folder, name)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, target)
        yield Path(folder)


def run_probe(tree: Path, probe: str, seed: int, patience: float) -> set[str]:
    """The invariants that the round finds violated. Raises RuntimeError if it could not be played."""
    if probe == MACHINE:
        return run_machine(tree)
    ledgers = tree / "ledgers"
    shutil.rmtree(ledgers, ignore_errors=True)
    options = ["--only", probe, "--seed", str(seed), "--patience", str(patience), "--ledgers", str(ledgers)]
    ran = _run(tree, "tests.chaos", *options)
    if ran.returncode not in (0, VIOLATED):
        raise RuntimeError(f"the round '{probe}' could not be played:\n{ran.stdout}\n{ran.stderr}")
    return {line["invariant"] for line in _violations(ledgers)}


def run_machine(tree: Path) -> set[str]:
    """The machine's name if the journal does not do as the model does. Raises RuntimeError if it could not run."""
    machine = ["tests/chaos/test_journal_machine.py", "-k", "sqlite"]
    ran = _run(tree, "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-profile", "unshrunk", *machine)
    if ran.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"the state machine could not run:\n{ran.stdout}\n{ran.stderr}")
    return {MACHINE} if ran.returncode else set()


def _run(tree: Path, module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *options],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )


def _violations(ledgers: Path) -> Iterator[dict[str, str]]:
    for path in ledgers.glob("*.jsonl"):
        for line in path.read_text().splitlines():
            if '"violation"' in line:
                yield json.loads(line)


def sees(mutation: Mutation) -> tuple[bool, set[str]]:
    """Whether the suite sees the damage, and the invariants it found violated."""
    found: set[str] = set()
    with copy_of_the_tree() as tree:
        (tree / mutation.file).write_text(damaged(mutation))
        for seed in SEEDS:
            found |= run_probe(tree, mutation.probe, seed, DAMAGED_PATIENCE)
            if found & mutation.seen_by:
                return True, found
    return False, found


def sound(probe: str) -> set[str]:
    """What the same round finds in the tree as it is: nothing, or the damage proves nothing."""
    with copy_of_the_tree() as tree:
        return run_probe(tree, probe, SEEDS[0], SOUND_PATIENCE)


def main() -> int:
    chosen = [each for each in MUTATIONS if not sys.argv[1:] or any(word in each.name for word in sys.argv[1:])]
    for mutation in chosen:
        damaged(mutation)
    screen, table, good = Console(soft_wrap=True), Table(title="What the suite sees"), True
    without = {}
    for name in ("damage", "round", "seen by", "the same round without it"):
        table.add_column(name)
    for mutation in chosen:
        seen, found = sees(mutation)
        if mutation.probe not in without:
            without[mutation.probe] = sound(mutation.probe)
        good = good and seen and not without[mutation.probe]
        row = (mutation.name, mutation.probe, _words(seen, found), ", ".join(without[mutation.probe]) or "sound")
        screen.print(": ".join(row), highlight=False)
        table.add_row(*row)
    screen.print(table)
    return 0 if good else VIOLATED


def _words(seen: bool, found: set[str]) -> str:
    words = ", ".join(sorted(found)) or "nothing"
    return words if seen else f"NOT SEEN ({words})"


if __name__ == "__main__":
    sys.exit(main())
