"""The arrows of the architecture: who may import whom."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
WIRING = {
    "bot/app.py",
    "bot/cli.py",
    "bot/models.py",
    "bot/model_service.py",
    "bot/start.py",
    "bot/several.py",
    "bot/checks.py",
    "bot/evaluating.py",
    "bot/explaining.py",
    "bot/following.py",
}
LEARNING = "bot/learning/"
"""Brings the conversations to the training: it knows both sides."""
SEEN_BY_BOT = {"nlu.types", "nlu.wire", "nlu.source", "nlu.learning.redaction", "nlu.languages"}

Import = tuple[str, str, bool]
"""File, module and whether it is imported when the file is."""


def _imports() -> Iterator[Import]:
    for package in ("bot", "nlu", "actions"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text())):
                for module in _modules(node):
                    yield name, module, node.col_offset == 0  # type: ignore[attr-defined]  # imports have a place


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


IMPORTS = list(_imports())


def _roots(prefix: str) -> set[tuple[str, str]]:
    return {(name, module.split(".")[0]) for name, module, _ in IMPORTS if name.startswith(prefix)}


def test_the_language_part_and_the_actions_know_nobody() -> None:
    assert not {(n, m) for n, m in _roots("nlu/") if m in ("bot", "actions")}
    assert not {(n, m) for n, m in _roots("actions/") if m in ("bot", "nlu")}


def test_the_service_sees_only_the_values_of_the_language_part() -> None:
    seen = {
        (name, module)
        for name, module, _ in IMPORTS
        if name.startswith("bot/")
        and name not in WIRING
        and not name.startswith(LEARNING)
        and module.split(".")[0] in ("nlu", "actions")
        if not any(module == value or module.startswith(f"{value}.") for value in SEEN_BY_BOT)
    }
    assert not seen


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("torch", ("nlu/",)),
        ("transformers", ("nlu/",)),
        ("sentence_transformers", ("nlu/",)),
        ("sqlalchemy", ("bot/journal/", "actions/")),
        ("redis", ("bot/exchange.py", "bot/app.py")),
        ("rasa_sdk", ("actions/", "bot/actions.py")),
    ],
)
def test_a_library_stays_in_its_place(library: str, homes: tuple[str, ...]) -> None:
    users = {name for name, module, _ in IMPORTS if module.split(".")[0] == library}
    assert users, f"nobody imports {library}"
    assert {name for name in users if not name.startswith(homes)} == set()


def test_no_package_init_does_anything() -> None:
    for path in [*ROOT.glob("bot/**/__init__.py"), *ROOT.glob("nlu/**/__init__.py")]:
        body = ast.parse(path.read_text()).body
        assert [type(node) for node in body] == [ast.Expr], f"{path} holds more than a docstring"
        assert ast.get_docstring(ast.parse(path.read_text())), path
