"""`frontdesk channels`: what is set up, what is wrong with it, and a try."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from bot.channels.checking import findings
from bot.channels.set_up import set_up
from bot.config import Settings
from bot.simulators.all import simulator
from tests.command import Frontdesk, environment, ran
from tests.service import running


@pytest.fixture
def frontdesk(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> Frontdesk:
    return Frontdesk(monkeypatch, capfdbinary)


def settings(url: str, public_url: str) -> Settings:
    return Settings(signed=simulator("signed").sample(url), public_url=public_url)


async def test_an_address_that_is_ours_is_recognised(tmp_path: Path) -> None:
    async with running(tmp_path, signed=simulator("signed").sample("http://127.0.0.1:9")) as service:
        read = settings("http://127.0.0.1:9", service.url)
        (found,) = await findings(set_up(read)["signed"], read)
        assert found.wrong is None


@pytest.mark.parametrize(
    ("public_url", "sentence"),
    [("", "FRONTDESK_PUBLIC_URL is not set"), ("http://127.0.0.1:9", "does not answer: Nobody answers")],
)
async def test_what_is_wrong_with_the_address_is_a_sentence(public_url: str, sentence: str) -> None:
    read = settings("http://127.0.0.1:9", public_url)
    (found,) = await findings(set_up(read)["signed"], read)
    assert sentence in str(found.wrong)


@pytest.mark.parametrize(("server", "warned"), [("", 1), ("mx.shop.example", 0)])
async def test_mail_for_whose_senders_nobody_vouches_is_warned_of(server: str, warned: int) -> None:
    read = Settings(email={**simulator("email").sample("http://127.0.0.1:9"), "trusted_server": server})
    warnings = [one for one in await findings(set_up(read)["email"], read) if one.warning]
    assert len(warnings) == warned
    for one in warnings:
        assert one.line.startswith("warning  The senders: FRONTDESK_EMAIL__TRUSTED_SERVER is not set")
        assert one.wrong is None, "it is a way to run it"


def test_an_unknown_channel_and_one_that_is_not_set_up_are_sentences(frontdesk: Frontdesk) -> None:
    ended = frontdesk("channels", "check", "sined")
    assert (ended.code, "Did you mean 'signed'?" in ended.err) == (2, True)
    ended = frontdesk("channels", "check", "signed")
    assert (ended.code, "FRONTDESK_SIGNED__URL, FRONTDESK_SIGNED__SECRETS" in ended.err) == (2, True)


def test_the_list_names_every_channel(frontdesk: Frontdesk) -> None:
    assert {"channel": "signed", "set_up": False} in json.loads(frontdesk("channels", "list", "--json").out)


def test_a_try_says_first_what_to_set(frontdesk: Frontdesk) -> None:
    ended = frontdesk("channels", "simulate", "signed")
    assert ended.code == 2
    assert "\n  export FRONTDESK_SIGNED__URL=http://127.0.0.1:8099/replies\n" in ended.err


@pytest.mark.parametrize(("name", "tries"), [("signed", 2), ("twilio", 1)])
async def test_a_customer_played_in_the_terminal_is_answered(name: str, tries: int, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sample = simulator(name).sample(f"http://127.0.0.1:{port}")
    public = "http://127.0.0.1:9"
    async with running(tmp_path / "service", **{name: sample}, public_url=public) as service:
        given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in sample.items()}
        env = environment(tmp_path, **{f"FRONTDESK_{name.upper()}__{key.upper()}": given[key] for key in given})
        env["FRONTDESK_PUBLIC_URL"] = public
        words = ("channels", "simulate", name, "--port", port, "--url", service.url)
        ended = [await asyncio.to_thread(ran, *words, env=env, stdin=b"ask\n") for _ in range(tries)]
    assert [one.code for one in ended] == [0] * tries, ended[0].err
    assert ["< answer" in one.out for one in ended] == [True] * tries, "a second try is no repetition"


async def test_a_played_teams_that_is_started_anew_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.teams_tokens.SPACING", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sample = simulator("teams").sample(f"http://127.0.0.1:{port}")
    async with running(tmp_path / "service", teams=sample) as service:
        given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in sample.items()}
        env = environment(tmp_path, **{f"FRONTDESK_TEAMS__{name.upper()}": value for name, value in given.items()})
        words = ("channels", "simulate", "teams", "--port", port, "--url", service.url)
        tries = [await asyncio.to_thread(ran, *words, env=env, stdin=b"ask\n") for _ in range(2)]
    assert ["< answer" in ended.out for ended in tries] == [True, True], tries[1]


async def test_calls_that_the_played_provider_refuses_are_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sample = simulator("telegram").sample(f"http://127.0.0.1:{port}")
    other = sample | {"token": "99:another-bots-token-is-not-taken-here"}
    async with running(tmp_path / "service", telegram=other) as service:
        env = environment(tmp_path, **{f"FRONTDESK_TELEGRAM__{name.upper()}": value for name, value in sample.items()})
        words = ("channels", "simulate", "telegram", "--port", port, "--url", service.url, "--customer", "77")
        ended = await asyncio.to_thread(ran, *words, env=env, stdin=b"ask\n")
    assert ended.code == 0, ended.err
    assert "! telegram refused a call of the service: " in ended.out


async def test_a_customer_played_in_the_terminal_sends_a_file(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    sample = simulator("telegram").sample(f"http://127.0.0.1:{port}")
    (tmp_path / "lamp.png").write_bytes(b"\x89PNG")
    async with running(tmp_path / "service", telegram=sample) as service:
        env = environment(tmp_path, **{f"FRONTDESK_TELEGRAM__{name.upper()}": value for name, value in sample.items()})
        words = ("channels", "simulate", "telegram", "--port", port, "--url", service.url, "--customer", "77")
        sent = f"/file {tmp_path}/lamp.png\n/file {tmp_path}/none.png\n".encode()
        ended = await asyncio.to_thread(ran, *words, env=env, stdin=sent)
        found = await service.journal.attached("telegram-77", 0, 9)
    assert ended.code == 0, ended.err
    assert "No such file" in ended.out
    assert [one["name"] for one in found[1].attachments] == ["lamp.png"]
