"""The widget before the real service: journal, dispatcher and all, only the language model is a stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.service import running
from tests.widget_service import FakeService

if TYPE_CHECKING:
    from tests.widget_browser import Visitors

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_visitor_of_the_demo_page_is_answered_by_the_real_service(
    visitors: Visitors, service: FakeService, tmp_path: Path
) -> None:
    async with running(tmp_path) as real:
        chat = await visitors.visitor(f"{real.url}/")
        await chat.open()
        await chat.write("ask")
        await expect(chat[".bot .said"]).to_have_text(["answer"])
        await expect(chat["h2"]).to_have_text("Larkwood Home")
        await chat.button("Again").click()
        await chat.shows("ask", "answer", "Again", "answer")
        second = await visitors.tab(chat, f"{real.url}/")
        await expect(second[".said"]).to_have_text(["ask", "answer", "Again", "answer"])
        await chat.button("Talk to a person").click()
        await expect(chat[".owner"]).to_contain_text("Waiting for a person")
        before = await chat[".said"].all_text_contents()
        await chat.page.reload()
        await expect(chat[".said"]).to_have_text(before)
        await expect(chat[".owner"]).to_contain_text("Waiting for a person")
        assert await chat.stored() == []
    assert service.sockets == 0


async def test_what_is_written_while_the_service_restarts_is_answered_once(visitors: Visitors, tmp_path: Path) -> None:
    async with running(tmp_path) as real:
        port = int(real.url.rsplit(":", 1)[1])
        chat = await visitors.visitor(f"{real.url}/")
        await chat.open()
        await chat.write("ask")
        await chat.shows("ask", "answer")
    await chat.write("ask once more")
    await expect(chat[".pending"]).to_have_count(1)
    async with running(tmp_path, port=port):
        await chat.shows("ask", "answer", "ask once more", "answer")
        await expect(chat[".pending"]).to_have_count(0)
