"""The widget over gaps: what was missed, what waits in which tab, logs that changed, servers that stumble."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from playwright.async_api import Browser, expect

from tests.widget_service import FakeService, serving

if TYPE_CHECKING:
    from tests.widget_browser import Chat, Visitors

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def opened(visitors: Visitors, service: FakeService) -> Chat:
    chat = await visitors.visitor()
    await chat.open()
    await service.until(lambda: service.conversations)
    await expect(chat[".greeting, .said"].first).to_be_visible()
    return chat


async def device(visitors: Visitors, like: Chat) -> Chat:
    """Another browser of the same customer, with the token alone."""
    key, session = await like.page.evaluate(
        "Object.entries(localStorage).find(([name]) => name.endsWith(':session'))",
    )
    chat = await visitors.visitor()
    await chat.page.evaluate("([key, value]) => localStorage.setItem(key, value)", [key, session])
    await chat.page.reload()
    await chat.open()
    return chat


def texts(service: FakeService, author: str = "user") -> list[str]:
    return [entry["text"] for entry in service.log if entry["author"] == author]


async def leave(service: FakeService) -> None:
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)


# -- a long way behind


async def test_ten_thousand_missed_entries_arrive_and_the_page_stays_small(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    await service.say("Message number 1")
    await chat.shows("Message number 1")
    await leave(service)
    for number in range(2, 10_001):
        service.note(f"Message number {number}")
    await chat.page.evaluate(
        """() => {
          const list = document.querySelector('frontdesk-chat').shadowRoot.querySelector('.list');
          window.most = 0;
          window.last = 0;
          window.twice = [];
          new MutationObserver(() => {
            const numbers = [...list.querySelectorAll('.said')].map((said) => Number(said.textContent.match(/\\d+/)));
            window.most = Math.max(window.most, numbers.length);
            if (numbers.some((number, index) => index && number !== numbers[index - 1] + 1)) window.twice.push(numbers);
          }).observe(list, { childList: true });
        }"""
    )
    service.away = False
    await expect(chat[".said"].last).to_have_text("Message number 10000", timeout=60_000)
    assert service.sent("hello")[-1]["last_seq"] == 1
    for _ in range(6):
        first = await chat[".said"].first.text_content()
        await chat["button.earlier"].click()
        await expect(chat[".said"].first).not_to_have_text(first or "")
    assert await chat[".said"].count() == 200
    assert service.sent("history") == []  # what is held need not be fetched
    await expect(chat[".newest"]).to_be_visible()
    while await chat[".newest"].is_visible():  # down again, a part at a time
        await chat[".log"].evaluate("log => { log.scrollTop = log.scrollHeight; }")
        await chat.page.evaluate("new Promise(requestAnimationFrame)")
    await expect(chat[".said"].last).to_have_text("Message number 10000")
    assert await chat.page.evaluate("window.most") <= 200
    assert await chat.page.evaluate("window.twice") == []


async def test_a_reader_far_above_comes_back_with_one_press(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for number in range(1, 301):
        service.note(f"Message number {number}")
    await service.tell({"type": "entries", "entries": service.log, "more": False})
    await expect(chat[".said"]).to_have_count(50)
    for _ in range(5):
        first = await chat[".said"].first.text_content()
        await chat["button.earlier"].click()
        await expect(chat[".said"].first).not_to_have_text(first or "")
    await expect(chat[".said"].first).to_have_text("Message number 1")
    await service.say("a late one")
    await expect(chat[".newest"]).to_be_visible()
    await chat[".newest"].click()
    await expect(chat[".said"].last).to_have_text("a late one")
    await expect(chat[".said"].last).to_be_in_viewport()


# -- what is not acknowledged


async def test_a_reload_between_sending_and_the_ack_sends_the_same_message(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    service.deaf = True
    await chat.write("where is my order?")
    await service.until(lambda: service.sent("message"))
    service.deaf = False
    await chat.page.reload()
    await service.until(lambda: texts(service) == ["where is my order?"])
    await expect(chat[".pending"]).to_have_count(0)
    await chat.shows("where is my order?")
    first, second = service.sent("message")
    assert first == second


async def test_an_entry_that_does_not_follow_its_ack_is_fetched(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    service.mute = True
    await chat.write("one")
    await expect(chat[".pending"]).to_have_count(0)
    await service.until(lambda: len(service.sent("hello")) == 2)
    await chat.write("two")
    await chat.shows("one", "two")
    assert len(service.sent("message")) == 2


async def test_a_tab_that_is_opened_again_sends_what_the_closed_one_could_not(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    await leave(service)
    await chat.write("one")
    await chat.write("two")
    await chat.shows("one", "two")
    beside = await visitors.tab(chat, "/elsewhere")  # keeps the storage of the first
    await chat.page.close()
    service.away = False
    await beside.page.goto(f"{service.url}/shop")
    await service.until(lambda: service.conversations and texts(service) == ["one", "two"])
    assert len({one["id"] for one in service.sent("message")}) == 2  # one may come again under its id


FULL = """() => {
  for (let size = 2 ** 22; size >= 1; size /= 2) {
    try {
      for (let n = 0; ; n++) localStorage[`${size}.${n}`] = 'x'.repeat(size);
    } catch {}
  }
}"""


async def test_a_full_storage_loses_neither_the_conversation_nor_the_message(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await visitors.visitor()
    await chat.page.evaluate(FULL)
    await chat.open()
    await service.until(lambda: service.conversations)
    service.deaf = True
    await chat.write("where is my order?")
    await service.until(lambda: service.sent("message"))
    service.deaf = False
    await chat.page.reload()
    await service.until(lambda: texts(service) == ["where is my order?"])
    await chat.shows("where is my order?")
    assert service.sent("hello")[-1]["token"] == "token-1"
    first, second = service.sent("message")
    assert first == second


# -- two tabs


async def test_tabs_that_send_at_once_send_everything_once(visitors: Visitors, service: FakeService) -> None:
    first = await opened(visitors, service)
    second = await visitors.tab(first)
    await second.open()

    async def write(name: str, chat: Chat) -> None:
        for number in range(5):
            await chat.write(f"{name}{number}")

    await asyncio.gather(write("a", first), write("b", second))
    await service.until(lambda: len(service.log) == 10)
    for chat in (first, second):
        await chat.shows(*texts(service))
        await expect(chat[".pending"]).to_have_count(0)
    for name in "ab":
        assert [text for text in texts(service) if text[0] == name] == [f"{name}{n}" for n in range(5)]
    assert len(service.sent("message")) == 10


async def test_what_waits_in_a_tab_that_closes_is_sent_by_the_other_once(
    visitors: Visitors, service: FakeService
) -> None:
    first = await opened(visitors, service)
    second = await visitors.tab(first)
    await second.open()
    await leave(service)
    await first.write("from the first")
    await expect(second[".pending .said"]).to_have_text("from the first")
    await first.page.close()
    service.away = False
    await service.until(lambda: texts(service) == ["from the first"])
    await second.shows("from the first")
    await expect(second[".pending"]).to_have_count(0)
    assert len(service.sent("message")) == 1


async def test_what_is_sent_refused_or_removed_in_a_tab_is_so_in_the_other(
    visitors: Visitors, service: FakeService
) -> None:
    first = await opened(visitors, service)
    second = await visitors.tab(first)
    await second.open()
    service.refusals = [{"code": "id_conflict"}]
    await first.write("one")
    await expect(second[".failed .state"]).to_contain_text("Not sent")
    await second.button("Remove").click()
    await expect(first[".user"]).to_have_count(0)
    await first.write("two")
    for chat in (first, second):
        await chat.shows("two")
        await expect(chat[".pending"]).to_have_count(0)
    assert await first.stored() == []


async def test_what_was_read_in_a_tab_is_read_in_the_other(visitors: Visitors, service: FakeService) -> None:
    first = await opened(visitors, service)
    await service.say("zero")
    await first.shows("zero")
    second = await visitors.tab(first)
    await first.page.keyboard.press("Escape")
    await expect(first["dialog"]).to_be_hidden()
    await second.page.bring_to_front()
    await service.say("one")
    for chat in (first, second):
        await expect(chat[".badge"]).to_have_text("1")
    await second.open()
    await expect(first[".badge"]).to_have_count(0)


# -- two devices


async def test_two_devices_show_the_same_thumbs(visitors: Visitors, service: FakeService) -> None:
    first = await opened(visitors, service)
    await service.say("Thirty days.", rateable=True)
    second = await device(visitors, first)
    await expect(second.button("Helpful")).to_have_attribute("aria-pressed", "false")
    await first.button("Helpful").click()
    await expect(second.button("Helpful")).to_have_attribute("aria-pressed", "true")
    third = await device(visitors, first)
    await expect(third.button("Helpful")).to_have_attribute("aria-pressed", "true")
    service.conversation.log[0]["rating"] = "down"  # given elsewhere while nobody here was connected
    service.cut()
    for chat in (first, second, third):
        await expect(chat.button("Not helpful")).to_have_attribute("aria-pressed", "true")
        await expect(chat.button("Helpful")).to_have_attribute("aria-pressed", "false")
    await second.button("Not helpful").click()
    for chat in (first, second, third):
        await expect(chat.button("Not helpful")).to_have_attribute("aria-pressed", "false")


async def test_two_devices_show_the_same_conversation(visitors: Visitors, service: FakeService) -> None:
    first = await opened(visitors, service)
    await first.write("hello")
    await first.shows("hello")
    service.conversation.owner, service.conversation.position = "queue", 3
    await service.tell({"type": "owner", "owner": "queue", "position": 3})
    second = await device(visitors, first)
    for chat in (first, second):
        await expect(chat[".owner"]).to_have_text("Waiting for a person, you are number 3")
    await second.button("Start over").click()
    for chat in (first, second):
        await chat.shows("hello", "Start over")


async def test_the_history_is_no_news_for_a_new_device(visitors: Visitors, service: FakeService) -> None:
    first = await opened(visitors, service)
    await service.say("one")
    await first.shows("one")
    second = await device(visitors, first)
    await second.page.keyboard.press("Escape")
    await service.say("two")
    await expect(second[".badge"]).to_have_text("1")


# -- another log


async def test_another_epoch_loses_nothing_that_was_not_acknowledged(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("Which one?", buttons=["This", "That"])
    await expect(chat.button("That")).to_be_visible()
    await leave(service)
    await chat.button("That").click()
    await chat.write("one")
    await chat.write("two")
    service.conversation.epoch = "epoch-2"
    service.log.clear()
    service.note("of the new log")
    service.away = False
    await service.until(lambda: texts(service) == ["one", "two"])
    await chat.shows("of the new log", "one", "two", "That")
    await expect(chat[".failed .state"]).to_contain_text("Not sent: this choice is no longer there")
    await expect(chat[".failed button"]).to_have_text(["Remove"])


async def test_a_log_that_became_shorter_is_another_one(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for text in ("one", "two", "three"):
        await service.say(text)
    await chat.shows("one", "two", "three")
    await leave(service)
    await chat.write("unsent")
    del service.log[1:]
    service.log[0]["text"] = "one, of the copy"
    service.away = False
    await chat.shows("one, of the copy", "unsent")
    assert service.violations == [f"has seen what was never said: {service.sent('hello')[1]}"]
    service.violations.clear()


# -- not yet


async def test_a_busy_service_is_waited_for_and_nothing_is_called_failed(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    service.refusals = [{"code": "busy", "retry_after": 100}, {"code": "unavailable", "retry_after": 0.2}]
    await chat.write("one")
    await expect(chat[".notice"]).to_have_text("Many people are writing. Your message follows by itself.")
    await expect(chat[".pending .state"]).to_have_text(re.compile("Waiting, next try in [23] min."))
    await expect(chat[".failed"]).to_have_count(0)
    await chat.page.reload()  # who does not want to wait
    await expect(chat[".notice"]).to_have_text("We have a problem here. Your message follows by itself.")
    await service.until(lambda: texts(service) == ["one"])
    await expect(chat[".notice"]).to_be_hidden()


async def test_a_refused_thumb_is_given_again(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("Thirty days.", rateable=True)
    await expect(chat.button("Helpful")).to_be_visible()
    service.deaf = True
    await chat.button("Helpful").click()
    await service.until(lambda: service.sent("feedback"))
    service.deaf = False
    await service.tell({"type": "error", "code": "rate_limited", "message": "Wait.", "retry_after": 0.1})
    await service.until(lambda: service.log[0]["rating"] == "up")
    await expect(chat[".notice"]).to_be_hidden()


async def test_after_a_drain_nothing_goes_to_the_old_server(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    (old,) = service.peers
    await service.tell({"type": "drain", "reconnect_in": 0.7})
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(chat[".typing"]).to_be_visible()  # so the drain was heard
    await chat.write("one")
    await service.until(lambda: texts(service) == ["one"])
    assert [frame["type"] for frame in old.received] == ["hello"]
    assert service.sockets == 2


# -- a page that spells its language in the old way


async def test_a_language_with_an_underscore_is_one(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor("/shop/zh_CN")
    await chat.open()
    await chat.write("你好")
    await expect(chat[".user .state"]).to_have_text("已发送")


# -- servers that stumble, and servers to come

Trouble = Callable[[FakeService, "Chat", int], Awaitable[Any]]


async def says(service: FakeService, _chat: Chat, n: int) -> None:
    await service.say(f"said {n}")


async def loses(service: FakeService, _chat: Chat, n: int) -> None:
    service.note(f"lost {n}")


async def repeats(service: FakeService, _chat: Chat, _n: int) -> None:
    await service.tell({"type": "entries", "entries": service.log[-3:], "more": False})


async def reverses(service: FakeService, _chat: Chat, n: int) -> None:
    pair = [service.note(f"first {n}"), service.note(f"second {n}")]
    await service.tell({"type": "entries", "entries": pair[::-1], "more": False})


async def swaps(service: FakeService, _chat: Chat, n: int) -> None:
    for entry in [service.note(f"early {n}"), service.note(f"late {n}")][::-1]:
        await service.tell({"type": "entries", "entries": [entry], "more": False})


async def is_newer(service: FakeService, _chat: Chat, n: int) -> None:
    await service.tell({"type": "weather", "seq": 1, "entries": [{"seq": 99, "text": "sunny"}]})
    await service.tell({"type": "owner", "owner": "committee", "since": 3})
    await service.tell({"type": "typing", "on": False, "who": ["Mara"]})
    await service.say(f"newer {n}", mood="happy", tables=[[1, 2]], author="expert")


async def is_odd(service: FakeService, _chat: Chat, n: int) -> None:
    await service.tell({})
    await service.tell({"type": "entries"})
    await service.tell({"type": "entries", "entries": [None, {}, {"seq": "x"}, {"seq": -1}], "more": False})
    service.log.append({"seq": len(service.log) + 1, "author": "bot", "text": f"bare {n}", "rating": None})
    await service.tell({"type": "entries", "entries": [service.log[-1]], "more": False})


async def cuts(service: FakeService, _chat: Chat, _n: int) -> None:
    service.cut()


async def loses_an_ack(service: FakeService, _chat: Chat, _n: int) -> None:
    service.cut_at = "commit"


async def loses_a_message(service: FakeService, _chat: Chat, _n: int) -> None:
    service.cut_at = "arrival"


async def refuses(service: FakeService, _chat: Chat, _n: int) -> None:
    service.refusals.append({"code": "busy", "retry_after": 0.05})


async def hears(service: FakeService, chat: Chat, n: int) -> None:
    await chat.write(f"written {n}")


TROUBLES: list[Trouble] = [says, loses, repeats, reverses, swaps, is_newer, is_odd, cuts, loses_an_ack, loses_a_message,
                           refuses, hears]  # fmt: skip


# Not shrunk: what fails takes long to fail.
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@example([says, loses, hears])
@example([says, swaps, reverses, repeats])
@given(st.lists(st.sampled_from(TROUBLES), min_size=5, max_size=20))
async def test_whatever_a_server_does_the_log_is_shown_once_in_its_order(
    browser: Browser, troubles: list[Trouble]
) -> None:
    from tests.widget_browser import Visitors  # not before it is loaded as a plugin

    service = FakeService()
    async with serving(service) as service.url, AsyncExitStack() as stack:
        visitors = Visitors(browser, service.url, stack)
        chat = await opened(visitors, service)
        for number, trouble in enumerate(troubles):
            await trouble(service, chat, number)
        service.refusals.clear()
        await service.until(lambda: texts(service) == [f"written {n}" for n, t in enumerate(troubles) if t is hears])
        await service.say("the end")
        await expect(chat[".said"]).to_have_text([entry["text"] for entry in service.log], timeout=20_000)
        await expect(chat[".pending"]).to_have_count(0)
        assert await chat.stored() == []
        assert chat.errors == []
        assert service.violations == []
