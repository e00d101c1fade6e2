"""A small part of `make chaos`: one round of each kind of fault."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.chaos import apps
from tests.chaos.deaths import APP_POINTS
from tests.chaos.rounds import Round, play
from tests.chaos.suite import SMALL, parts
from tests.conftest import postgres_binaries

SEED = int(os.environ.get("CHAOS_SEED", "1"))
MINE = ("kills-sqlite", "kills-postgres", "rolling-restart", "redis", "stalls", "actions", "disk")
"""And `apps`, which has customers of another kind."""


def chosen() -> list[Round]:
    return [each for each in parts(SEED, SMALL) if each.name in MINE]


@pytest.mark.parametrize("this", chosen(), ids=lambda this: this.name)
def test_nothing_acknowledged_is_lost_and_nothing_answered_twice(this: Round, tmp_path: Path) -> None:
    if this.plan.database == "postgres" and postgres_binaries() is None and os.environ.get("CI") != "true":
        pytest.skip("There is no PostgreSQL here: install it, or the test extra of this project.")
    report = asyncio.run(play(this, tmp_path))
    assert [str(violation) for violation in report.violations] == []
    assert report.accepted == report.messages >= this.shape.conversations * this.shape.messages
    assert set(report.done) == {fault.__name__ for fault in this.faults}


def test_servers_that_die_at_any_step_lose_and_double_nothing_in_messaging_apps(tmp_path: Path) -> None:
    (this,) = [each for each in parts(SEED, SMALL) if each.apps]
    report = asyncio.run(apps.play(this, tmp_path))
    assert [str(violation) for violation in report.violations] == []
    assert report.accepted == report.messages > 0
    assert set(report.done) >= set(APP_POINTS), "a server died at each"
