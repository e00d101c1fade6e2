"""The console says how retraining stands: what comes next, how the last one ended, which model waits for a person."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from bot.app import Service
from bot.config import Settings
from bot.console.sign_in import one_time_code
from bot.learning.portrait import Portrait
from bot.learning.schedule import STOPPED
from bot.learning.standing import Standing
from bot.learning.verbs import models_list
from bot.models import page
from nlu.manifest import read_manifest
from nlu.registry import Registry
from tests.service import running
from tests.test_nlu_registry import added, model

LATER = "2026-01-02T00:00:00+00:00"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """With a current model and a newer one, on which nobody decided yet."""
    found = Registry(tmp_path)
    added(found, model(tmp_path / "made", "m1"))
    newer = model(tmp_path / "made", "m2", LATER)
    found.sign(newer)
    found.shelve(newer)
    return found


def told(home: Path, serving: str = "m1", **settings: object) -> dict[str, str]:
    return dict(Standing.now(Settings(home=home, **settings), serving).facts)  # type: ignore[arg-type]  # their values


def test_when_a_model_was_made_is_told_alike_everywhere(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, told = registry.directory("m2"), "2026-01-02 00:00 UTC"
    assert ("Trained", told) in page(directory).facts
    assert f"made        {told} from base" in Portrait(read_manifest(directory), (), "current", {}, {}).to_text()
    monkeypatch.setenv("FRONTDESK_HOME", str(registry.folder.parent))
    models_list()
    assert f"? m2  {told}  90.0%" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("a long story\nm2 is current.\nIt ended (0).\n", "m2 is current."),
        ("m2 is held.\n\nIt ended (1).\n", "m2 is held."),
        ("frontdesk: no room\nIt ended (2).\n", "It failed (exit code 2). frontdesk: no room"),
        (f"40%\n{STOPPED}\n", STOPPED),
        ("40%  training\n", "It runs. 40%  training"),
    ],
)
def test_how_the_last_one_ended_is_told(tmp_path: Path, log: str, expected: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "retrain-20261127-0300.log").write_text(log)
    assert told(tmp_path, retrain_at="sun 03:00") == {
        "By itself": "at sun 03:00; it promotes what the gate passes",
        "Last time": f"2026-11-27 03:00. {expected}",
    }


def test_a_model_that_waits_is_shown_until_somebody_decides(registry: Registry, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    newest = Standing.now(settings, "m1").newest
    assert newest is not None
    assert (newest.id, newest.facts) == ("m2", (("Standing", "not judged yet"),))
    reasons = [{"what": what, "sentence": "1 is lost."} for what in ("canaries", "answers")]
    registry.decide("m2", {"held": True, "reasons": reasons})
    held = Standing.now(settings, "m1").newest
    assert held is not None
    assert held.facts == (
        ("Standing", "held until a person promotes it"),
        ("The gate", "canaries: 1 is lost."),
        ("", "answers: 1 is lost."),
    )
    registry.promote("m2")
    assert Standing.now(settings, "m2").newest is None


def test_a_model_that_the_service_does_not_take_up_is_told(registry: Registry, tmp_path: Path) -> None:
    registry.promote("m2")
    assert told(tmp_path, "m2").keys() == told(tmp_path, "").keys() == {"By itself"}
    assert told(tmp_path)["Not taken up"].startswith("m2 is current. It is being loaded;")
    (tmp_path / "models" / "m2" / "more.json").write_text("{}")
    assert "more.json" in told(tmp_path)["Not taken up"]
    (tmp_path / "keys" / "models.pem").write_text("no key")
    assert "models.pem" in told(tmp_path)["Not taken up"]


@pytest_asyncio.fixture
async def service(registry: Registry, tmp_path: Path) -> AsyncIterator[Service]:
    registry.decide("m2", {"held": True, "why": "see `models <show>`"})
    registry.page("m2").write_text("<h1>What changes</h1>")
    async with running(tmp_path) as service:
        yield service


async def test_the_page_leads_to_what_changed_and_to_the_report(service: Service) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": service.url}) as ada:

        async def seen(path: str) -> tuple[int, str]:
            async with ada.get(f"{service.url}/console/{path}") as answer:
                return answer.status, await answer.text()

        assert (await seen("models/.decisions/m2.html"))[0] == 401
        async with ada.post(
            f"{service.url}/console/enter", data={"code": one_time_code(service.signer), "name": "Ada"}
        ) as answer:
            assert answer.status == 200
        page = (await seen("model"))[1]
        assert "<h2>Waiting for a person: m2</h2>" in page
        assert "<code>frontdesk models promote m2</code>" in page
        assert "<dd>see <code>models &lt;show&gt;</code></dd>" in page
        assert 'href="/console/models/.decisions/m2.html"' in page
        assert await seen("models/.decisions/m2.html") == (200, "<h1>What changes</h1>")
        assert await seen("models/m1/report/index.html") == (200, "<p>fine")
        for nothing in (
            "models/.decisions/m1.html",
            f"models/.decisions/{'m' * 300}.html",
            "models/m9/report/index.html",
        ):
            assert (await seen(nothing))[0] == 404
