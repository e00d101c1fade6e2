"""The transport's figures: their runner, and one measurement made tiny."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.transport.__main__ import MEASUREMENTS, chosen, figures, row, rows
from benchmarks.transport.figures import Figure, percentile

ROOT = Path(__file__).parent.parent
TARGETS = ["T1", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "T13", "T16", "T17", "T18", "T19", "T24"]


def test_every_target_is_measured_by_name() -> None:
    for target in TARGETS:
        (measurement,) = chosen([target.lower()])
        assert target in {figure.name for figure in figures(measurement)}


def test_the_worst_run_is_reported() -> None:
    speed, delay = Figure("T0", "a", "speed", 100, "msg/s", True, 0), Figure("T0", "b", "delay", 20, "ms")

    assert row(speed, [120, 99, 140]) == "| T0 | speed | >= 100 msg/s | 120, 99, 140 | 99 msg/s | missed |"
    assert row(delay, [1, 19.96, 3]) == "| T0 | delay | <= 20 ms | 1.0, 20.0, 3.0 | 20.0 ms | reached |"
    assert "not measured" in row(delay, [])


@pytest.mark.parametrize(("percent", "found"), [(50, 50), (99, 99), (100, 100), (99.5, 100)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, found: float) -> None:
    assert percentile(range(100, 0, -1), percent) == found


def test_a_measurement_made_tiny_fills_its_rows() -> None:
    found = rows("burst", runs=1, scale=0.02)

    assert [line.split("|")[1].strip() for line in found] == [figure.name for figure in figures("burst")]
    assert not any("failed" in line or "not measured" in line for line in found), found


def test_a_run_that_fails_is_told_and_ends_nothing() -> None:
    assert any("run 1 failed" in line for line in rows("figures", runs=1, scale=1))


def test_an_unknown_name_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.transport", "t99"], cwd=ROOT, text=True, capture_output=True, check=False
    )

    assert done.returncode
    assert "t99" in done.stderr
    assert all(name in done.stderr for name in MEASUREMENTS)
