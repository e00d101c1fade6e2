"""The system under test: the real service in processes of its own, with real Valkey, SQLite and the stub model."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

from benchmarks.transport.processes import favour_what_is_started, step_back
from tests.chaos.ledger import Ledger
from tests.chaos.world import Plan, World, world

SEED = 20


@asynccontextmanager
async def stage(plan: Plan | None = None) -> AsyncIterator[World]:
    """Started and favoured by the scheduler; the load, which is this process, comes after it."""
    favour_what_is_started()
    with tempfile.TemporaryDirectory() as folder, Ledger(Path(folder) / "ledger.jsonl") as ledger:
        async with world(replace(plan or Plan(), wrong_clocks=False), Random(SEED), ledger) as it:
            step_back()
            yield it
