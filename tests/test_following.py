"""A running service takes up the current model: nobody's message is lost, and a bad model is refused."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot import following as following_module
from bot import models
from bot.config import Settings
from bot.following import following
from bot.language import Language
from bot.listening import listen
from bot.start import Start, follower, loading, serve_until
from nlu.load import load_model
from nlu.registry import Registry
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.understand import Model, serve
from tests.command import write_project
from tests.registered import registered
from tests.service import echo_assistant

OPTIONS = TrainingOptions(epochs=1, averaged=1, held_out_parts=1, threads=1, log_to="none", device="cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("following")
    train(write_project(folder / "project"), folder / "model", OPTIONS)
    return folder / "model"


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    """With the same model in the registry twice; the second one is current."""
    registered(made, tmp_path, "one", "two")
    return Settings(home=tmp_path, threads=1, device="cpu")


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[Language]:
    async with serve(load_model(settings.home / "models" / "two", device="cpu", threads=1)) as service:
        language = Language(service, models.page(settings.home / "models" / "two"), {})
        async with following(settings, language, service):
            yield language


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.02)


async def _serving(name: str, language: Language, seen: list[str]) -> None:
    """Until the model is there, and somebody was understood by it."""
    await _until(lambda: language.model == name)
    before = len(seen)
    await _until(lambda: name in seen[before:])
    assert language.page.id == name


async def test_every_message_is_understood_while_models_are_swapped(settings: Settings) -> None:
    registry, stop = Registry(settings.home), asyncio.Event()
    seen: list[str] = []

    async def customer(language: Language) -> None:
        while not stop.is_set():
            (found,) = await language.understand(["where is my order"])
            seen.append(found.model)

    async with served(settings) as language:
        customers = [asyncio.create_task(customer(language)) for _ in range(8)]
        for name in ("one", "two", "one", "two"):
            registry.promote(name)
            await _serving(name, language, seen)
        stop.set()
        await asyncio.gather(*customers)
    assert {*seen} == {"one", "two"}


async def test_a_damaged_model_is_refused_and_the_old_one_goes_on(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(settings.home)
    async with served(settings) as language:
        (registry.folder / "one" / "words.json").write_text("{}")
        (registry.folder / "current").write_text("one\n")
        await _until(lambda: "two goes on serving" in caplog.text)
        assert [found.model for found in await language.understand(["hello"])] == ["two"]
        registry.promote("two")
        (registry.folder / "current").write_text("gone\n")
        await _until(lambda: "There is no model 'gone'" in caplog.text)
        assert language.model == "two"
    assert len([line for line in caplog.messages if "goes on serving" in line]) == 2, "each is told once"


async def test_a_model_that_nobody_signed_is_refused_and_the_old_one_goes_on(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    registry = Registry(settings.home)
    async with served(settings) as language:
        (registry.folder / "one" / "manifest.sig").unlink()
        (registry.folder / "current").write_text("one\n")
        await _until(lambda: "two goes on serving" in caplog.text)
        assert "is not signed" in caplog.text
        assert language.model == "two"


async def test_a_model_that_is_repaired_is_taken_up(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    registry = Registry(settings.home)
    words = registry.folder / "one" / "words.json"
    whole = words.read_bytes()
    async with served(settings) as language:
        words.write_text("{}")
        (registry.folder / "current").write_text("one\n")
        await _until(lambda: "two goes on serving" in caplog.text)
        words.write_bytes(whole)
        await _until(lambda: language.model == "one")


async def test_a_model_that_fails_for_now_is_tried_again_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, failures = models.for_serving, iter([OSError("no memory")])

    def loaded(*given: Any) -> Any:
        if (failure := next(failures, None)) is not None:
            raise failure
        return load(*given)

    async with served(settings) as language:
        monkeypatch.setattr(following_module, "AGAIN_SECONDS", 0.5)
        monkeypatch.setattr(models, "for_serving", loaded)
        Registry(settings.home).promote("one")
        await _until(lambda: language.model == "one")


async def test_what_a_model_took_is_given_back_when_it_is_gone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines: list[weakref.ref[Any]] = []
    alive: list[int] = []
    monkeypatch.setattr(
        following_module, "_give_back", lambda: alive.append(sum(engine() is not None for engine in engines))
    )
    async with served(settings) as language:
        for name in ("one", "two", "one"):
            engines.append(weakref.ref(language.insightful.engine))
            Registry(settings.home).promote(name)
            await _until(lambda: len(alive) == len(engines))
    assert alive == [0, 0, 0], "the first one goes, too"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_loading_gives_way_to_turns_whatever_the_service_s_priority() -> None:
    def priority() -> int:
        os.nice(3)
        following_module._give_way()
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    with ThreadPoolExecutor(1) as loader:
        found = loader.submit(priority).result()
    assert found == min(19, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + 13)


async def test_a_running_service_serves_what_is_promoted(settings: Settings) -> None:
    listener, stop, ready = listen("127.0.0.1", 0), asyncio.Event(), asyncio.Event()
    directory = settings.home / "models" / "two"
    engines: list[weakref.ref[Any]] = []

    def found() -> tuple[Path, Model]:
        model = models.for_serving(directory, settings)
        engines.append(weakref.ref(model.engine))
        return directory, model

    load = loading(found)
    assistant = echo_assistant(settings.home / "assistant")
    start = Start(settings, assistant, {}, load, listener, follow=follower(settings))

    async def stopped() -> None:
        await stop.wait()

    running = asyncio.create_task(serve_until(stopped(), start, lambda *_: ready.set()))
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        await ready.wait()
        Registry(settings.home).promote("one")
        url, model = f"http://127.0.0.1:{listener.getsockname()[1]}/health/ready", ""
        while model != "one":
            async with session.get(url) as answer:
                model = (await answer.json())["model"]["id"]
        assert engines[0]() is None, "nobody keeps the model that the service began with"
        stop.set()
        await running
