"""The service retrains by itself at a set time, once for all servers."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from bot.config import Settings
from bot.learning import schedule
from bot.learning.schedule import Run, When, command, due
from tests.command import ROOT

THURSDAY = datetime(2026, 11, 26, 12, 0)
AT = datetime(2026, 11, 27, 3, 0)


@pytest.mark.parametrize(
    ("text", "following"),
    [
        ("12:00", datetime(2026, 11, 27, 12, 0)),
        ("12:01", datetime(2026, 11, 26, 12, 1)),
        ("3:00", datetime(2026, 11, 27, 3, 0)),
        ("sun 03:00", datetime(2026, 11, 29, 3, 0)),
        ("Thu 11:59", datetime(2026, 12, 3, 11, 59)),
        ("thu 23:59", datetime(2026, 11, 26, 23, 59)),
    ],
)
def test_the_next_time(text: str, following: datetime) -> None:
    assert When.read(text).after(THURSDAY) == following


@pytest.mark.parametrize("text", ["24:00", "noon", "son 03:00", "3", "03:60"])
def test_a_time_that_is_none_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValidationError, match="must be a time"):
        Settings(retrain_at=text)


def test_a_person_may_keep_the_last_word() -> None:
    assert list(command(Settings()))[-2:] == ["retrain", "--wait"]
    assert list(command(Settings(retrain_by_hand=True)))[-3:] == ["retrain", "--wait", "--by-hand"]


def test_a_folder_bot_where_the_service_was_started_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "bot").mkdir()
    (tmp_path / "bot" / "__init__.py").write_text("raise SystemExit('somebody else')")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command(Settings()), "--help"], cwd=tmp_path, env=env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def says(text: str, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"print({text!r}); raise SystemExit({code})"]


async def test_of_several_servers_one_retrains(tmp_path: Path) -> None:
    ran = await asyncio.gather(*(due(tmp_path, AT, lambda: says("trained")) for _ in range(4)))
    assert sorted(ran) == [False, False, False, True]
    assert (tmp_path / "logs" / "retrain-20261127-0300.log").read_text() == "trained\n\nIt ended (0).\n"
    assert not await due(tmp_path, AT, lambda: says("late")), "its clock is behind"
    assert await due(tmp_path, AT.replace(day=28), lambda: says("again"))
    assert Run.last(tmp_path) == Run(AT.replace(day=28), 0, "again")


@pytest.mark.parametrize(
    ("code", "told"), [(0, "ended;"), (1, "ended and its model is held"), (2, "failed (exit code 2)")]
)
async def test_how_it_ended_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture, code: int, told: str) -> None:
    with caplog.at_level("INFO"):
        await due(tmp_path, AT, lambda: says("x", code))
    assert told in caplog.text


@pytest.mark.parametrize(
    ("end", "code", "told"),
    [
        ("raise SystemExit(2)", 2, "40%"),
        ("os.kill(os.getpid(), 9)", -9, "40%"),
        ("raise SystemExit(130)", None, schedule.STOPPED),
        ("os.kill(os.getpid(), 15)", None, schedule.STOPPED),
    ],
)
async def test_only_what_was_stopped_goes_on(tmp_path: Path, end: str, code: int | None, told: str) -> None:
    """A terminal stops the service and the training at once; what failed in the middle of a line has ended."""
    await due(tmp_path, AT, lambda: [sys.executable, "-c", f"import os; print('40%', end='', flush=True); {end}"])
    assert Run.last(tmp_path) == Run(AT, code, told)
    assert await due(tmp_path, AT, lambda: says("again")) == (code is None)


def test_a_log_of_something_else_is_no_run(tmp_path: Path) -> None:
    assert Run.last(tmp_path) is None
    (tmp_path / "logs").mkdir()
    for name in ("retrain-20261127-0300.log", "retrain-mine.log"):
        (tmp_path / "logs" / name).touch()
    assert Run.last(tmp_path) == Run(AT, None, "")


async def test_who_stops_the_service_stops_the_training_and_the_next_start_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(600)"]
    task = asyncio.create_task(due(tmp_path, AT, lambda: slow))
    log = tmp_path / "logs" / "retrain-20261127-0300.log"
    while not log.exists() or "begun" not in log.read_text():
        await asyncio.sleep(0.02)
    assert not await due(tmp_path, AT, lambda: says("twice")), "another server has it in hand"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert Run.last(tmp_path) == Run(AT, None, schedule.STOPPED)

    monkeypatch.setattr(schedule, "command", lambda settings: says("trained"))
    for _ in range(2):
        async with schedule.scheduled(Settings(home=tmp_path, retrain_at="03:00")):
            while not log.read_text().endswith("It ended (0).\n"):
                await asyncio.sleep(0.02)
    assert log.read_text() == f"begun\n\n{schedule.STOPPED}\ntrained\n\nIt ended (0).\n"


async def test_the_clock_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second before three, with a command that leaves a file."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # a plain one will do
            return AT.replace(day=26, hour=2, minute=59, second=59, microsecond=900_000)

    monkeypatch.setattr(schedule, "datetime", Clock)
    monkeypatch.setattr(schedule, "command", lambda settings: says("trained"))
    log = tmp_path / "logs" / "retrain-20261126-0300.log"
    async with schedule.scheduled(Settings(home=tmp_path, retrain_at="03:00")):
        while not log.exists() or log.read_text() != "trained\n\nIt ended (0).\n":
            await asyncio.sleep(0.02)
