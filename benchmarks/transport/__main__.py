"""Measures the transport's figures: `python -m benchmarks.transport [NAME ...] [--runs 3] [--scale 0.1]`.

A name is a figure's (`t10`) or a measurement's (`throughput`). Each run is a process of its own. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from benchmarks.transport.figures import Figure

MEASUREMENTS = (
    "delivery",
    "burst",
    "restart",
    "acknowledgement",
    "throughput",
    "idle",
    "without_redis",
    "slow_actions",
    "overload",
    "slow_reader",
    "full_disk",
    "stalls",
)
ROOT = Path(__file__).parents[2]
LONGEST = 600.0
"""Seconds that one run may take."""


def main() -> None:
    given = _options()
    print("| | what | goal | runs | worst | |\n|---|---|---|---|---|---|")
    for name in chosen(given.names):
        for line in rows(name, given.runs, given.scale):
            print(line, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.transport", description=__doc__)
    parser.add_argument("names", nargs="*", help="figures or measurements; none: all of them")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: shorter and smaller, to try it")
    return parser.parse_args()


def chosen(names: Sequence[str]) -> list[str]:
    wanted = [name.lower() for name in names]
    found = [name for name in MEASUREMENTS if not wanted or _called(name) & set(wanted)]
    if not found:
        sys.exit(f"There is no figure {' '.join(names)}; there are {', '.join(MEASUREMENTS)}.")
    return found


def _called(measurement: str) -> set[str]:
    return {measurement, *(figure.name.lower() for figure in figures(measurement))}


def figures(measurement: str) -> tuple[Figure, ...]:
    found: tuple[Figure, ...] = getattr(import_module(f"benchmarks.transport.{measurement}"), "FIGURES", ())
    return found


def rows(name: str, runs: int, scale: float) -> list[str]:
    values: dict[str, list[float]] = defaultdict(list)
    failures = []
    for number in range(runs):
        began = time.monotonic()
        try:
            for key, value in _run(name, scale).items():
                values[key].append(value)
        except (subprocess.SubprocessError, ValueError) as problem:
            failures.append(f"run {number + 1} failed: {problem}")
        print(f"{name}, run {number + 1}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    found = [row(figure, values[figure.key]) for figure in figures(name)]
    return [*found, *(f"| {name} | {failure} | | | | |" for failure in failures)]


def row(figure: Figure, values: Sequence[float]) -> str:
    if not values:
        return f"| {figure.name} | {figure.what} | {figure.goal} | | not measured | |"
    worst = figure.worst(values)
    runs = ", ".join(f"{value:,.{figure.digits}f}" for value in values)
    verdict = "" if figure.limit is None else "reached" if figure.holds(worst) else "missed"
    return f"| {figure.name} | {figure.what} | {figure.goal} | {runs} | {figure.shown(worst)} | {verdict} |"


def _run(name: str, scale: float) -> dict[str, float]:
    """Raises SubprocessError or ValueError when it fails."""
    words = [sys.executable, "-m", "benchmarks.transport.once", name, "--scale", str(scale)]
    with subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=sys.stderr, start_new_session=True
    ) as process:
        try:
            told, _ = process.communicate(timeout=LONGEST)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode:
        raise ValueError(f"exit code {process.returncode}")
    measured: dict[str, float] = json.loads(told)
    return measured


if __name__ == "__main__":
    main()
