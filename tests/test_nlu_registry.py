"""The registry: what is damaged, foreign or could run is refused, and the last good model serves."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nlu.manifest import MANIFEST, Manifest, ModelError, check_directory, write_manifest
from nlu.registry import Registry


def model(folder: Path, name: str, created: str = "2026-01-01T00:00:00+00:00", data_hash: str = "d1") -> Path:
    directory = folder / name
    directory.mkdir(parents=True)
    (directory / "model.safetensors").write_bytes(b"weights of " + name.encode())
    (directory / "report").mkdir()
    (directory / "report" / "index.html").write_text("<p>fine")
    write_manifest(
        directory,
        Manifest(
            id=name,
            created=created,
            base_model="base",
            seed=0,
            data_hash=data_hash,
            architecture={},
            intents=("a", "b"),
            entities=(("city", "to", None),),
            temperature=1.0,
            neighbours={},
            scope={},
            thresholds={},
            budget={},
            scores={"test_accuracy": 0.9},
            options={},
            versions={},
        ),
    )
    return directory


def added(registry: Registry, directory: Path) -> str:
    """As a model that was trained here, and promoted."""
    registry.sign(directory)
    registry.add(directory)
    registry.promote(directory.name)
    return directory.name


def registry(tmp_path: Path, *names: str) -> Registry:
    found = Registry(tmp_path / "home")
    for day, name in enumerate(names, 1):
        added(found, model(tmp_path / "made", name, f"2026-01-{day:02}T00:00:00+00:00"))
    return found


def test_a_manifest_survives_its_directory(tmp_path: Path) -> None:
    manifest = check_directory(model(tmp_path, "m1"))
    assert (manifest.id, manifest.entities, manifest.intents) == ("m1", (("city", "to", None),), ("a", "b"))
    assert set(manifest.files) == {"model.safetensors", "report/index.html"}


def test_a_promoted_model_is_current_and_listed_newest_first(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    assert home.current_id() == "m2"
    assert home.current() == home.folder / "m2"
    assert [manifest.id for manifest in home.list()] == ["m2", "m1"]


def test_of_two_models_of_one_second_the_later_one_is_the_newest(tmp_path: Path) -> None:
    found = Registry(tmp_path / "home")
    for name, part in (("m3", "098"), ("m1", "099"), ("m2", "100")):
        added(found, model(tmp_path / "made", name, f"2026-01-01T00:00:00.{part}+00:00"))
    assert [one.id for one in found.list()] == ["m2", "m1", "m3"]


def test_current_asks_for_the_data_it_was_trained_on(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    assert home.current("d1") == home.folder / "m1"
    assert home.current("d2") is None


def test_promoting_an_older_model_makes_it_current(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    home.promote("m1")
    assert home.current_id() == "m1"
    assert {path.name for path in home.folder.iterdir()} == {".history", ".quoting", "current", "m1", "m2"}


def test_an_empty_home_has_no_model(tmp_path: Path) -> None:
    home = Registry(tmp_path)
    assert (home.current(), home.current_id(), home.usable(), home.list()) == (None, None, None, [])


@pytest.mark.parametrize("name", ["nothing", "../made/m1", "", ".", "a/b"])
def test_an_unknown_id_is_refused_and_no_path_escapes(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="There is no model"):
        registry(tmp_path, "m1").promote(name)


def spoil_weights(directory: Path) -> None:
    (directory / "model.safetensors").write_bytes(b"other weights")


def remove_weights(directory: Path) -> None:
    (directory / "model.safetensors").unlink()


def add_pickle(directory: Path) -> None:
    (directory / "head.pkl").write_bytes(b"\x80\x04.")


def seal_pickle(directory: Path) -> None:
    manifest = check_directory(directory)
    add_pickle(directory)
    write_manifest(directory, manifest)


def break_manifest(directory: Path) -> None:
    (directory / MANIFEST).write_text("{")


def foreign_manifest(directory: Path) -> None:
    (directory / MANIFEST).write_text('{"model": "of another tool"}')


def bottomless_manifest(directory: Path) -> None:
    (directory / MANIFEST).write_text("[" * 100_000)


def other_format(directory: Path) -> None:
    values = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps({**values, "format": 99}))


def remove_manifest(directory: Path) -> None:
    (directory / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (spoil_weights, "damaged or edited"),
        (remove_weights, "is missing"),
        (add_pickle, "does not belong"),
        (seal_pickle, "of a kind that is never loaded"),
        (break_manifest, "cannot be understood"),
        (foreign_manifest, "cannot be understood"),
        (bottomless_manifest, "cannot be understood"),
        (other_format, "another version"),
        (remove_manifest, "not a model directory"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_harmed_model_is_refused_with_a_sentence_and_the_last_good_one_serves(
    tmp_path: Path, harm: object, says: str
) -> None:
    home = registry(tmp_path, "m1", "m2", "m3")
    assert callable(harm)
    harm(home.folder / "m3")
    with pytest.raises(ModelError, match=says) as caught:
        check_directory(home.folder / "m3")
    assert "\n" not in str(caught.value)
    assert home.usable() == home.folder / "m2"
    with pytest.raises(ModelError):
        home.promote("m3")


def test_a_model_under_another_name_is_listed_by_that_name_and_never_served(tmp_path: Path) -> None:
    """Or one that is held would be served as one that is not, and a service would take it up again and again."""
    home = registry(tmp_path, "m1", "m2", "m3")
    (home.folder / "m1").rename(home.folder / "mine")
    assert [manifest.id for manifest in home.list()] == ["m3", "m2", "mine"]
    with pytest.raises(ModelError, match="mine is model m1 under another name"):
        home.promote("mine")
    assert home.current_id() == "m3"
    assert home.prune(1) == ["mine"]


def test_the_manifest_that_is_believed_is_the_one_that_was_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though somebody puts the signed one back between two looks at it."""
    home = registry(tmp_path, "m1")
    path, signed = home.folder / "m1" / MANIFEST, tmp_path / "signed"
    shutil.copy(path, signed)
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    opened = Path.open

    def put_back(self: Path, *how: Any, **more: Any) -> Any:
        file = opened(self, *how, **more)
        if self == path and signed.exists():
            signed.replace(path)
        return file

    trust = home.trust
    monkeypatch.setattr(Path, "open", put_back)
    with pytest.raises(ModelError, match="not what was signed"):
        check_directory(home.folder / "m1", trust)


