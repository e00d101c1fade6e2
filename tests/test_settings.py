"""The settings, and the tables that tell people about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from bot.channels.settings import ChannelSettings
from bot.config import Settings, SettingsError, channels, environment_name
from bot.simulators.all import simulator

ROOT = Path(__file__).parent.parent


def _documented(page: str) -> dict[str, tuple[str, str]]:
    """A page's settings table: name to default and meaning."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", (ROOT / page).read_text(), re.MULTILINE)
    return {name: (default.strip("`"), meaning) for name, default, meaning in rows}


def _shown(value: object) -> str:
    return "" if value in (None, (), "", PydanticUndefined) else str(value)


def test_the_readme_tells_of_every_setting_and_no_other() -> None:
    assert _documented("README.md") == {
        environment_name(name): (_shown(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
        if name not in channels()
    }


@pytest.mark.parametrize(("name", "kind"), channels().items())
def test_each_channels_page_tells_of_its_settings_and_no_other(name: str, kind: type[ChannelSettings]) -> None:
    assert _documented(f"docs/channels/{name}.md") == {
        f"{environment_name(name)}__{field.upper()}": (_shown(info.default), info.description or "")
        for field, info in kind.model_fields.items()
    }


@pytest.mark.parametrize("name", channels())
def test_the_readme_names_each_channel(name: str) -> None:
    assert f"docs/channels/{name}.md" in (ROOT / "README.md").read_text()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frontdesk.toml").write_text('port = 9000\nredis_url = "redis://from-file"\nbot_name = "Shop"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FRONTDESK_PORT", "9001")
    settings = Settings.read()
    assert (settings.port, settings.redis_url, settings.bot_name) == (9001, "redis://from-file", "Shop")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings.read().redis_url is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FRONTDESK_PORT", "99999"),
        ("FRONTDESK_RATE", "fast"),
        ("FRONTDESK_DEVICE", "tpu"),
        ("FRONTDESK_ORIGINS", "x"),
        ("FRONTDESK_ORDER_NUMBERS", "LW-("),
        ("FRONTDESK_MODEL_URL", "gpu:8090"),
        ("FRONTDESK_MODEL_URL", "http://user:password@gpu:8090"),
        ("FRONTDESK_MEDIA_MEGABYTES", "0"),
        ("FRONTDESK_MEDIA_TYPES", '["image/svg+xml"]'),
        ("FRONTDESK_MEDIA_ORIGINS", '["minio:9000"]'),
        ("FRONTDESK_MEDIA_ORIGINS", '["http://minio:9000/bucket"]'),
        ("FRONTDESK_MEDIA_ORIGINS", '["http://user@minio:9000"]'),
    ],
)
def test_a_wrong_value_is_named_in_one_sentence(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as problem:
        Settings.read()
    assert variable in str(problem.value) or variable.removeprefix("FRONTDESK_").lower() in str(problem.value)
    assert "\n" not in str(problem.value)


@pytest.mark.parametrize("name", ["FRONTDESK_SLACK__SIGNING_SECRETS", "FRONTDESK_SIGNED__SECRETS"])
def test_a_list_of_a_channel_that_is_no_json_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "8f742231b10e8888abcd99yyyzzz85a5")
    with pytest.raises(SettingsError, match=f"^{name}: must be JSON"):
        Settings.read()


ADDRESSES = [
    (name, field)
    for name, kind in channels().items()
    for field in kind.model_fields
    if field in ("api", "api_data", "files", "login", "keys")
]


def test_most_channels_have_an_address_of_their_provider() -> None:
    assert {name for name, field in ADDRESSES if field == "api"} >= {"telegram", "slack", "line", "twilio", "whatsapp"}


@pytest.mark.parametrize(("name", "field"), ADDRESSES)
@pytest.mark.parametrize(
    "url", ["api.example.com", "ftp://api.example.com", "https://", "https://u:p@api.example.com", "https://a.b/c?d"]
)
def test_an_address_of_a_provider_that_cannot_be_one_is_a_sentence(name: str, field: str, url: str) -> None:
    sample = {**simulator(name).sample("https://api.example.com"), field: url}
    with pytest.raises(ValidationError, match=r"must be a URL such as https://api\.example\.com"):
        channels()[name].model_validate(sample)


@pytest.mark.parametrize(("name", "field"), ADDRESSES)
def test_a_slash_at_the_end_of_an_address_is_no_part_of_it(name: str, field: str) -> None:
    sample = {**simulator(name).sample("https://api.example.com"), field: "https://proxy.example.com:8443/x/"}
    assert getattr(channels()[name].model_validate(sample), field) == "https://proxy.example.com:8443/x"


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frontdesk.toml").write_text("prot = 9000\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"prot: there is no such setting, correct the name in frontdesk\.toml"):
        Settings.read()


@pytest.mark.parametrize("spelling", ["FRONTDESK_EMAIL__TRUSTED_SERVERS", "frontdesk_email__trusted_servers"])
def test_an_unknown_name_in_the_environment_is_named_as_it_stands_there(
    spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(spelling, "mx.example.com")
    with pytest.raises(SettingsError) as problem:
        Settings.read()
    sentence = f"{spelling}: there is no such setting. Did you mean 'FRONTDESK_EMAIL__TRUSTED_SERVER'?"
    assert sentence in str(problem.value)
    assert "frontdesk.toml" not in str(problem.value)


def test_an_unknown_name_within_a_variable_is_named_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_EMAIL", '{"colour": "red"}')
    with pytest.raises(SettingsError, match="FRONTDESK_EMAIL: there is no setting colour in it"):
        Settings.read()


def test_an_unknown_name_of_a_channel_in_the_file_is_named_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frontdesk.toml").write_text('[email]\ncolour = "red"\n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=r"email\.colour: there is no such setting, correct the name in frontdesk"):
        Settings.read()


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_SECRET", "hunter2hunter2")
    assert "hunter2" not in repr(Settings.read())
