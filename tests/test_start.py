"""The doors open before the model is there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from bot.app import Service
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.listening import listen
from bot.start import Start, serve_until
from nlu.manifest import ModelError
from nlu.types import Understander
from tests.service import Json, KeywordUnderstander, Widget, echo_assistant


class Late:
    """A service whose model comes, or does not, when the test says so."""

    def __init__(self, home: Path, patient: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self.model: asyncio.Future[Understander] = loop.create_future()
        self.answers: asyncio.Future[str] = loop.create_future()
        """The model's name, from when on messages are answered."""
        self.stop = asyncio.Event()
        listener = listen("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = Settings(home=home, data=home / "assistant", rate=1000.0, burst=1000)
        start = Start(settings, echo_assistant(settings.data), {}, self._load(), listener, patient)
        self.running = asyncio.create_task(serve_until(self._stopped(), start, self._ready))

    @asynccontextmanager
    async def _load(self) -> AsyncIterator[tuple[Understander, ModelPage]]:
        yield await self.model, ModelPage("late", (), None)

    def _ready(self, _: Service, page: ModelPage) -> None:
        self.answers.set_result(page.id)

    async def _stopped(self) -> None:
        await self.stop.wait()

    async def end(self) -> None:
        self.stop.set()
        await self.running


async def _health(url: str, which: str) -> tuple[int, Json]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health/{which}") as answer:
        return answer.status, await answer.json()


async def test_messages_are_accepted_before_the_model_is_there_and_answered_after(tmp_path: Path) -> None:
    late = Late(tmp_path)
    async with Widget.open(late.url) as widget:
        accepted = [await widget.say("ask") for _ in range(3)]
        assert [answer["type"] for answer in accepted] == ["ack"] * 3
        assert (await _health(late.url, "live"))[0] == 200
        status, told = await _health(late.url, "ready")
        assert (status, told["status"], told["model"]["message"]) == (503, "loading", "The model is loading.")
        late.model.set_result(KeywordUnderstander())
        for acknowledged in accepted:
            assert (await widget.replies(acknowledged["seq"]))[0]["text"] == "answer"
    assert late.answers.result() == "late"
    status, told = await _health(late.url, "ready")
    assert (status, told["status"], told["model"]["id"]) == (200, "ok", "keywords")
    await late.end()


async def test_a_model_that_does_not_load_ends_the_service_with_its_sentence(tmp_path: Path) -> None:
    late = Late(tmp_path)
    await _health(late.url, "live")
    late.model.set_exception(ModelError("It is damaged."))
    with pytest.raises(ModelError, match="It is damaged"):
        await late.running
    assert not late.answers.done()


async def test_it_can_be_stopped_before_the_model_is_there(tmp_path: Path) -> None:
    late = Late(tmp_path)
    async with Widget.open(late.url) as widget:
        seq = (await widget.say("ask"))["seq"]
    await late.end()
    again = Late(tmp_path)
    again.model.set_result(KeywordUnderstander())
    async with Widget.open(again.url, token=widget.welcome["token"]) as back:
        assert (await back.replies(seq))[0]["text"] == "answer"
    await again.end()


async def test_a_service_that_ends_refuses_at_once(tmp_path: Path) -> None:
    released = asyncio.Event()

    async def hold(text: str) -> None:
        await released.wait()

    late = Late(tmp_path)
    late.model.set_result(KeywordUnderstander(before=hold))
    async with Widget.open(late.url) as widget:
        await widget.say("ask")
        late.stop.set()
        await widget.until("drain")
        with pytest.raises(aiohttp.ClientConnectorError):
            await _health(late.url, "live")
        assert not late.running.done()
        released.set()
    await late.running


async def test_where_others_serve_the_doors_wait_for_the_model(tmp_path: Path) -> None:
    late = Late(tmp_path, patient=True)
    asked = asyncio.create_task(_health(late.url, "ready"))
    done, _ = await asyncio.wait({asked, late.running}, timeout=0.3)
    assert not done
    late.model.set_result(KeywordUnderstander())
    assert (await asked)[1]["status"] == "ok"
    await late.end()


async def test_a_patient_one_that_cannot_load_never_opens(tmp_path: Path) -> None:
    late = Late(tmp_path, patient=True)
    late.model.set_exception(ModelError("It is damaged."))
    with pytest.raises(ModelError):
        await late.running
    assert not (tmp_path / "frontdesk.db").exists()