def test_adding_a_harmed_model_changes_nothing(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    bad = model(tmp_path / "made", "m2")
    home.sign(bad)
    spoil_weights(bad)
    with pytest.raises(ModelError):
        home.add(bad)
    assert home.current_id() == "m1"
    assert [manifest.id for manifest in home.list()] == ["m1"]


def test_the_same_model_is_not_added_twice(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    with pytest.raises(ModelError, match="already"):
        home.add(tmp_path / "made" / "m1")


def test_a_model_that_is_held_is_served_only_if_a_person_promotes_it(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    home.decide("m2", {"held": True, "reasons": ["worse"]})
    (home.folder / "current").write_text("gone")
    assert home.usable() == home.folder / "m1"

    home.promote("m2")
    assert home.usable() == home.folder / "m2"
    assert not home.held("m2")
    assert home.decision("m2")["reasons"] == ["worse"], "why it was held stays known"


def shelved(home: Registry, name: str, created: str) -> str:
    """As a model whose training was stopped before the gate."""
    made = model(home.folder / ".made", name, created)
    home.sign(made)
    return home.shelve(made)


def test_a_model_on_which_nobody_decided_is_not_served_in_place_of_one_that_is_refused(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    shelved(home, "m3", "2026-01-03T00:00:00+00:00")
    spoil_weights(home.folder / "m2")
    assert home.usable() == home.folder / "m1", "it was current before"

    home.decide("m3", {"held": False})
    assert home.usable() == home.folder / "m3"
    home.decide("m3", {"held": True})
    assert home.usable() == home.folder / "m1"


def test_a_model_can_be_put_on_the_shelf_without_being_served(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    assert shelved(home, "m2", "2026-01-02T00:00:00+00:00") == "m2"
    assert home.current_id() == "m1"
    assert {manifest.id for manifest in home.list()} == {"m1", "m2"}


def test_going_back_twice_goes_further_back(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2", "m3")
    assert home.rollback() == "m2"
    assert home.held("m3")
    assert home.rollback() == "m1"
    with pytest.raises(ModelError, match="was current before"):
        home.rollback()
    assert home.current_id() == "m1"


def test_pruning_keeps_the_current_model_the_one_before_it_and_the_newest(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2", "m3", "m4", "m5")
    home.promote("m1")
    home.promote("m2")
    assert set(home.prune(1)) == {"m3", "m4"}
    assert {manifest.id for manifest in home.list()} == {"m1", "m2", "m5"}
    assert home.prune(1) == []


def test_a_decision_that_cannot_be_read_holds_nothing(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    home.decide("m1", {"held": True})
    (home.folder / ".decisions" / "m1.json").write_text("{broken")
    assert not home.held("m1")


def test_upon_what_was_erased_nothing_is_built_but_upon_an_older_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = registry(tmp_path, "old", "new")
    assert found.untainted() == found.directory("new")
    monkeypatch.setattr(Registry, "stained", lambda _: ["new"])
    assert found.untainted() == found.directory("old")
    assert found.usable() == found.directory("new"), "it is served on"
    monkeypatch.setattr(Registry, "stained", lambda _: ["new", "old"])
    assert found.untainted() is None
