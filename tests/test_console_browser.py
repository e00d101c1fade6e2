"""The console in a real browser, as a person on duty uses it."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from bot.console.sign_in import one_time_code
from tests.service import Widget, running

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_person_signs_in_answers_and_gives_back(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        await widget.say("<b>help</b> me")
        await widget.command("human")
        await widget.until("owner")
        page = await browser.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))

        await page.goto(f"{service.url}/console/enter?code={one_time_code(service.signer)}")
        await page.get_by_label("Your name").fill("Ada")
        await page.get_by_role("button", name="Open the console").click()
        await page.get_by_role("link", name="customer request").click()
        await expect(page.get_by_role("log")).to_contain_text("<b>help</b> me")

        await page.get_by_label("Your answer").fill("I am with you.")
        await page.get_by_label("Your answer").press("Control+Enter")
        await expect(page.get_by_role("log")).to_contain_text("I am with you.")
        while widget.entries[-1]["author"] != "agent":
            await widget.until("entries")

        await widget.say("thank you, Ada")
        await expect(page.get_by_role("log")).to_contain_text("thank you, Ada")  # without reloading
        await page.get_by_role("button", name="Give back to the assistant").click()
        await expect(page.get_by_role("button", name="Give back to the assistant")).to_be_disabled()
        assert errors == []
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []
        await page.close()
