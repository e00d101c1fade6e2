"""The widget and the protocol: nothing is lost, nothing is shown twice, and what it says of a message is true."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.widget_service import FakeService

if TYPE_CHECKING:
    from tests.widget_browser import Chat, Visitors

pytest_plugins = ("tests.widget_browser",)
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def opened(visitors: Visitors, service: FakeService, *, clock: bool = False) -> Chat:
    chat = await visitors.visitor(clock=clock)
    await chat.open()
    await service.until(lambda: service.conversations)
    await expect(chat[".greeting, .said"].first).to_be_visible()
    return chat


def texts(service: FakeService, author: str = "user") -> list[str]:
    return [entry["text"] for entry in service.log if entry["author"] == author]


async def test_nothing_is_connected_before_a_visitor_opens_the_chat(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor()
    await expect(chat[".launcher"]).to_have_accessible_name("Open chat")
    assert service.sockets == 0
    await chat.open()
    await service.until(lambda: service.sockets == 1)


async def test_a_message_is_acknowledged_answered_and_shown_once(visitors: Visitors, service: FakeService) -> None:
    service.answer = lambda text: [{"text": f"You said {text}"}]
    chat = await opened(visitors, service)
    await chat.write("hello")
    await chat.shows("hello", "You said hello")
    await expect(chat[".user .state"]).to_have_text("Sent")
    assert len(service.sent("message")) == 1
    assert await chat.stored() == []


@pytest.mark.parametrize("moment", ["arrival", "commit"])
async def test_a_socket_lost_while_sending_neither_loses_nor_doubles_the_message(
    visitors: Visitors, service: FakeService, moment: str
) -> None:
    chat = await opened(visitors, service)
    service.cut_at = moment
    await chat.write("where is my order?")
    await service.until(lambda: len(service.sent("message")) == 2)
    await expect(chat[".user .state"]).to_have_text("Sent")
    await chat.shows("where is my order?")
    first, second = service.sent("message")
    assert first == second
    assert texts(service) == ["where is my order?"]


async def test_what_is_written_without_a_connection_arrives_later_in_its_order(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)
    for text in ("one", "two", "three"):
        await chat.write(text)
    await chat.shows("one", "two", "three")
    await expect(chat[".pending .state"].first).to_contain_text("Waiting for the connection")
    now = await chat.button("Try now").first.element_handle()
    service.away = False
    assert now
    await now.dispatch_event("click")
    await service.until(lambda: texts(service) == ["one", "two", "three"])
    await expect(chat[".pending"]).to_have_count(0)
    await chat.shows("one", "two", "three")


async def test_a_reload_keeps_the_history_and_what_was_not_sent(visitors: Visitors, service: FakeService) -> None:
    service.answer = lambda text: [{"text": f"Answer to {text}"}]
    chat = await opened(visitors, service)
    await chat.write("first")
    await chat.shows("first", "Answer to first")
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)
    await chat.write("second")
    (kept,) = await chat.stored()
    await chat.page.reload()
    await chat.shows("second")  # the log is not here, the unsent message is
    service.away = False
    await chat.shows("first", "Answer to first", "second", "Answer to second")
    assert kept.endswith(service.sent("message")[-1]["id"])
    assert await chat.stored() == []


async def test_the_open_chat_stays_open_on_the_next_page(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await chat["textarea"].fill("half a sent")
    await chat.page.goto(f"{service.url}/shop/en")
    await expect(chat["dialog"]).to_be_visible()
    await expect(chat["textarea"]).to_have_value("half a sent")
    assert await chat.page.evaluate("document.activeElement.tagName") == "BODY"
    await chat.button("Close chat").first.click()
    await chat.page.reload()
    await expect(chat["dialog"]).to_be_hidden()


async def test_a_new_socket_asks_only_for_what_is_missing(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("one")
    await service.say("two")
    await chat.shows("one", "two")
    service.cut()
    service.note("three, said while nobody listened")
    await chat.shows("one", "two", "three, said while nobody listened")
    assert [hello["last_seq"] for hello in service.sent("hello")] == [0, 2]


async def test_entries_that_come_twice_are_shown_once(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    entries = [await service.say(text) for text in ("one", "two", "three")]
    await service.tell({"type": "entries", "entries": entries, "more": True})
    await service.tell({"type": "entries", "entries": entries[1:], "more": False})
    await service.say("four")
    await chat.shows("one", "two", "three", "four")


async def test_a_hole_in_the_numbers_is_filled_from_the_service(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("one")
    service.note("two, lost on its way")
    await service.say("three")
    await chat.shows("one", "two, lost on its way", "three")
    assert service.sent("hello")[-1]["last_seq"] == 1


async def test_another_epoch_is_another_log(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("of the old log", buttons=["old"])
    await chat.shows("of the old log")
    service.conversation.epoch = "epoch-2"
    service.log.clear()
    service.note("of the new log")
    service.cut()
    await chat.shows("of the new log")
    assert service.sent("hello")[-1] | {"locale": "", "page": ""} == {
        "type": "hello", "token": "token-1", "epoch": "epoch-2", "last_seq": 0, "locale": "", "page": "",
        "customer": None,
    }  # fmt: skip


async def test_a_token_that_is_not_valid_any_more_begins_anew(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("of a conversation that is gone")
    await chat.shows("of a conversation that is gone")
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)
    await chat.write("still here")
    service.conversations.clear()
    service.away = False
    await service.until(lambda: service.conversations and texts(service) == ["still here"])
    await chat.shows("still here")
    assert [hello["token"] for hello in service.sent("hello")] == [None, "token-1", None]


async def test_two_tabs_are_in_step(visitors: Visitors, service: FakeService) -> None:
    service.answer = lambda text: [{"text": f"Answer to {text}", "buttons": ["Yes", "No"]}]
    first = await opened(visitors, service)
    second = await visitors.tab(first)
    await second.open()
    await first.write("from the first")
    await second.shows("from the first", "Answer to from the first")
    await second.button("Yes").click()
    for chat in (first, second):
        await chat.shows("from the first", "Answer to from the first", "Yes", "Answer to Yes")
        await expect(chat[".choice"].first).to_be_disabled()
        await expect(chat[".choice"].first).to_have_attribute("aria-pressed", "true")


async def test_tabs_opened_together_share_one_conversation(visitors: Visitors, service: FakeService) -> None:
    first = await visitors.visitor()
    second = await visitors.tab(first)
    await asyncio.gather(first.open(), second.open())
    await expect(first[".said"]).to_have_text(["Hello! How can we help you today?"])
    await first.write("from the first")
    await second.shows("from the first")
    await second.write("from the second")
    await first.shows("from the first", "from the second")
    spoken = [conversation for conversation in service.conversations.values() if conversation.log]
    assert len(spoken) == 1


async def test_typing_ends_with_an_answer_with_off_and_by_itself(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    typing = chat[".typing"]
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(typing).to_be_visible()
    await service.say("here I am")
    await expect(typing).to_be_hidden()
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(typing).to_be_visible()
    await service.tell({"type": "typing", "on": False})
    await expect(typing).to_be_hidden()
    await service.tell({"type": "typing", "on": True, "for": 0.5})
    await expect(typing).to_be_visible()
    await expect(typing).to_be_hidden()


async def test_a_lost_connection_ends_the_typing(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.tell({"type": "typing", "on": True, "for": 60})
    await expect(chat[".typing"]).to_be_visible()
    service.away = True
    service.cut()
    await expect(chat[".typing"]).to_be_hidden()


async def test_a_refused_message_says_why_and_can_be_tried_again_or_removed(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    service.refusals = [{"code": "id_conflict"}, {"code": "too_long"}]
    await chat.write("one")
    await expect(chat[".failed .state"]).to_contain_text("Not sent: something went wrong")
    await chat.button("Try again").click()
    await expect(chat[".failed .state"]).to_contain_text("Not sent: this message is too long")
    await chat.page.reload()
    await expect(chat[".failed .said"]).to_have_text("one")
    await chat.button("Remove").click()
    await expect(chat[".user"]).to_have_count(0)
    assert await chat.stored() == []
    first, second = service.sent("message")
    assert first["id"] != second["id"]


async def test_a_not_yet_is_tried_again_by_itself_and_nothing_overtakes_it(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    service.refusals = [{"code": "rate_limited", "retry_after": 0.5}, {"code": "busy", "retry_after": 0.1}]
    await chat.write("one")
    await chat.write("two")
    await expect(chat[".notice"]).to_contain_text("follow")
    await service.until(lambda: texts(service) == ["one", "two"])
    await expect(chat[".notice"]).to_be_hidden()
    ids = [frame["id"] for frame in service.sent("message")]
    assert ids[0] == ids[1] == ids[2] != ids[3]


async def test_too_many_is_shown_and_only_the_visitor_tries_again(visitors: Visitors, service: FakeService) -> None:
    service.admits = False
    chat = await visitors.visitor(clock=True)
    await chat.open()
    await expect(chat[".notice"]).to_contain_text("Too many chats are open from here")
    await chat.page.clock.run_for(60_000)
    assert service.sockets == 1
    service.admits = True
    await chat.button("Try now").click()
    await expect(chat[".notice"]).to_be_hidden()


async def test_a_drained_widget_comes_back_when_it_was_asked_to(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.tell({"type": "drain", "reconnect_in": 0.2})
    for peer in list(service.peers):
        await peer.socket.close(code=1012)
    await service.until(lambda: service.sockets == 2 and len(service.sent("hello")) == 2)
    await service.say("nothing was lost")
    await chat.shows("nothing was lost")


async def test_a_silent_socket_is_asked_and_a_dead_one_replaced(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service, clock=True)
    await chat.page.clock.run_for(25_100)
    await service.until(lambda: len(service.sent("ping")) == 1)
    await service.say("after the pong")
    await chat.shows("after the pong")
    service.deaf = True
    await chat.page.clock.run_for(25_100)
    await service.until(lambda: len(service.sent("ping")) == 2)
    service.deaf = False
    assert service.sockets == 1
    await chat.page.clock.run_for(11_000)
    await service.until(lambda: service.sockets == 2)


async def test_a_message_without_an_acknowledgement_goes_out_again(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service, clock=True)
    service.deaf = True
    await chat.write("is anybody there?")
    await expect(chat[".pending .state"]).to_have_text("Sending")
    await service.until(lambda: service.sent("message"))
    service.deaf = False
    await chat.page.clock.run_for(16_000)
    await service.until(lambda: texts(service) == ["is anybody there?"])
    first, second = service.sent("message")
    assert first["id"] == second["id"]


WATCH_PAUSES = """(passing) => {
  const set = window.setTimeout;
  const began = performance.now();
  let away = 6000; // longer than a connection has to last
  performance.now = () => began + away; // time passes as the pauses say
  Math.random = () => passing;
  const pauses = [];
  window.enough = new Promise((done) => {
    window.setTimeout = (then, after) => {
      if (!String(then).includes('connect()')) return set(then, after);
      away += after;
      if (pauses.push(Math.round(after)) === 12) done(pauses);
      return set(then, 1);
    };
  });
}"""


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        (0.0, [0] * 12),
        (0.5, [1000, 1000, 1000, 1000, 1000, 1250, 1563, 1953, 2441, 3052, 3815, 4768]),
        (1.0, [2000, 2000, 2000, 3000, 4500, 6750, 10125, 15000, 15000, 15000, 15000, 15000]),
    ],
)
async def test_pauses_are_drawn_from_nothing_to_half_of_the_time_away(
    visitors: Visitors, service: FakeService, chance: float, expected: list[int]
) -> None:
    chat = await opened(visitors, service)
    service.away = True
    await chat.page.evaluate(WATCH_PAUSES, chance)
    service.cut()
    assert await chat.page.evaluate("window.enough") == pytest.approx(expected, abs=1)


async def test_choices_are_pressed_once_and_stay_so_after_a_reload(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("Which order is it about?", buttons=["LW-10234", "LW-10251"])
    await chat.button("LW-10251").click()
    await service.until(lambda: texts(service) == ["LW-10251"])
    assert service.sent("message")[0]["press"] == {"seq": 1, "button": 1}
    await chat.page.reload()
    await expect(chat[".choice"]).to_have_count(2)
    for index, pressed in enumerate(("false", "true")):
        await expect(chat[".choice"].nth(index)).to_be_disabled()
        await expect(chat[".choice"].nth(index)).to_have_attribute("aria-pressed", pressed)
    await expect(chat["textarea"]).to_be_visible()


async def test_the_buttons_of_cards_name_their_card(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    lamps = [
        {"title": title, "subtitle": "in stock", "image": "/demo/products/fjord-table-lamp.svg", "url": "/lamp",
         "buttons": [f"About the {title}"]}
        for title in ("Fjord table lamp", "Fjord floor lamp")
    ]  # fmt: skip
    await service.say("Two lamps:", cards=lamps)
    await expect(chat[".card img"].first).to_have_js_property("naturalWidth", 400)
    await expect(chat[".card a"].first).to_have_attribute("href", f"{service.url}/lamp")
    await chat.button("About the Fjord floor lamp").click()
    await service.until(lambda: texts(service) == ["About the Fjord floor lamp"])
    assert service.sent("message")[0]["press"] == {"seq": 1, "card": 1, "button": 0}
    await expect(chat.button("About the Fjord floor lamp")).to_be_disabled()
    await expect(chat.button("About the Fjord table lamp")).to_be_enabled()


async def test_an_answer_names_its_source_and_takes_a_thumb(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("Thirty days.", source={"title": "Returning an item", "url": "/help/returns"}, rateable=True)
    await expect(chat[".source a"]).to_have_text("Returning an item")
    await expect(chat[".source a"]).to_have_attribute("href", f"{service.url}/help/returns")
    await expect(chat[".source a"]).to_have_attribute("rel", "noopener")
    await chat.button("Helpful").click()
    await expect(chat.button("Helpful")).to_have_attribute("aria-pressed", "true")
    await chat.button("Not helpful").click()
    await chat.page.reload()
    await expect(chat.button("Not helpful")).to_have_attribute("aria-pressed", "true")
    await expect(chat.button("Helpful")).to_have_attribute("aria-pressed", "false")
    await chat.button("Not helpful").click()
    await service.until(lambda: service.sent("feedback")[-1]["value"] == "none")
    assert service.sent("feedback")[0]["value"] == "up"


async def test_a_thumb_given_without_a_connection_is_sent_later(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await service.say("Thirty days.", rateable=True)
    await expect(chat.button("Helpful")).to_be_visible()
    service.away = True
    service.cut()
    await service.until(lambda: not service.peers)
    await chat.button("Helpful").click()
    service.away = False
    await service.until(lambda: service.sent("feedback"))
    assert service.sent("feedback") == [{"type": "feedback", "seq": 1, "value": "up"}]


async def test_a_person_is_one_click_away_and_the_header_tells_who_answers(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    await expect(chat[".owner"]).to_have_text("Digital assistant")
    await chat.button("Talk to a person").click()
    await service.until(lambda: service.sent("message"))
    assert service.sent("message")[0]["command"] == "human"
    await chat.shows("Talk to a person")
    await service.tell({"type": "owner", "owner": "queue", "position": 2})
    await expect(chat[".owner"]).to_have_text("Waiting for a person, you are number 2")
    await expect(chat.button("Talk to a person")).to_be_hidden()
    await service.tell({"type": "owner", "owner": "agent"})
    await service.say("You are talking to Mara now.", author="system")
    await expect(chat[".owner"]).to_have_text("A person is answering")
    await expect(chat[".system"]).to_have_text("You are talking to Mara now.")
    await chat.button("Start over").click()
    await service.until(lambda: len(service.sent("message")) == 2)
    assert service.sent("message")[1]["command"] == "restart"


async def test_unread_messages_are_counted_announced_and_read(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    await chat.write("hello")
    await chat.shows("hello")
    await chat.page.keyboard.press("Escape")
    await expect(chat["dialog"]).to_be_hidden()
    await service.say("one")
    await service.say("two")
    await expect(chat[".badge"]).to_have_text("2")
    await expect(chat[".launcher"]).to_have_accessible_name("Open chat, 2 unread messages")
    await expect(chat["[role=status].sr"]).to_have_text("2 unread messages")
    await chat.page.reload()
    await expect(chat[".badge"]).to_have_text("2")
    await chat.open()
    await expect(chat[".badge"]).to_have_count(0)
    await chat.page.reload()
    await expect(chat["dialog"]).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(chat[".badge"]).to_have_count(0)


async def test_a_long_history_comes_in_parts_and_the_reader_stays_where_they_are(
    visitors: Visitors, service: FakeService
) -> None:
    chat = await opened(visitors, service)
    for number in range(1, 131):
        await service.say(f"Message number {number}")
    await expect(chat[".said"]).to_have_count(130)
    await chat.page.reload()
    await expect(chat[".said"]).to_have_count(50)
    assert service.sent("hello")[-1]["last_seq"] == 80
    top = chat[".said"].first
    await chat["button.earlier"].scroll_into_view_if_needed()
    before = await top.bounding_box()
    await chat["button.earlier"].click()
    await expect(chat[".said"]).to_have_count(100)
    after = await chat.page.get_by_text("Message number 81", exact=True).bounding_box()
    assert before is not None
    assert after is not None
    assert abs(after["y"] - before["y"]) < 40  # the button and the day are above it now
    await chat["button.earlier"].click()
    await expect(chat[".said"]).to_have_count(130)
    await expect(chat["button.earlier"]).to_be_hidden()
    assert [frame["before"] for frame in service.sent("history")] == [81, 31]


async def test_a_new_message_does_not_pull_a_reader_away(visitors: Visitors, service: FakeService) -> None:
    chat = await opened(visitors, service)
    for number in range(40):
        await service.say(f"Message number {number}")
    await expect(chat[".said"]).to_have_count(40)
    in_sight = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 2"
    assert await chat[".log"].evaluate(in_sight)
    await chat[".log"].evaluate("log => { log.scrollTop = 100; }")
    await expect(chat[".newest"]).to_be_visible()
    await service.say("a late one")
    await expect(chat[".said"]).to_have_count(41)
    assert await chat[".log"].evaluate("log => log.scrollTop") == 100
    await chat[".newest"].click()
    await expect(chat[".newest"]).to_be_hidden()
    assert await chat[".log"].evaluate(in_sight)


async def test_a_page_can_open_the_chat_with_a_question(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor()
    await chat.page.evaluate("document.querySelector('frontdesk-chat').ask('  Where is my order?  ')")
    await chat.shows("Where is my order?")
    await service.until(lambda: service.conversations and texts(service) == ["Where is my order?"])


async def test_attributes_name_greet_and_place_it(visitors: Visitors, service: FakeService) -> None:
    attributes = "title=Nora greeting=Moin! position=start color-scheme=dark open"
    chat = await visitors.visitor(f"/shop?attributes={attributes}")
    await expect(chat["dialog"]).to_be_visible()
    await expect(chat["h2"]).to_have_text("Nora")
    await chat.shows("Moin!")
    box = await chat["dialog"].bounding_box()
    assert box is not None
    assert box["x"] < 40
    assert await chat["dialog"].evaluate("node => getComputedStyle(node).backgroundColor") == "rgb(27, 28, 26)"
    await chat.page.evaluate("document.querySelector('frontdesk-chat').removeAttribute('open')")
    await expect(chat["dialog"]).to_be_hidden()
    assert service.sockets == 1


async def test_a_shop_elsewhere_loads_it_with_one_tag(visitors: Visitors, service: FakeService) -> None:
    elsewhere = service.url.replace("127.0.0.1", "localhost") + "/elsewhere"
    chat = await visitors.visitor(elsewhere)
    await chat.open()
    await chat.write("from far away")
    await service.until(lambda: service.conversations and texts(service) == ["from far away"])
    assert service.sent("hello")[0]["page"] == elsewhere


async def test_without_storage_the_conversation_still_goes_on(visitors: Visitors, service: FakeService) -> None:
    chat = await visitors.visitor("/shop/en")
    await chat.page.add_init_script(
        "for (const name of ['localStorage', 'sessionStorage'])"
        " Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    await chat.page.reload()
    await chat.open()
    await chat.write("one")
    await chat.shows("one")
    service.cut()
    await service.until(lambda: service.sockets == 2)
    await chat.write("two")
    await service.until(lambda: texts(service) == ["one", "two"])
    await chat.shows("one", "two")
