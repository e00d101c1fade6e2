"""`frontdesk retrain` and what follows it: a worse model is held, a person may overrule that, and go back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import models
from bot.config import Settings
from bot.learning import retraining
from bot.learning.labels import Found
from nlu.data.reader import data_hash, read_training_data
from nlu.evaluation.gate import Decision, Evidence, gate
from nlu.evaluation.measure import Said
from nlu.evaluation.replay import Change, Replay
from nlu.evaluation.rules import Reason
from nlu.evaluation.signs import Steps
from nlu.learning.learned import NOTHING
from nlu.lineage import write_lineage
from nlu.manifest import Manifest, read_manifest, write_manifest
from nlu.registry import Registry
from nlu.source import DataError
from nlu.training.options import TrainingOptions
from nlu.types import Tune
from tests.command import EXAMPLES, Frontdesk, environment, train_less, write_project
from tests.test_nlu_registry import added, model

AROUND = ("{} please", "{} thanks", "well, {}", "I ask you: {}")
HELD_OUT = {name: [way.format(text) for text in texts for way in AROUND] for name, texts in EXAMPLES.items()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """With a hundred held-out texts and a canary."""
    folder = write_project(tmp_path / "project")
    _write(folder / "test", HELD_OUT)
    _write(folder / "canaries", {"ask_hours": ["tell me when you open"]})
    return folder


def _write(folder: Path, examples: Mapping[str, Sequence[str]]) -> None:
    folder.mkdir(exist_ok=True)
    intents = (
        f"- intent: {name}\n  examples: |\n" + "".join(f"    - {t}\n" for t in of) for name, of in examples.items()
    )
    (folder / "nlu.yml").write_text('version: "3.1"\nnlu:\n' + "".join(intents))


@pytest.fixture
def frontdesk(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Frontdesk:
    for name in [name for name in os.environ if name.startswith(("FRONTDESK_", "REDIS_", "DATABASE_", "ACTION_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name, value in environment(tmp_path / "home", FRONTDESK_DATA=project, FRONTDESK_PORT=0).items():
        monkeypatch.setenv(name, value)
    train_less(monkeypatch, averaged=3)
    return Frontdesk(monkeypatch, capfdbinary)


def test_a_retrain_is_promoted_or_held_and_a_person_has_the_last_word(frontdesk: Frontdesk, project: Path) -> None:
    registry = Registry(Settings.read().home)
    first = frontdesk("retrain")
    good = registry.current_id()
    assert (first.code, first.out) == (0, f"{good} is the first model, and current.\n")
    assert "nothing to learn" in frontdesk("retrain").out

    ordered, hours = EXAMPLES["ask_order"], EXAMPLES["ask_hours"]
    _write(
        project / "nlu", {**EXAMPLES, "ask_order": [*ordered[:2], *hours[2:]], "ask_hours": [*hours[:2], *ordered[2:]]}
    )
    worse = frontdesk("retrain")
    bad = registry.list()[0].id
    assert worse.code == 1
    assert worse.out.startswith(f"{bad} against {good}: held\n  accuracy: ")
    assert worse.out.endswith(f"Where you know better, promote it with `frontdesk models promote {bad}`.\n")
    assert "No turns are replayed" in worse.err
    page = Path(json.loads(frontdesk("models", "show", bad, "--json").out)["page"])
    assert f"What it changes: {page}\n" in worse.out
    assert "<h1>Held</h1>" in page.read_text()
    assert (page.parent / f"../{bad}/report/index.html").is_file(), "that is where the page's link leads"
    assert registry.current_id() == good == models.chosen(Settings.read()), "a start does not serve what is held"
    assert f"- {bad}" in frontdesk("models", "list").out

    frontdesk("models", "promote", bad)
    assert registry.current_id() == bad
    back = frontdesk("models", "rollback")
    assert back.out == f"{good} is current; a running service takes it up. {bad} is held.\n"
    assert registry.current_id() == good == models.chosen(Settings.read())

    _write(project / "nlu", {**EXAMPLES, "greet": [*EXAMPLES["greet"], "good day to you"]})
    again = frontdesk("retrain", "--json", "--by-hand")
    told = json.loads(again.out)
    assert (again.code, told["decision"]["held"]) == (0, False)
    assert registry.current_id() == good
    assert frontdesk("models", "gate", told["model"]).code == 0
    assert frontdesk("models", "gate", bad, "--against", good, "--html", "sub/bad.html", "--json").code == 1
    assert "<h1>Held</h1>" in Path("sub/bad.html").read_text()
    shown = frontdesk("models", "diff", good, told["model"]).out
    assert shown.startswith(f"{good} -> {told['model']}\nThe data differ.\n")
    assert f"Removed: {bad}" in frontdesk("models", "prune", "--keep", "1").out
    assert not page.exists()


def test_a_model_that_learnt_from_what_was_erased_gets_a_successor(
    frontdesk: Frontdesk, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the data are what they were."""
    registry = Registry(Settings.read().home)
    directory = model(tmp_path / "made", "m1", data_hash=data_hash(project))
    write_lineage(directory, ["0123456789abcdef"])
    write_manifest(directory, read_manifest(directory))
    added(registry, directory)
    assert "nothing to learn" in frontdesk("retrain").out

    def trained(*_: object, **__: object) -> None:
        raise DataError(project, None, "It would train.", "")

    monkeypatch.setattr(models, "train", trained)
    registry.forget(["0123456789abcdef"], [], datetime.now(UTC))
    assert "It would train." in frontdesk("retrain").err


