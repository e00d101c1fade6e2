"""The console in a real browser, as a person on duty uses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from bot.app import Service
from bot.console.sign_in import one_time_code
from bot.learning.opinions import opinions
from bot.simulators.provider import File
from nlu.understand import Insight
from tests.seer import Seer, said
from tests.service import KeywordUnderstander, Widget, running
from tests.test_attachments import PIXEL, send
from tests.test_simulators import CUSTOMER, talking

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def signed_in(browser: Browser, service: Service, name: str = "Ada") -> tuple[Page, list[str]]:
    """Somebody's console, and the errors that its pages make."""
    page = await browser.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{service.url}/console/enter?code={one_time_code(service.signer)}")
    await page.get_by_label("Your name").fill(name)
    await page.get_by_role("button", name="Open the console").click()
    return page, errors


async def test_a_person_signs_in_answers_and_gives_back(browser: Browser, tmp_path: Path) -> None:
    async with running(tmp_path) as service, Widget.open(service.url) as widget:
        await widget.say("<b>help</b> me")
        await widget.command("human")
        await widget.until("owner")
        page, errors = await signed_in(browser, service)
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


async def test_what_was_chosen_stays_while_the_page_goes_on(browser: Browser, tmp_path: Path) -> None:
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with (
        running(tmp_path, understander, data=tmp_path / "no data") as service,
        Widget.open(service.url) as widget,
    ):
        await widget.command("human")
        await widget.until("owner")
        page, errors = await signed_in(browser, service)
        await page.get_by_role("link", name="customer request").click()
        label = page.get_by_label("What the customer had wanted")
        await label.select_option("track")
        await label.blur()
        await widget.say("are you there?")
        await expect(page.get_by_role("log")).to_contain_text("are you there?")
        await expect(label).to_have_value("track")

        await page.get_by_role("button", name="Give back to the assistant").click()
        await expect(label).to_have_count(0)
        assert errors == []
        await page.close()


async def test_a_reviewer_needs_only_the_keyboard(browser: Browser, tmp_path: Path) -> None:
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with running(tmp_path, understander, data=tmp_path / "no data") as service:
        texts = ["b one | .6", "b two | .7", "a | .9", "c | .8", "d | .85"]
        await service.journal.keep_utterances([said(text, number) for number, text in enumerate(texts, 1)])
        page, errors = await signed_in(browser, service)
        await page.get_by_role("link", name="Review").click()
        await expect(page.get_by_text("b one | .6")).to_be_visible()
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []

        await page.keyboard.press("1")
        await expect(page.get_by_text("c | .8")).to_be_visible()
        await page.keyboard.press("i")
        await page.keyboard.type("gift wrap")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("d | .85")).to_be_visible()
        await page.keyboard.press("Space")
        await expect(page.get_by_text("a | .9")).to_be_visible()
        await page.keyboard.press("o")
        await expect(page.get_by_text("What is left was put off.")).to_be_visible()
        await page.keyboard.press("r")
        await expect(page.get_by_text("d | .85")).to_be_visible()
        await page.keyboard.press("u")
        await expect(page.get_by_text("a | .9")).to_be_visible()
        await page.keyboard.press("w")
        await page.keyboard.type("Old furniture")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("d | .85")).to_be_visible()

        decided = {one.utterance.text: one.review.label for one in await service.journal.reviewed()}
        labels = {"b one | .6": "track", "b two | .7": "track", "c | .8": "gift_wrap", "a | .9": "old-furniture"}
        assert decided == labels
        assert errors == []
        await page.close()


