"""The verbs that train, ask and keep models, on one small model that is trained for real."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from rich.console import Console

from bot import models
from bot.config import Settings
from nlu.manifest import ModelError, read_manifest, write_manifest
from nlu.registry import Registry
from nlu.training.options import Step
from tests.command import EXAMPLES, SECONDS, Ended, Frontdesk, environment, ran, train_less, write_project
from tests.registered import registered

OLDER, NEWER = "20260101-000000-older", "20260102-000000-newer"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("cli") / "project")


@pytest.fixture(scope="module")
def trained(project: Path) -> tuple[Path, Ended]:
    """A model directory, and what training it said in a pipe."""
    out = project.parent / "model"
    env = environment(project.parent)
    return out, ran("train", "--data", project, "--out", out, "--log-to", "none", env=env)


@pytest.fixture
def home(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("FRONTDESK_", "REDIS_", "DATABASE_", "ACTION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name, value in environment(tmp_path / "home", FRONTDESK_DATA=project, FRONTDESK_PORT=0).items():
        monkeypatch.setenv(name, value)
    return tmp_path / "home"


@pytest.fixture
def frontdesk(home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Frontdesk:
    train_less(monkeypatch)
    return Frontdesk(monkeypatch, capfdbinary)


@pytest.fixture
def registry(home: Path, trained: tuple[Path, Ended]) -> Registry:
    """Two sound models, the newer one current."""
    return registered(trained[0], home, OLDER, NEWER)


def _choose() -> tuple[str, str]:
    """What `run` would serve with the settings as they are, and what it said."""
    screen = Console(record=True, width=500, force_terminal=False, file=io.StringIO())
    directory, _ = models.ready(Settings.read(), screen)
    return directory.name, screen.export_text()


# -- training


def test_training_in_a_pipe_tells_lines_with_the_time_left_on_standard_error(trained: tuple[Path, Ended]) -> None:
    directory, ended = trained
    assert ended.code == 0
    assert (directory / "manifest.json").is_file()
    told, report = ended.out.splitlines()
    assert told.startswith("Trained ")
    assert report == f"Report: {directory / 'report' / 'index.html'}"
    assert (directory / "report" / "index.html").is_file()
    assert not [character for character in ended.err if character != "\n" and not character.isprintable()]
    assert "everything, epoch 1: loss" in ended.err
    assert "Traceback" not in ended.err
    assert [line for line in ended.err.splitlines() if " left  " in line]


def test_the_estimate_is_of_the_work_that_is_left() -> None:
    moments = iter((0.0, 0.0, 5.0, 30.0, 31.0, 45.0, 60.0))
    screen = Console(record=True, width=200, force_terminal=False, file=io.StringIO())
    with models._lines(screen, clock=lambda: next(moments)) as show:
        show(Step(0.0, "reading"))
        show(Step(0.05, "reading"))
        show(Step(0.25, "training", "epoch 1: loss 0.5"))
        show(Step(0.26, "training"))
        show(Step(0.5, "training"))
        show(Step(1.0, "training", "epoch 2: loss 0.1"))
    assert screen.export_text().splitlines() == [
        "  0%  reading",
        " 25%  1:30 left  epoch 1: loss 0.5",
        " 50%  0:45 left  training",
        "100%  epoch 2: loss 0.1",
    ]


def test_a_terminal_shows_a_bar() -> None:
    screen = Console(record=True, width=100, force_terminal=True, file=io.StringIO())
    with models.progress(screen) as show:
        show(Step(0.5, "training [on everything]", "epoch 1: [loss] 0.5"))
    shown = screen.export_text()
    assert "epoch 1: [loss] 0.5" in shown
    assert "50%" in shown


@pytest.mark.parametrize("manifest", ["", '{"name": "web app"}', '{"files": {"model.safetensors": ""}}', "[1]"])
def test_a_model_never_takes_the_place_of_something_else(frontdesk: Frontdesk, tmp_path: Path, manifest: str) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "letter.txt").write_text("dear")
    if manifest:  # web pages have one, too
        (tmp_path / "precious" / "manifest.json").write_text(manifest)
    ended = frontdesk("train", "--out", tmp_path / "precious")
    assert ended.code == 2
    assert "something other than a model is here already" in ended.err
    assert (tmp_path / "precious" / "letter.txt").read_text() == "dear"


# -- asking


def test_parse_takes_lines_and_jsonl_and_gives_a_line_for_each(
    frontdesk: Frontdesk, trained: tuple[Path, Ended]
) -> None:
    lines = b'\xef\xbb\xbfwhere is my parcel\r\n{"text": "good morning", "id": 7}\n\nhell\xff\n\xe4\xbd\xa0'
    ended = frontdesk("parse", "--model", trained[0], stdin=lines)
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert (ended.code, ended.err) == (0, "")
    assert [one["text"] for one in found] == [
        "where is my parcel",
        "good morning",
        "",
        "hell\N{REPLACEMENT CHARACTER}",
        "你",
    ]
    assert [one["intent"]["name"] for one in found[:2]] == ["ask_order", "greet"]
    assert found[0]["metadata"]["model"] == read_manifest(trained[0]).id


@pytest.mark.parametrize("line", [b'{"text": 5}', b'{"texts": "x"}', b"{broken", b'{"text": "\\ud800"}'])
def test_a_broken_line_of_jsonl_is_named(frontdesk: Frontdesk, trained: tuple[Path, Ended], line: bytes) -> None:
    ended = frontdesk("parse", "--model", trained[0], stdin=b"hello\n" + line + b"\n")
    assert ended.code == 2
    assert ended.err == 'frontdesk: standard input:2: the line is no JSON with a text. Write {"text": "..."}.\n'


def test_parse_takes_texts_as_words_of_the_command(frontdesk: Frontdesk, registry: Registry) -> None:
    ended = frontdesk("parse", "hello", "opening hours \udcff")
    assert [json.loads(line)["intent"]["name"] for line in ended.out.splitlines()] == ["greet", "ask_hours"]


def test_parse_explains_which_words_decided_and_what_is_nearest(
    frontdesk: Frontdesk, registry: Registry, project: Path, tmp_path: Path
) -> None:
    lines = frontdesk("parse", "--explain", "has my \x1b[2J parcel shipped").out.splitlines()
    assert lines[0] == "has my [2J parcel shipped"
    assert lines[1].startswith("  ask_order ")
    assert any("█" in line for line in lines)
    assert any(f"{project / 'nlu' / 'nlu.yml'}:" in line and "has my order shipped" in line for line in lines)

    (line,) = frontdesk("parse", "--explain", "--json", "hello bot").out.splitlines()
    why = json.loads(line)["explanation"]
    assert (why["intent"], why["example"]) == ("greet", True)
    assert {word["text"] for word in why["words"]} == {"hello", "bot"}
    assert (why["nearest"][0]["text"], why["nearest"][0]["distance"]) == ("hello bot", pytest.approx(0, abs=0.001))


def test_parse_explains_by_other_data_and_says_so(frontdesk: Frontdesk, registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text(
        "text,intent\ncheerio,greet\nhello,greet\nopening times,ask_hours\nopen,ask_hours\n"
    )
    ended = frontdesk("parse", "--explain", "--data", "other.csv", "cheerio")
    assert "other.csv is not what 20260102-000000-newer was trained on" in ended.err
    assert "0.000  greet      cheerio  other.csv:2  (not taught)" in ended.out
    missing = frontdesk("parse", "--explain", "--data", "nowhere", "hello")
    assert (missing.code, missing.err) == (
        0,
        "No nearest examples are shown. nowhere: there is no such file or folder. Check the path.\n",
    )


def test_who_stops_reading_is_told_nothing(trained: tuple[Path, Ended], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    env = environment(tmp_path)
    with os.fdopen(write, "wb") as gone:
        command = [sys.executable, "-c", "from bot.cli import main; main()", "models", "list", "--json"]
        shutil.copytree(trained[0], tmp_path / "models" / read_manifest(trained[0]).id)
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, env=env, timeout=SECONDS, check=False)
    assert done.stderr == b""


def test_evaluate_prints_json_alone(frontdesk: Frontdesk, trained: tuple[Path, Ended], tmp_path: Path) -> None:
    rows = [f'"{text}",{intent}' for intent, texts in EXAMPLES.items() for text in texts]
    (tmp_path / "held_out.csv").write_text("text,category\n" + "\n".join(rows) + "\nbye,goodbye\n")
    ended = frontdesk("evaluate", "--model", trained[0], "--data", tmp_path / "held_out.csv", "--json")
    scores = json.loads(ended.out)
    assert scores["intents"]["texts"] == 25
    assert scores["intents"]["accuracy"] >= 0.9
    assert ended.err == "The model was never taught 1 of 4 intents: goodbye\n"
    words = frontdesk("evaluate", "--model", trained[0], "--data", tmp_path / "held_out.csv").out
    model, learnt, intents = words.splitlines()[:3]
    assert model == f"model {read_manifest(trained[0]).id}"
    assert learnt.startswith("Trained on, word for word: 24 of the labelled texts.")
    assert intents.startswith("intents     25 texts: accuracy ")


def held_out(folder: Path) -> Path:
    rows = [f'"{text}",{intent}' for intent, texts in EXAMPLES.items() for text in texts]
    (folder / "held_out.csv").write_text("text,intent\n" + "\n".join(rows) + "\n")
    return folder / "held_out.csv"


def test_evaluate_shows_what_budgets_and_typing_errors_cost_and_writes_a_report(
    frontdesk: Frontdesk, trained: tuple[Path, Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_ERROR_BUDGET", "0.04")
    asked = ("evaluate", "--model", trained[0], "--data", held_out(tmp_path))
    ended = frontdesk(*asked, "--budget", "--noise", "--report", tmp_path / "out")
    assert "What an error budget costs, of 24 texts:" in ended.out
    assert "* 4.0%" in ended.out
    assert "20% of the letters wrong" in ended.out
    assert ended.err == f"Report: {tmp_path / 'out' / 'index.html'}\n"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("index.html", "evaluation.json"),
        *("budget.png", "confusion.png", "reliability.png", "robustness.png"),
    }


def test_evaluate_compares_with_a_model_of_the_registry(
    frontdesk: Frontdesk, registry: Registry, tmp_path: Path
) -> None:
    told = frontdesk("evaluate", "--data", held_out(tmp_path), "--against", OLDER).out
    assert "0 texts gained, 0 lost, p = 1" in told
    assert "The difference may well be chance." in told


def test_evaluate_cross_validates_without_held_out_texts(frontdesk: Frontdesk, project: Path) -> None:
    ended = frontdesk("evaluate", "--data", project, "--cross-validate", 2, "--json")
    scores = json.loads(ended.out)
    assert scores["intents"]["texts"] == 24
    assert scores["intents"]["accuracy"] >= 0.5
    assert "part 2 of 2" in ended.err


@pytest.mark.parametrize("other", ["--noise", "--budget", "--against=x", "--model=x"])
def test_cross_validation_does_not_go_with_what_is_about_one_model(frontdesk: Frontdesk, other: str) -> None:
    ended = frontdesk("evaluate", "--cross-validate", 2, other)
    assert ended.code == 2
    assert "trains models of its own" in ended.err


def test_cross_validation_tells_before_the_first_training_that_there_is_too_little(
    frontdesk: Frontdesk, tmp_path: Path
) -> None:
    (tmp_path / "few.csv").write_text("text,intent\nhello,greet\nhi,greet\nbye,leave\nciao,leave\n")
    ended = frontdesk("evaluate", "--data", tmp_path / "few.csv", "--cross-validate", 2)
    assert ended.code == 2
    assert "more than one example" in ended.err


@pytest.mark.parametrize("budget", ["-0.1", "1.5", "few"])
def test_a_budget_that_is_no_share_is_refused(
    frontdesk: Frontdesk, budget: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_ERROR_BUDGET", budget)
    ended = frontdesk("parse", "hello")
    assert ended.code == 2
    assert "FRONTDESK_ERROR_BUDGET" in ended.err


def test_evaluate_asks_for_data_where_none_is_held_out(frontdesk: Frontdesk, project: Path) -> None:
    ended = frontdesk("evaluate")
    assert ended.code == 2
    assert (
        ended.err == f"frontdesk: {project}/test: there are no held-out texts here. Name labelled ones with --data.\n"
    )


def test_without_a_model_the_sentence_says_how_to_get_one(frontdesk: Frontdesk, home: Path) -> None:
    for verb in (("parse", "hello"), ("models", "show", "none"), ("models", "promote", "../x")):
        ended = frontdesk(*verb)
        assert ended.code == 2
        assert ended.err.startswith("frontdesk: There is no model ")
        assert ended.err.count("\n") == 1
    listed = frontdesk("models", "list")
    assert (listed.code, listed.out) == (0, "")
    assert "train one with `frontdesk train`" in listed.err


# -- the registry


def test_models_are_listed_shown_and_promoted(frontdesk: Frontdesk, registry: Registry) -> None:
    listed = frontdesk("models", "list").out.splitlines()
    assert [line[:24].rstrip() for line in listed] == ["  model", f"* {NEWER}", f"  {OLDER}"]
    assert [manifest["id"] for manifest in json.loads(frontdesk("models", "list", "--json").out)] == [NEWER, OLDER]
    assert json.loads(frontdesk("models", "show", OLDER, "--json").out)["intents"] == sorted(EXAMPLES)
    shown = frontdesk("models", "show").out.splitlines()
    assert shown[0] == f"model       {NEWER}, current"
    assert f"knows       {len(EXAMPLES)} intents, 0 entities" in shown
    assert max(map(len, shown)) < 200, "a person reads it"
    said = [{"what": "accuracy", "sentence": "7 are lost."}, {"what": "entities", "sentence": "3 are lost."}]
    registry.decide(OLDER, {"held": True, "reasons": said})
    told = frontdesk("models", "show", OLDER).out
    assert "the gate    accuracy: 7 are lost.\n            entities: 3 are lost.\n" in told
    assert frontdesk("models", "promote", OLDER).out == f"{OLDER} is current; a running service takes it up.\n"
    assert registry.current_id() == OLDER


def _edit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(content)


FAULTS: dict[str, Callable[[Path], object]] = {
    "an edited weight": lambda folder: _edit(folder / "model.safetensors"),
    "a broken manifest": lambda folder: (folder / "manifest.json").write_text("{"),
    "a foreign manifest": lambda folder: (folder / "manifest.json").write_text('{"format": 1, "name": "other"}'),
    "another encoding": lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe{"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "a missing file": lambda folder: (folder / "tokenizer.json").unlink(),
    "a pickle": lambda folder: (folder / "weights.pkl").write_bytes(b"\x80\x04."),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_model_is_refused_and_the_last_good_one_serves(
    frontdesk: Frontdesk, registry: Registry, fault: str
) -> None:
    FAULTS[fault](registry.directory(NEWER))
    served, told = _choose()
    refusal, instead = told.splitlines()
    assert served == OLDER
    assert refusal.startswith(f"A model is refused. {registry.directory(NEWER)}")
    assert instead == f"Serving the last good one, {OLDER}; `frontdesk train` makes a new one."
    promoted = frontdesk("models", "promote", NEWER)
    assert promoted.code == 2
    assert promoted.err == refusal.replace("A model is refused.", "frontdesk:") + "\n"
    assert "is refused" in frontdesk("models", "list").err
    asked = frontdesk("parse", "--model", registry.directory(NEWER), "hello")
    assert (asked.code, asked.out) == (2, "")
    asked = frontdesk("parse", "hello")
    assert asked.code == 0
    assert f"The current model, {NEWER}, is refused; this is the last good one, {OLDER}.\n" in asked.err


def test_a_model_that_was_sealed_and_does_not_load_is_refused(registry: Registry) -> None:
    folder = registry.directory(NEWER)
    (folder / "tokenizer.json").write_text("{}")
    write_manifest(folder, read_manifest(folder))
    registry.sign(folder)
    served, told = _choose()
    assert served == OLDER
    assert told.startswith(f"A model is refused. The model in {folder} cannot be loaded (")


def test_a_model_that_a_person_promoted_is_served_although_newer_ones_exist(registry: Registry) -> None:
    manifest = replace(registry.manifest(OLDER), data_hash="of other data")
    write_manifest(registry.directory(OLDER), manifest)
    registry.sign(registry.directory(OLDER))
    registry.promote(OLDER)
    assert _choose() == (OLDER, "")


def test_data_that_went_back_gets_its_model_back_without_training(registry: Registry) -> None:
    write_manifest(registry.directory(NEWER), replace(registry.manifest(NEWER), data_hash="of other data"))
    registry.sign(registry.directory(NEWER))
    assert _choose() == (OLDER, "")
    assert registry.current_id() == OLDER


def test_a_pointer_to_nothing_is_no_reason_to_train(registry: Registry) -> None:
    shutil.rmtree(registry.directory(NEWER))
    assert _choose() == (OLDER, "")


def test_a_pointer_that_is_no_text_is_no_reason_to_train(registry: Registry) -> None:
    (registry.folder / "current").write_bytes(b"\xff\xfe")
    assert _choose() == (NEWER, "")


def test_a_service_that_starts_while_a_model_is_trained_serves_that_one(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Event()

    class Heard(io.StringIO):
        def write(self, text: str) -> int:
            if "waiting for it" in text:
                told.set()
            return super().write(text)

    monkeypatch.setattr(models, "train", lambda *_, **__: pytest.fail("a second training began"))
    for name in (OLDER, NEWER):
        _forget_promotion_of(name, registry)
    (registry.folder / "current").unlink()
    screen = Console(width=500, file=Heard())
    with ThreadPoolExecutor(1) as another:
        with registry.training():
            found = another.submit(models.ready, Settings.read(), screen)
            assert told.wait(SECONDS)
            registry.promote(OLDER)
        assert found.result()[0].name == OLDER


def _forget_promotion_of(name: str, registry: Registry) -> None:
    """As if its training had ended before the gate."""
    history = registry.folder / ".history"
    history.write_text("".join(line for line in history.open() if name not in line))


def test_a_model_on_which_nobody_decided_is_served_for_no_other(frontdesk: Frontdesk, registry: Registry) -> None:
    """Neither where the pointer is lost, nor where the current model is refused or of other data."""
    _forget_promotion_of(NEWER, registry)
    (registry.folder / "current").unlink()
    assert models.chosen(Settings.read()) == OLDER

    assert [line[:2] for line in frontdesk("models", "list").out.splitlines()] == ["  ", "? ", "  "]
    _forget_promotion_of(OLDER, registry)
    assert models.chosen(Settings.read()) is None
    assert "each is held, not judged yet or refused. Promote one" in frontdesk("parse", "hello").err

    write_manifest(registry.directory(NEWER), replace(registry.manifest(NEWER), data_hash="of other data"))
    registry.sign(registry.directory(NEWER))
    registry.promote(NEWER)
    assert models.chosen(Settings.read()) == NEWER
    (registry.directory(NEWER) / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="can be served; make one with"):
        models.sound(NEWER, Settings.read(), Console(file=io.StringIO()))


def test_a_gpu_that_is_not_there_is_told(
    frontdesk: Frontdesk, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("FRONTDESK_DEVICE", "cuda")
    ended = frontdesk("parse", "hello")
    assert ended.code == 2
    assert ended.err.startswith("frontdesk: There is no GPU that torch can use here: set FRONTDESK_DEVICE=cpu")


def test_models_of_other_data_alone_are_a_reason_to_train(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OLDER, NEWER):
        write_manifest(registry.directory(name), replace(registry.manifest(name), data_hash="of other data"))
        registry.sign(registry.directory(name))

    class Trained(Exception):
        """Training was asked for."""

    def train(*_: object, **__: object) -> None:
        raise Trained

    monkeypatch.setattr(models, "train", train)
    with pytest.raises(Trained):
        _choose()
