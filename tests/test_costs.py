"""What a message costs, in counts and ratios that no busy machine changes: who makes it dearer has to say so here."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection
from sqlalchemy import Connection, event
from sqlalchemy.engine import Engine as Database

import nlu.understand
from nlu.engine.signals import Engine, Glance, Signals
from nlu.families import Families
from nlu.load import load_model
from nlu.understand import Model
from tests.demo import demo_model
from tests.service import Widget, running

TURNS = 20
TEXTS = ("where is my order?", "i want to send the sofa back", "are you open on sunday", "what does delivery cost")


class Counted:
    """An engine that knows how often it was asked, and for how much."""

    callers = 1

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.passes = self.rows = self.glances = 0

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        self.passes += 1
        self.rows += len(rows)
        return self._engine.run(rows)

    def glance(self, rows: Sequence[list[int]]) -> Sequence[Glance]:
        self.glances += len(rows)
        return self._engine.glance(rows)


@pytest.fixture(scope="module")
def directory(request: pytest.FixtureRequest) -> Path:
    return demo_model(request.config)


@pytest.fixture(scope="module")
def model(directory: Path) -> Model:
    return load_model(directory, device="cpu", threads=1)


@pytest.fixture
def statements() -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Database, "before_cursor_execute", note)
    yield found
    event.remove(Database, "before_cursor_execute", note)


async def test_a_turn_takes_six_statements_and_one_round_trip_to_redis(
    tmp_path: Path, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[object] = []
    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, command: Any, check_health: bool = True) -> None:
        sent.append(command)
        await send(self, command, check_health)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        for _ in range(5):
            await widget.ask("ask")
        statements.clear()
        sent.clear()
        for _ in range(TURNS):
            await widget.ask("ask")
    of_turns = [one for one in statements if not re.match(r"SELECT DISTINCT", one)]  # a sweep, which comes by the clock
    assert 6 * TURNS <= len(of_turns) <= 6 * TURNS + 5, of_turns
    assert len(sent) <= 2 * TURNS, "leases, cached states and the call to other servers go together"


async def test_sqlalchemy_writes_the_statements_of_a_turn_out_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    execute = Connection.execute

    def noted(self: Connection, statement: Any, *given: Any, **more: Any) -> Any:
        written.append(str(statement))
        return execute(self, statement, *given, **more)

    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        await widget.ask("ask")
        monkeypatch.setattr(Connection, "execute", noted)
        for _ in range(TURNS):
            await widget.ask("ask")
    assert not [one for one in written if one.startswith(("INSERT", "UPDATE"))]


def test_one_request_is_one_pass_and_two_are_two_and_a_glance(model: Model) -> None:
    counted = Counted(model.engine)
    asked = replace(model, engine=counted)
    for text in TEXTS:
        asked.understand_now([text])
    assert (counted.passes, counted.rows, counted.glances) == (len(TEXTS), len(TEXTS), 0)
    asked.understand_now(["where is my order? and please change my e-mail address"])
    assert (counted.passes, counted.rows) == (len(TEXTS) + 2, len(TEXTS) + 3)
    assert counted.glances >= 2


class SecondGuess(Counted):
    """Reads each of several texts as it reads one that is given."""

    def __init__(self, engine: Engine, row: list[int]) -> None:
        super().__init__(engine)
        (guess,) = engine.run([row])
        self._guess = {name: getattr(guess, name) for name in ("point", "intents", "embedding", "start")}

    def run(self, rows: Sequence[list[int]]) -> list[Signals]:
        found = super().run(rows)
        return found if len(found) == 1 else [replace(one, **self._guess) for one in found]


@pytest.mark.parametrize("meant", ["what does delivery cost", "hello"])
def test_parts_that_mean_the_same_or_no_request_when_read_in_full_stay_together(model: Model, meant: str) -> None:
    text = "where did my order get to? and please change my e-mail address"
    assert len(model.understand_now([text])[0].requests) == 2
    guess = SecondGuess(model.engine, model.reader.read([meant])[0].ids)
    assert replace(model, engine=guess).understand_now([text])[0].requests == ()
    assert guess.passes == 2


def test_a_model_of_one_intent_never_looks_for_a_second_request(model: Model) -> None:
    counted = Counted(model.engine)
    alone = replace(model, engine=counted, families=Families.of(["track"] * len(model.judge.names)))
    (found,) = alone.understand_now(["where is my order? and please change my e-mail address"])
    assert (found.requests, counted.glances) == ((), 0)


def test_of_many_texts_a_slice_at_a_time_is_read(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = model.understand_now(TEXTS), model.insight(TEXTS)
    monkeypatch.setattr(nlu.understand, "MANY", 3)
    counted = Counted(model.engine)
    asked = replace(model, engine=counted)
    assert [one.intent for one in asked.understand_now(TEXTS)] == [one.intent for one in whole[0]]
    assert asked.insight(TEXTS).points == pytest.approx(whole[1].points, abs=1e-3)
    assert counted.passes == 4
    assert {one.within for one in asked.seen([[101, 102]])} == {None}


def test_an_understanding_takes_few_calls(model: Model) -> None:
    calls = 0

    def count(_frame: FrameType, kind: str, _argument: object) -> None:
        nonlocal calls
        calls += kind == "call"

    for text in TEXTS:
        model.understand_now([text])
    sys.setprofile(count)
    try:
        for text in TEXTS:
            model.understand_now([text])
    finally:
        sys.setprofile(None)
    assert calls / len(TEXTS) < 800


def test_a_cpu_is_served_faster_than_by_torch(directory: Path, model: Model) -> None:
    """About three times; a third of that would be a fault."""
    torch = load_model(directory, device="cpu", threads=1, with_torch=True)
    rows = [tokens.ids for tokens in model.reader.read(TEXTS)]
    engines = {"onnx": model.engine, "torch": torch.engine}
    best = {name: min(_seconds(engine, rows) for _ in range(7)) for name, engine in engines.items()}
    assert best["torch"] / best["onnx"] > 1.2


def _seconds(engine: Engine, rows: Sequence[list[int]]) -> float:
    """Of the processor."""
    began = time.process_time()
    for row in rows:
        engine.run([row])
    return time.process_time() - began