def test_a_retraining_does_not_go_on_with_what_learnt_from_somebody_who_was_erased_since(
    project: Path, tmp_path: Path
) -> None:
    """Though somebody else said the same, so that there is nothing else to learn."""
    data, registry = read_training_data(project), Registry(tmp_path / "home")
    directory = model(tmp_path / "made", "m1", data_hash=data.hash)
    write_lineage(directory, ["0123456789abcdef"])
    write_manifest(directory, read_manifest(directory))
    registry.sign(directory)
    registry.shelve(directory)
    asked = registry, data, Found(NOTHING, 0, 0), TrainingOptions(base_model="base")
    made = retraining._unjudged(*asked)
    assert made is not None
    registry.forget(["0123456789abcdef"], [], datetime.now(UTC))
    assert retraining._unjudged(*asked) is None


def test_a_head_is_retrained_alone_and_never_on_layers_that_learnt_from_what_was_erased(
    frontdesk: Frontdesk, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings.read().home)
    frontdesk("retrain")
    first = registry.current_id()
    assert first is not None
    _write(project / "nlu", {**EXAMPLES, "greet": [*EXAMPLES["greet"], "good day to you"]})
    again = frontdesk("retrain", "--tune", "head")
    assert again.code == 0
    assert "training the head" in again.err
    assert registry.list()[0].options["tune"] == Tune.HEAD
    assert "nothing to learn" in frontdesk("retrain", "--tune", "head").out

    asked: list[object] = []

    def trained(*_: object, last: Path | None, **__: object) -> None:
        asked.append(last)
        raise DataError(project, None, "It would train.", "")

    monkeypatch.setattr(models, "train", trained)
    frontdesk("retrain", "--tune", "head", "--force")
    monkeypatch.setattr(Registry, "stained", lambda _: [one.id for one in registry.list()])
    frontdesk("retrain", "--tune", "head")
    frontdesk("train", "--tune", "head")
    assert asked == [registry.current(), None, None]


