"""The page of what a new model changes, in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from nlu.evaluation.rules import Reason
from tests.test_nlu_change import HOSTILE, decision, page

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_page_fits_a_phone_and_runs_nothing(browser: Browser, tmp_path: Path, theme: str) -> None:
    page(tmp_path, decision(Reason("canaries", "1 of 1.", (HOSTILE,)), text=HOSTILE))
    context = await browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]  # both are themes
    seen = await context.new_page()
    trouble: list[str] = []
    seen.on("dialog", lambda dialog: trouble.append(dialog.message))
    seen.on("console", lambda message: trouble.append(message.text))
    await seen.goto((tmp_path / "deep" / "page.html").as_uri())
    wide = "[...document.querySelectorAll('html, section')].filter(box => box.scrollWidth > box.clientWidth + 1).length"
    assert await seen.evaluate(wide) == 0
    found = await Axe().run(seen)
    assert [violation["id"] for violation in found.response["violations"]] == []
    await seen.emulate_media(media="print")
    assert await seen.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor") == (
        "rgb(255, 255, 255)"
    ), "paper is white"
    assert trouble == []
    await context.close()