async def test_the_first_question_comes_by_itself(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, insight = Event(), Seer.insight

    def slow(seer: Seer, texts: Sequence[str]) -> Insight:
        assert goes_on.wait(60)
        return insight(seer, texts)

    monkeypatch.setattr(Seer, "insight", slow)
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with running(tmp_path, understander, data=tmp_path / "no data") as service:
        await service.journal.keep_utterances([said("b | .6", 1)])
        page, errors = await signed_in(browser, service)
        await page.get_by_role("link", name="Review").click()
        await expect(page.get_by_role("status")).to_contain_text("The model reads what customers said: 0 of 1.")
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []
        goes_on.set()
        await expect(page.get_by_text("b | .6")).to_be_visible()
        assert errors == []
        await page.close()


async def test_two_people_review_side_by_side(browser: Browser, tmp_path: Path) -> None:
    understander = KeywordUnderstander()
    understander.now = Seer()  # type: ignore[attr-defined]  # what a real one has beside it
    async with running(tmp_path, understander, data=tmp_path / "no data", second_opinion=1.0) as service:
        await service.journal.keep_utterances([said("b | .6", 1), said("a | .9", 2)])
        people = [await signed_in(browser, service, name) for name in ("Ada", "Bob")]
        (ada, _), (bob, _) = people
        for (page, _), text in zip(people, ("b | .6", "a | .9"), strict=True):
            await page.get_by_role("link", name="Review").click()
            await expect(page.get_by_text(text)).to_be_visible()
        await ada.keyboard.press("1")
        await expect(ada.get_by_text("a | .9")).to_be_visible()
        await bob.keyboard.press("Space")
        await expect(bob.get_by_text("b | .6")).to_be_visible()
        await bob.keyboard.press("2")
        await expect(bob.get_by_text("You and others differ on 1")).to_be_visible()

        await ada.reload()
        await ada.get_by_text("You and others differ on 1").click()
        await ada.get_by_role("button", name="Bob: refund. Agree").click()
        await expect(ada.get_by_text("You and others differ")).to_have_count(0)
        await expect(ada.get_by_text("two people agree on 0 of 1 text")).to_be_visible()
        await bob.keyboard.press("u")
        await expect(bob.get_by_text("b | .6")).to_be_visible()
        counts = {one.utterance.text: one.settled for one in opinions(await service.journal.opinions(), 1.0)}
        assert counts == {"b | .6": None}
        assert [errors for _, errors in people] == [[], []]
        for page, _ in people:
            await page.close()


async def test_a_person_opens_what_the_customer_sent(browser: Browser, tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, service):
        page, errors = await signed_in(browser, service)
        for name, kind, body in (
            ("lamp, broken.png", "image/png", PIXEL),
            ("invoice.pdf", "application/pdf", b"%PDF-1.7\n"),
            ("tool.exe", "application/x-msdownload", b"MZ\x90\x00"),
        ):
            await send(provider, File(name, kind, body))
        await page.goto(f"{service.url}/console/conversations/telegram-{CUSTOMER}")
        await expect(page.get_by_role("link", name="tool.exe")).to_be_visible()
        found = await Axe().run(page)
        assert [violation["id"] for violation in found.response["violations"]] == []

        async with page.context.expect_page() as opening:
            await page.get_by_role("link", name="lamp, broken.png").click()
        picture = await opening.value
        await expect(picture.locator("img")).to_have_js_property("naturalWidth", 1)
        await picture.close()
        async with page.expect_event("popup") as opening, page.context.expect_event("page"):
            await page.get_by_role("link", name="tool.exe").click()
        refusal = await opening.value
        await expect(refusal.get_by_text("of a kind that is not shown here")).to_be_visible()
        found = await Axe().run(refusal)
        assert [violation["id"] for violation in found.response["violations"]] == []
        await refusal.get_by_role("link", name="back to the conversation").click()
        await expect(refusal.get_by_role("log")).to_be_visible()
        async with refusal.expect_download() as saving:
            await refusal.get_by_role("link", name="invoice.pdf").click()
        saved = await (await saving.value).path()
        assert ((await saving.value).suggested_filename, saved.read_bytes()) == ("invoice.pdf", b"%PDF-1.7\n")
        assert errors == []
        await page.close()
        await refusal.close()
