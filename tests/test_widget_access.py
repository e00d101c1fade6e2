"""Everybody can use the widget: with a keyboard, a screen reader, a phone, in the dark, from right to left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.widget_service import FakeService

if TYPE_CHECKING:
    from tests.widget_browser import Chat, Visitors

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": PHONE,
    "phone-dark": {**PHONE, "color_scheme": "dark"},
}
LAMP = {
    "title": "Fjord table lamp",
    "subtitle": "89.90 EUR",
    "image": "/demo/products/fjord-table-lamp.svg",
    "url": "/lamp",
    "buttons": ["Tell me more"],
}


async def opened(visitors: Visitors, service: FakeService, path: str = "/shop", **options: Any) -> Chat:
    chat = await visitors.visitor(path, **options)
    await chat.open()
    await service.until(lambda: service.conversations)
    return chat


async def talked(chat: Chat, service: FakeService) -> None:
    """A conversation with one of everything."""
    await chat.write("hello")
    await service.say("Hello **Mara**, see [this](/help/a).\n\n- one\n- two", buttons=["Yes", "No"])
    await chat.button("Yes").click()
    await service.say("Thirty days.", source={"title": "Returning an item", "url": "/help/r"}, rateable=True)
    await chat.button("Helpful").click()
    await service.say("A lamp:", cards=[LAMP, LAMP], image=LAMP["image"])
    await service.say("You are talking to Mara now.", author="system")
    await service.say("Which one?", author="agent", buttons=["The first"])
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(chat[".typing"]).to_be_visible()
    await chat["textarea"].fill("x" * 3_990)
    service.refusals = [{"code": "id_conflict"}]
    await chat["textarea"].press("Enter")
    await expect(chat[".failed"]).to_be_visible()
    await chat["textarea"].fill("x" * 3_990)


async def complaints(chat: Chat) -> list[str]:
    await chat.page.wait_for_timeout(250)  # colours are measured when nothing fades in any more
    results = await Axe().run(chat.page)
    return [
        f"{found['id']}: {node['html']} {node['failureSummary']}"
        for found in results.response["violations"]
        for node in found["nodes"]
    ]


@pytest.mark.parametrize("setting", SETTINGS)
async def test_axe_finds_nothing(visitors: Visitors, service: FakeService, setting: str) -> None:
    chat = await visitors.visitor(**SETTINGS[setting])
    assert await complaints(chat) == []
    await chat.open()
    await service.until(lambda: service.conversations)
    assert await complaints(chat) == []
    await talked(chat, service)
    assert await complaints(chat) == []
    service.away = True
    service.cut()
    await expect(chat[".notice"]).to_be_visible()
    assert await complaints(chat) == []


@pytest.mark.parametrize("setting", SETTINGS)
async def test_axe_finds_nothing_on_the_demo_page(visitors: Visitors, service: FakeService, setting: str) -> None:
    chat = await visitors.visitor("/", **SETTINGS[setting])
    await expect(chat.page.locator("#order-list")).not_to_have_attribute("aria-busy", "true")
    assert await complaints(chat) == []


async def test_the_keyboard_alone_is_enough(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor()
    keys = chat.page.keyboard
    for _ in range(3):
        await keys.press("Tab")
    await expect(chat[".launcher"]).to_be_focused()
    await keys.press("Enter")
    await expect(chat["textarea"]).to_be_focused()
    await keys.type("hello")
    await keys.press("Enter")
    await service.until(lambda: service.conversations and service.log)
    await service.say("Which order?", buttons=["LW-10234", "LW-10251"], rateable=True)
    await expect(chat[".choice"]).to_have_count(2)
    for name in ("Not helpful", "Helpful", "LW-10251", "LW-10234"):
        await keys.press("Shift+Tab")
        await expect(chat.button(name)).to_be_focused()
    await keys.press("Space")
    await service.until(lambda: service.log[-1]["text"] == "LW-10234")
    await expect(chat["textarea"]).to_be_focused()
    await keys.press("Escape")
    await expect(chat["dialog"]).to_be_hidden()
    await expect(chat[".launcher"]).to_be_focused()


async def test_the_focus_goes_back_to_where_it_came_from(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor()
    button = chat.page.locator("#before")
    await button.evaluate("node => node.onclick = () => document.querySelector('frontdesk-chat').ask('hello')")
    await button.click()
    await expect(chat["textarea"]).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(button).to_be_focused()
    await service.until(lambda: service.sent("message"))


async def test_a_screen_reader_hears_who_said_what(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    dialog = chat.page.get_by_role("dialog", name="Larkwood Home")
    await expect(dialog).to_be_visible()
    log = dialog.get_by_role("log", name="Conversation")
    await expect(log).to_have_attribute("aria-live", "polite")
    await chat.write("hello")
    await service.say("Hello Mara")
    await expect(chat[".row"].nth(0)).to_contain_text("You: hello")
    await expect(chat[".row"].nth(1)).to_contain_text("Larkwood Home: Hello Mara")
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(chat[".typing"]).to_have_text("Larkwood Home is typing")
    await expect(chat.page.get_by_role("textbox", name="Write a message")).to_be_visible()


async def test_history_is_not_read_out_as_news(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await chat.page.evaluate(
        """() => {
          window.lives = [];
          const log = document.querySelector('frontdesk-chat').shadowRoot.querySelector('.log');
          new MutationObserver(() => window.lives.push(log.ariaLive)).observe(log, { attributes: true });
        }"""
    )
    for number in range(130):
        service.note(f"old {number}")
    await service.tell({"type": "entries", "entries": service.log[:60], "more": True})
    await expect(chat[".said"]).to_have_count(60)
    await expect(chat[".log"]).to_have_attribute("aria-live", "off")
    await service.tell({"type": "entries", "entries": service.log[60:], "more": False})
    await expect(chat[".said"]).to_have_count(130)
    await expect(chat[".log"]).to_have_attribute("aria-live", "polite")


async def test_enter_sends_and_neither_a_new_line_nor_an_input_method_does(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    await chat["textarea"].focus()
    keys = chat.page.keyboard
    await keys.type("one")
    await keys.press("Shift+Enter")
    await keys.type("two")
    await expect(chat["textarea"]).to_have_value("one\ntwo")
    height = await chat["textarea"].evaluate("node => node.offsetHeight")
    assert height > 50
    for options in ("{isComposing: true}", "{keyCode: 229}"):
        await chat["textarea"].evaluate(
            f"node => node.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, ...{options}}}))"
        )
    await expect(chat["textarea"]).to_have_value("one\ntwo")
    await keys.press("Enter")
    await service.until(lambda: service.sent("message"))
    assert [frame["text"] for frame in service.sent("message")] == ["one\ntwo"]
    assert await chat["textarea"].evaluate("node => node.offsetHeight") < height


async def test_the_limit_shows_when_it_is_near_and_holds(visitors: Visitors, service: FakeService) -> None:
    service.welcome["limits"] = {"text": 20}
    chat = await opened(visitors, service)
    await expect(chat["h2"]).to_have_text("Larkwood Home")
    await chat["textarea"].fill("a" * 10)
    await expect(chat[".count"]).to_be_hidden()
    await chat["textarea"].fill("🙂" * 20)  # characters, not UTF-16 units
    await expect(chat[".count"]).to_have_text("20 of 20 characters")
    await expect(chat.button("Send")).to_be_enabled()
    await chat["textarea"].fill("a" * 21)
    await expect(chat["textarea"]).to_have_attribute("aria-invalid", "true")
    await expect(chat.button("Send")).to_be_disabled()
    await chat["textarea"].press("Enter")
    await expect(chat["textarea"]).to_have_value("a" * 21)
    assert service.sent("message") == []


async def test_a_phone_gives_the_whole_screen_and_keeps_the_focus_in_it(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service, **PHONE, reduced_motion="reduce")
    assert await chat["dialog"].bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 844}
    assert await chat["dialog"].evaluate("node => node.matches(':modal')")
    assert await chat["textarea"].evaluate("node => parseFloat(getComputedStyle(node).fontSize)") >= 16
    await expect(chat[".log"]).to_be_focused()  # and not the text: the keyboard would cover half of it
    await service.say("Which?", buttons=["This one"])
    await chat.button("This one").tap()
    await service.until(lambda: service.log[-1]["text"] == "This one")
    await chat[".hide"].tap()
    await expect(chat["dialog"]).to_be_hidden()
    await chat.page.reload()
    await expect(chat[".launcher"]).to_be_visible()
    await expect(chat["dialog"]).to_be_hidden()


async def test_a_window_that_becomes_narrow_keeps_the_chat_open(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await chat["textarea"].fill("half a sent")
    await chat.page.set_viewport_size({"width": 400, "height": 700})
    await expect(chat["dialog"]).to_have_js_property("clientWidth", 400)
    assert await chat["dialog"].evaluate("node => node.matches(':modal')")
    await chat.page.set_viewport_size({"width": 1000, "height": 700})
    await expect(chat["dialog"]).not_to_have_js_property("clientWidth", 400)
    assert not await chat["dialog"].evaluate("node => node.matches(':modal')")
    await expect(chat["textarea"]).to_have_value("half a sent")


async def test_right_to_left_turns_everything_around(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service, "/shop/ar")
    await chat.write("أين طلبي؟")
    await service.say("Hello")
    page = chat.page.viewport_size
    panel = await chat["dialog"].bounding_box()
    own = await chat[".user .said"].bounding_box()
    send = await chat.button("Send").bounding_box()
    assert page
    assert panel
    assert own
    assert send
    assert panel["x"] < 40
    assert own["x"] - panel["x"] < 40
    assert send["x"] - panel["x"] < 40
    await expect(chat[".bot .said"]).to_have_attribute("dir", "auto")
    assert await complaints(chat) == []


async def test_chinese_pages_have_a_chinese_widget(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service, "/shop/zh-CN")
    await chat.shows("您好！请问有什么可以帮您？")
    await expect(chat.page.get_by_role("textbox", name="输入消息")).to_be_visible()
    await expect(chat.button("转人工客服")).to_be_visible()
    await chat.write("你好")
    await expect(chat[".user .state"]).to_have_text("已发送")
    await expect(chat[".day"]).to_have_text("今天")
    assert service.sent("hello")[0]["locale"] == "zh-CN"


async def test_every_text_is_there_in_both_languages(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor()
    english, chinese = await chat.page.evaluate(
        "import('/widget/frontdesk.js').then(({texts}) => ['en', 'zh-TW'].map((l) => Object.keys(texts(l)[0]).sort()))"
    )
    assert english == chinese


async def test_days_and_hours_stand_by_the_messages(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor(timezone_id="UTC")
    await chat.page.clock.set_fixed_time("2026-05-03T12:00:00Z")
    await chat.open()
    await service.until(lambda: service.conversations)
    noon = 1_777_809_600  # 3 May 2026, 12:00 UTC
    for days, text in ((400, "long ago"), (1, "a day ago"), (0, "now"), (0, "again")):
        await service.say(text, at=noon - days * 86_400)
    await expect(chat[".day"]).to_have_text([re.compile("Saturday,? 29 March 2025"), "Yesterday", "Today"])
    await expect(chat["time"].last).to_have_text("12:00")
    await expect(chat["time"].nth(2)).to_be_hidden()  # the next message of the group tells it


async def test_nothing_moves_for_those_who_asked_for_it(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service, reduced_motion="reduce")
    await service.say("Hello")
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(chat[".typing"]).to_be_visible()
    assert await chat.page.evaluate("document.getAnimations().length") == 0


async def test_a_page_dresses_it_with_custom_properties(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await chat.page.evaluate(
        "document.querySelector('frontdesk-chat').style.setProperty('--frontdesk-accent', '#7a1f5c')"
    )
    assert await chat[".face"].evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(122, 31, 92)"


async def test_the_demo_page_asks_for_the_visitor(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor("/")
    await expect(chat.page.locator("#order-list")).to_contain_text("taking a break")  # this service has no orders
    await chat.button("Where is my order LW-10234?").click()
    await service.until(lambda: service.conversations and service.log)
    assert service.sent("message")[0]["text"] == "Where is my order LW-10234?"
    await chat.shows("Where is my order LW-10234?")


async def test_the_demo_page_shows_the_orders(visitors: Visitors, service: FakeService) -> None:
    order = {
        "number": "LW-10234", "state": "shipped", "total": "148.70 EUR", "placed_on": "2026-05-01",
        "items": [{"product": "Fjord table lamp", "quantity": 1}, {"product": "Cove towel set", "quantity": 2}],
        "due_on": "2026-05-05", "delivered_on": None,
    }  # fmt: skip
    chat = await visitors.visitor("/shop")
    customer = {"name": "Mara Lindt", "email": "mara@example.org"}
    await chat.page.route("**/demo/orders", lambda route: route.fulfill(json={"customer": customer, "orders": [order]}))
    await chat.page.goto(f"{service.url}/")
    shown = chat.page.locator(".order")
    await expect(shown).to_contain_text("Fjord table lamp, 2 × Cove towel set")
    await expect(shown).to_contain_text("Arrives on May 5, 2026")
    await expect(shown.locator("img").first).to_have_js_property("naturalWidth", 400)
    await expect(chat.page.locator("#customer")).to_contain_text("Mara Lindt")
    await chat.button("Where is it?").click()
    await service.until(lambda: service.sent("message"))
    assert service.sent("message")[0]["text"] == "Where is my order LW-10234?"
