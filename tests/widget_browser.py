"""A real Chromium before the protocol's fake, and pages by the names that a visitor would use."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, async_playwright, expect

from tests.widget_service import FakeService, serving

PATIENCE = 30_000
"""Milliseconds for whatever has to appear: pages may have to wait for other tests."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Chat:
    """A page with the widget, by the names that a visitor would use."""

    page: Page
    errors: list[str]

    def __getitem__(self, selector: str) -> Locator:
        return self.page.locator(f"frontdesk-chat {selector}")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def open(self) -> None:
        await self[".launcher"].click()
        await expect(self["dialog"]).to_be_visible()

    async def write(self, text: str) -> None:
        await self["textarea"].fill(text)
        await self["textarea"].press("Enter")

    async def shows(self, *texts: str) -> None:
        """Exactly these messages, in this order."""
        await expect(self[".said"]).to_have_text(list(texts))

    async def stored(self) -> list[str]:
        """What the browser keeps for unsent messages."""
        keys = await self.page.evaluate("Object.keys(localStorage)")
        return [key for key in keys if ":out." in key]


def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found and Path(found).exists():
        return found
    advice = "There is no Chromium here: install it (Debian: apt-get install chromium) to run the browser tests."
    if os.environ.get("CI") == "true":
        pytest.fail(advice)
    pytest.skip(advice)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    executable = chromium()
    expect.set_options(timeout=PATIENCE)
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield running
        await running.close()


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[FakeService]:
    fake = FakeService()
    async with serving(fake) as url:
        fake.url = url
        yield fake
    assert fake.violations == []


class Visitors:
    """Opens pages; each `visitor` has a storage of its own, a `tab` shares it."""

    def __init__(self, browser: Browser, url: str, stack: AsyncExitStack) -> None:
        self._browser, self._url, self._stack = browser, url, stack
        self.chats: list[Chat] = []

    async def visitor(self, path: str = "/shop", *, clock: bool = False, **options: Any) -> Chat:
        context = await self._browser.new_context(**{"locale": "en-GB", **options})
        self._stack.push_async_callback(context.close)
        page = await context.new_page()
        if clock:
            await page.clock.install()
        return await self._visit(page, path)

    async def tab(self, beside: Chat, path: str = "/shop") -> Chat:
        return await self._visit(await beside.page.context.new_page(), path)

    async def _visit(self, page: Page, path: str) -> Chat:
        page.set_default_timeout(PATIENCE)
        chat = Chat(page, [])
        page.on("pageerror", lambda error: chat.errors.append(str(error)))
        page.on("dialog", lambda dialog: chat.errors.append(f"dialog: {dialog.message}"))
        await page.goto(path if "://" in path else f"{self._url}{path}")
        await page.evaluate("customElements.whenDefined('frontdesk-chat').then(() => true)")
        self.chats.append(chat)
        return chat


@pytest_asyncio.fixture(loop_scope="session")
async def visitors(browser: Browser, service: FakeService) -> AsyncIterator[Visitors]:
    async with AsyncExitStack() as stack:
        opened = Visitors(browser, service.url, stack)
        yield opened
    assert [chat.errors for chat in opened.chats if chat.errors] == []
