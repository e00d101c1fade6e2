"""Signed models: what was edited, what strangers signed and what nobody signed is refused, until a person decides."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from bot import models
from nlu.manifest import MANIFEST, Manifest, ModelError, check_directory, write_manifest
from nlu.registry import Registry
from nlu.signing import SIGNATURE, KeyProblem
from tests.command import Frontdesk
from tests.test_nlu_registry import added, model, registry


def elsewhere(tmp_path: Path, name: str = "m9") -> tuple[Registry, Path]:
    """Another machine, and a model that was trained there."""
    other = Registry(tmp_path / "elsewhere")
    added(other, model(tmp_path / "made elsewhere", name))
    return other, other.directory(name)


@pytest.fixture
def frontdesk(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Frontdesk:
    return Frontdesk(monkeypatch, capfdbinary)


def key_of(registry: Registry) -> str:
    key = registry.keys.own()
    assert key is not None
    return key


def edited(directory: Path) -> None:
    """The sums are right again, but the signature is of the old manifest."""
    signature = (directory / SIGNATURE).read_bytes()
    write_manifest(directory, check_directory(directory))
    values = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps({**values, "temperature": 9.0}))
    (directory / SIGNATURE).write_bytes(signature)


def test_a_training_makes_the_key_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    keys = home.keys.folder
    assert [path.name for path in keys.iterdir()] == ["models.pem"]
    assert stat.S_IMODE((keys / "models.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.stat().st_mode) == 0o700
    assert json.loads((home.directory("m1") / SIGNATURE).read_text())["key"] == key_of(home)
    assert home.check("m1").id == "m1"


@pytest.mark.parametrize("name", [MANIFEST, "model.safetensors", "report/index.html"])
def test_one_byte_more_in_any_file_is_refused(tmp_path: Path, name: str) -> None:
    home = registry(tmp_path, "m1")
    with (home.directory("m1") / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelError, match="damaged or edited"):
        home.promote("m1")


def test_who_edits_a_file_and_its_sum_needs_the_key(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    edited(home.directory("m2"))
    with pytest.raises(ModelError, match="is not what was signed"):
        home.check("m2")
    with pytest.raises(ModelError, match="is not what was signed"):
        check_directory(home.directory("m2"))
    with pytest.raises(ModelError, match="is not what was signed"):
        home.sign(home.directory("m2"))
    assert home.usable() == home.directory("m1")


def test_another_models_signature_does_not_do(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    shutil.copy(home.directory("m1") / SIGNATURE, home.directory("m2") / SIGNATURE)
    with pytest.raises(ModelError, match="is not what was signed"):
        home.check("m2")


@pytest.mark.parametrize(
    "said", ["", "{}", "[]", '{"key": "00", "signature": "00"}', '{"key": 1, "signature": 2}', "\0"]
)
def test_a_signature_that_is_none_is_refused_in_a_sentence(tmp_path: Path, said: str) -> None:
    home = registry(tmp_path, "m1")
    (home.directory("m1") / SIGNATURE).write_text(said)
    with pytest.raises(ModelError, match=r"manifest.sig cannot be understood. Train the model again.$"):
        home.check("m1")


def test_a_model_that_nobody_signed_is_refused_unless_the_setting_takes_it(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1", "m2")
    (home.directory("m2") / SIGNATURE).unlink()
    with pytest.raises(ModelError, match="is not signed: nobody says who made it") as caught:
        home.promote("m2")
    assert f"frontdesk models sign {home.directory('m2')}" in str(caught.value)
    assert home.usable() == home.directory("m1")
    assert Registry(tmp_path / "home", unsigned=True).usable() == home.directory("m2")
    home.sign(home.directory("m2"))
    assert home.usable() == home.directory("m2")


def test_a_model_of_another_machine_is_taken_when_its_key_is_trusted(tmp_path: Path) -> None:
    home, (other, directory) = registry(tmp_path, "m1"), elsewhere(tmp_path)
    with pytest.raises(ModelError, match="signed by a key that is not trusted here") as caught:
        home.add(directory)
    assert f"frontdesk models trust {key_of(other)}" in str(caught.value)

    home.keys.trust(key_of(other), "the training machine")
    assert home.add(directory) == "m9"
    assert home.current_id() == "m1", "a person promotes it"
    assert home.keys.trusted() == {key_of(other): "the training machine"}

    home.keys.distrust(key_of(other))
    assert not home.is_sound("m9")
    assert home.is_sound("m1")


def test_a_manifest_cannot_name_a_place_outside_the_registry(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    directory = model(tmp_path / "made", "m2")
    values = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps({**values, "id": "../../outside"}))
    home.sign(directory)
    with pytest.raises(ModelError, match="which is no name"):
        home.add(directory)
    assert not (tmp_path / "outside").exists()


def test_with_a_new_key_the_old_models_go_on_until_the_old_key_is_distrusted(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    old = key_of(home)
    new = home.keys.renew()
    assert new == key_of(home) != old
    added(home, model(tmp_path / "made", "m2"))
    assert home.is_sound("m1")
    assert home.is_sound("m2")

    home.keys.distrust(old)
    assert not home.is_sound("m1")
    assert home.is_sound("m2")
    with pytest.raises(KeyProblem, match="this machine's own key"):
        home.keys.distrust(new)
    with pytest.raises(KeyProblem, match="is not trusted"):
        home.keys.distrust(old)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_told(tmp_path: Path, content: bytes) -> None:
    home = registry(tmp_path, "m1")
    (home.keys.folder / "models.pem").write_bytes(content)
    with pytest.raises(KeyProblem, match=r"models.pem is no Ed25519 key. Remove it"):
        home.check("m1")


@pytest.mark.parametrize("key", ["", "abc", "g" * 64, "A" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_what_is_no_key_is_not_trusted(tmp_path: Path, key: str) -> None:
    home = registry(tmp_path, "m1")
    with pytest.raises(KeyProblem, match="is no public key"):
        home.keys.trust(key, "")
    assert not home.keys.trusted()


def test_a_name_cannot_bring_a_key_of_its_own(tmp_path: Path) -> None:
    home = registry(tmp_path, "m1")
    home.keys.trust("a" * 64, f"mine\n{'b' * 64} yours")
    assert set(home.keys.trusted()) == {"a" * 64}


def test_a_person_decides_with_the_command(
    frontdesk: Frontdesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    told = frontdesk("models", "keys")
    assert (told.code, told.out) == (0, "")
    assert "no key yet" in told.err

    home, (other, directory) = registry(tmp_path, "m1"), elsewhere(tmp_path)
    refused = frontdesk("models", "add", directory)
    assert refused.code == 2
    assert f"frontdesk models trust {key_of(other)}" in refused.err
    assert frontdesk("models", "trust", key_of(other), "the training machine").code == 0
    assert frontdesk("models", "keys").out == f"* {key_of(home)}\n  {key_of(other)}  the training machine\n"
    assert "`frontdesk models promote m9` makes it current" in frontdesk("models", "add", directory).out
    assert frontdesk("models", "promote", "m9").code == 0

    assert frontdesk("models", "distrust", key_of(other)).code == 0
    assert f"trust {key_of(other)}" in frontdesk("models", "list").err
    assert frontdesk("models", "sign", "m9").out == f"{home.directory('m9')} is signed by {key_of(home)}.\n"
    assert frontdesk("models", "list").err == ""

    (home.directory("m9") / SIGNATURE).unlink()
    assert frontdesk("models", "promote", "m9").code == 2
    monkeypatch.setenv("FRONTDESK_UNSIGNED_MODELS", "accept")
    assert frontdesk("models", "promote", "m9").code == 0

    old = key_of(home)
    renewed = frontdesk("models", "keys", "--new").out
    assert renewed == f"* {key_of(home)}\n  {old}  this machine's before\n"


def test_a_model_trained_into_a_folder_is_signed_where_there_is_a_key(
    frontdesk: Frontdesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))

    def trained(data: Path, out: Path, *_: object, **__: object) -> Manifest:
        return check_directory(model(out.parent, out.name))

    monkeypatch.setattr(models, "train", trained)
    assert frontdesk("train", "--out", tmp_path / "first").code == 0
    assert not (tmp_path / "home" / "keys").exists()
    home = registry(tmp_path, "m1")
    assert frontdesk("train", "--out", tmp_path / "second").code == 0
    assert not (tmp_path / "first" / SIGNATURE).exists()
    assert home.add(tmp_path / "second") == "second"
