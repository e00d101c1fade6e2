"""The `frontdesk` command for tests, called in this process or started as one of its own, and a small Rasa project."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bot import models
from bot.cli import main

ROOT = Path(__file__).parent.parent
START = "import sys; sys.argv[0] = 'frontdesk'; from bot.cli import main; main()"
SECONDS = 900
"""A command that takes longer hangs, however busy the machine is."""

EXAMPLES = {
    "ask_order": [
        "where is my order",
        "track my parcel please",
        "when does my package come",
        "has my order shipped",
        "i wait for my delivery",
        "order status please",
        "is my parcel on the way",
        "my package did not arrive",
    ],
    "ask_hours": [
        "when are you open",
        "opening hours please",
        "are you open on sunday",
        "what time do you close",
        "do you open at nine",
        "is the shop open today",
        "until when are you open",
        "hours of the store",
    ],
    "greet": ["hello", "hi there", "good morning", "hey", "good evening", "hello bot", "hi", "greetings"],
}
DOMAIN = """\
version: "3.1"
intents: [ask_order, ask_hours, greet]
responses:
  utter_order: [{text: "It is on its way."}]
  utter_hours: [{text: "Nine to five."}]
  utter_greet: [{text: "Hello."}]
"""
RULES = """\
version: "3.1"
rules:
- rule: order
  steps: [{intent: ask_order}, {action: utter_order}]
- rule: hours
  steps: [{intent: ask_hours}, {action: utter_hours}]
- rule: greet
  steps:
  - intent: greet
  - action: utter_greet
"""


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str


def write_project(folder: Path) -> Path:
    (folder / "nlu").mkdir(parents=True)
    intents = (
        f"- intent: {name}\n  examples: |\n" + "".join(f"    - {text}\n" for text in texts)
        for name, texts in EXAMPLES.items()
    )
    (folder / "nlu" / "nlu.yml").write_text('version: "3.1"\nnlu:\n' + "".join(intents))
    (folder / "domain.yml").write_text(DOMAIN)
    (folder / "rules.yml").write_text(RULES)
    return folder


class Frontdesk:
    """Calls the command in this process, so that the model's libraries are imported once."""

    def __init__(self, patch: pytest.MonkeyPatch, captured: pytest.CaptureFixture[bytes]) -> None:
        self._patch, self._captured = patch, captured

    def __call__(self, *words: Any, stdin: bytes = b"") -> Ended:
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        on_stop = signal.getsignal(signal.SIGTERM)
        code: Any = 0
        try:
            with self._patch.context() as patch:
                patch.setattr(sys, "argv", ["frontdesk", *map(str, words)])
                patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
                patch.setattr(sys, "path", sys.path[:])
                main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            root.handlers[:], root.level = handlers, level
            signal.signal(signal.SIGTERM, on_stop)
        out, err = self._captured.readouterr()
        return Ended(code, out.decode(), err.decode())


def train_less(patch: pytest.MonkeyPatch, averaged: int = 1) -> None:
    """Trainings of commands that are called in this process: a quarter of the epochs that few examples are given, or
    half of them where three trainings are averaged."""
    usual = models.options
    patch.setattr(models, "options", lambda settings: replace(usual(settings), averaged=averaged, held_out_parts=1))


def environment(home: Path, **settings: object) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FRONTDESK_")}
    ours = {"FRONTDESK_HOME": home, "FRONTDESK_THREADS": 1, "OMP_NUM_THREADS": 1, "PYTHONPATH": ROOT, **settings}
    return {**kept, **{name: str(value) for name, value in ours.items()}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def ran(*words: Any, env: dict[str, str], stdin: Any = subprocess.DEVNULL, before: tuple[str, ...] = ()) -> Ended:
    """The command in a process of its own."""
    command = [*before, sys.executable, "-c", START, *map(str, words)]
    cwd = env["FRONTDESK_HOME"] if Path(env["FRONTDESK_HOME"]).is_dir() else None
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=env, cwd=cwd, check=False, **given)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())


@contextmanager
def started(
    *words: Any, env: dict[str, str], log: Path, until: str, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command running, once `until` stands in what it wrote to `log` (standard error, and output behind it)."""
    with log.open("wb") as file:
        command = [sys.executable, "-u", "-c", START, *map(str, words)]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env, cwd=cwd)
    try:
        while until not in log.read_text():
            with_rest = f"ended with {process.returncode}: {log.read_text()}"
            assert process.poll() is None, with_rest
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        yield process
    finally:
        process.kill()
        process.wait()