def test_a_second_training_says_who_trains_and_ends(
    frontdesk: Frontdesk, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def trained(*given: object, **_: object) -> None:
        asked.append(given)
        raise DataError(project, None, "It would train.", "")

    monkeypatch.setattr(models, "train", trained)
    with Registry(Settings.read().home).training():
        for verb in ("train", "retrain"):
            ended = frontdesk(verb)
            assert ended.code == 2
            assert f"is being trained for {Registry(Settings.read().home).folder} already, by process " in ended.err
    assert asked == []
    frontdesk("train")
    assert len(asked) == 1

    lock = ExitStack()
    lock.enter_context(Registry(Settings.read().home).training())
    monkeypatch.setattr(models, "waiting", lambda _: lambda holder: lock.close())
    assert "It would train." in frontdesk("retrain", "--wait").err
    assert len(asked) == 2


def test_what_is_wrong_with_held_out_texts_is_told_before_the_training(
    frontdesk: Frontdesk, project: Path, tmp_path: Path
) -> None:
    registry = Registry(Settings.read().home)
    added(registry, model(tmp_path / "made", "m1"))
    (project / "test" / "nlu.yml").write_text("nlu: 7")
    ended = frontdesk("retrain")
    assert (ended.code, [one.id for one in registry.list()]) == (2, ["m1"])
    assert f"{project / 'test'}" in ended.err


def test_a_person_who_decides_during_a_retraining_is_not_overruled(
    frontdesk: Frontdesk, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new model is better than one that a person replaced: nobody compared it with that one's successor."""
    registry = Registry(Settings.read().home)
    first = frontdesk("retrain")
    assert first.code == 0, first.err
    added_by_hand = model(tmp_path / "made", "other")
    registry.sign(added_by_hand)
    registry.add(added_by_hand)
    _write(project / "nlu", {**EXAMPLES, "greet": [*EXAMPLES["greet"], "good day to you"]})

    def decided(*asked: Any) -> Decision:
        registry.promote("other")
        return gate(*asked)

    monkeypatch.setattr(retraining, "gate", decided)
    ended = frontdesk("retrain", "--tune", "head")
    made = registry.list()[0].id
    assert (ended.code, registry.current_id()) == (0, "other")
    assert "may be promoted" in ended.out
    assert f"{made} is held: other was made current meanwhile" in ended.out
    assert registry.held(made)


def test_the_gate_asks_the_model_that_training_loaded_and_nothing_twice(
    frontdesk: Frontdesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings.read().home)
    added(registry, model(tmp_path / "made", "m1"))
    loaded: list[Path] = []
    said: Any = Said(SimpleNamespace(id="m2"), {"hello": SimpleNamespace()})  # type: ignore[arg-type,dict-item]  # nobody looks

    def trained(*_: object, scored: Callable[[Said], None], **__: object) -> Manifest:
        made = model(tmp_path / "made", "m2", "2026-01-02T00:00:00+00:00")
        registry.sign(made)
        scored(said)
        return registry.manifest(registry.shelve(made))

    def gated(before: object, after: object, evidence: Evidence) -> Decision:
        assert after is said.model
        assert evidence.said == said.answers
        return Decision("m1", "m2", (), (), None, None)

    monkeypatch.setattr(models, "train", trained)
    monkeypatch.setattr(models, "for_texts", lambda directory, *_: loaded.append(directory))
    monkeypatch.setattr(retraining, "gate", gated)
    monkeypatch.setattr(retraining, "beside_decision", lambda *_: None)
    assert frontdesk("retrain").code == 0
    assert loaded == [registry.directory("m1")]


def test_an_erasure_while_the_gate_asks_leaves_no_word_of_the_customer(
    frontdesk: Frontdesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings.read().home)
    added(registry, model(tmp_path / "made", "m1"))
    said = "my secret is rosebud"
    change = Change("a person", "greet", 1, (said,))
    reasons = (Reason("canaries", "1 is lost.", ("tell me when you open",)), Reason("phrase", "Planted.", (said,)))
    replay = Replay(1, (change,), (), Steps.of([False], [True]))

    def trained(*_: object, **__: object) -> Manifest:
        made = model(tmp_path / "made", "m2", "2026-01-02T00:00:00+00:00")
        registry.sign(made)
        return registry.manifest(registry.shelve(made))

    def asked(*_: object, **__: object) -> Decision:
        registry.forget(["0123456789abcdef"], [said], datetime.now(UTC))
        return Decision("m1", "m2", reasons, (), None, replay)

    monkeypatch.setattr(models, "train", trained)
    monkeypatch.setattr(retraining, "decided", asked)
    ended = frontdesk("retrain")
    assert ended.code == 1
    assert "tell me when you open" in ended.out, "that is the project's own"
    assert "no customer is quoted, and there is no page." in ended.out
    assert registry.held("m2")
    assert not registry.page("m2").exists()
    assert "rosebud" not in json.dumps(registry.decision("m2")) + ended.out + ended.err


def test_a_retraining_that_was_stopped_before_the_gate_goes_on_there(
    frontdesk: Frontdesk, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(Settings.read().home)
    began = frontdesk("retrain")
    assert began.code == 0, began.err
    first = registry.current_id()
    with (project / "nlu" / "nlu.yml").open("a") as file:
        file.write("- intent: ask_hours\n  examples: |\n    - open on mondays?\n")
    with monkeypatch.context() as patch:

        def stopped(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(retraining, "gate", stopped)
        stopped_there = frontdesk("retrain")
        assert stopped_there.code == 130, stopped_there.err
    made = registry.list()[0].id
    assert registry.current_id() == first != made

    left = registry.folder / ".new-killed"
    left.mkdir()
    os.utime(left, (1, 1))
    again = frontdesk("retrain", "--turns", 0)
    assert "goes on there" in again.err, again.err
    assert [one.id for one in registry.list()] == [made, first]
    assert registry.decision(made), again.err
    assert not left.exists()
    after = frontdesk("retrain", "--turns", 0)
    assert "goes on there" not in after.err
