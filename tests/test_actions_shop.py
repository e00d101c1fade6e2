"""The demo shop's actions, run by rasa-sdk's own executor against a real database."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import create_engine, select, update
from sqlalchemy.engine import Engine

from actions import database, opening, tables
from actions.dates import today
from actions.demo_data import LARGE_FURNITURE
from actions.opening import HOLIDAYS
from actions.returns import working_days_after
from actions.shop import Shop
from bot.actions import InProcess
from bot.dialogue.run import ActionCall, ActionResult

ROOT = Path(__file__).parents[1]
WIDGET, DATA = ROOT / "bot" / "widget", ROOT / "training_data"
MARA, JONAS = "mara@example.org", "jonas@example.org"
OWNED = {MARA: ("LW-10234", "LW-10251", "LW-10198", "LW-09810", "LW-10077"), JONAS: ("LW-10300",)}
Act = Callable[..., Any]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    monkeypatch.setenv("SHOP_DATABASE_URL", url)
    database.the_database()
    return create_engine(url)


@pytest.fixture
def act(engine: Engine) -> Act:
    """Runs an action with these slots and returns its result."""
    runner = InProcess("actions", timeout=10)

    async def run(
        name: str, *, seq: int = 1, said: str = "", entities: Sequence[tuple[str, str]] = (), **slots: Any
    ) -> ActionResult:
        found = [{"entity": name, "value": value} for name, value in entities]
        message = {"text": said, "entities": found}
        tracker = {"sender_id": "c1", "slots": slots, "latest_message": message, "events": []}
        call = ActionCall(name, tracker, {}, 0, False)
        result = await runner.run(call, conversation_id="c1", seq=seq, message_id="m")
        assert isinstance(result, ActionResult), result
        return result

    return run


def text(result: ActionResult) -> str:
    return " ".join(str(response["text"]) for response in result.responses)


def payloads(result: ActionResult) -> list[str]:
    return [button["payload"] for response in result.responses for button in response["buttons"]]


def state(engine: Engine, number: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(tables.orders).where(tables.orders.c.number == number)).one()


def cases(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(tables.cases)))


def dated(engine: Engine, number: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(update(tables.orders).where(tables.orders.c.number == number).values(**values))


@pytest.mark.parametrize("written", ["LW-10234", "lw10234", "lw 10234", "#10234", "10234"])
async def test_an_order_number_may_be_written_in_any_way(act: Act, written: str) -> None:
    said = text(await act("action_order_status", order_number=written, email=MARA))

    assert "LW-10234" in said
    assert "on its way" in said
    assert "the day after tomorrow" in said


@pytest.mark.parametrize("action", ["action_order_status", "action_track_delivery"])
@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ({"customer": {"email": JONAS}}, True),
        ({"email": JONAS}, True),
        ({"postcode": "1017"}, True),
        ({}, False),
        ({"customer": {"email": MARA}, "email": MARA}, False),
        ({"postcode": "101"}, False),
        ({"postcode": "20095"}, False),
        ({"parcel": "PX402911873"}, False),
        ({"email": JONAS, "mismatches": 3}, False),
        ({"postcode": "1017", "mismatches": 3}, False),
        ({"customer": {"email": JONAS}, "mismatches": 3}, True),
    ],
)
async def test_an_order_is_shown_only_to_whom_it_belongs(
    act: Act, action: str, who: dict[str, Any], seen: bool
) -> None:
    said = text(await act(action, order_number="LW-10300", **who))

    assert ("packed" in said and "Alma sofa" in said) is seen


@pytest.mark.parametrize(
    "action",
    [
        "action_cancel_order",
        "action_change_address",
        "action_start_return",
        "action_warranty_claim",
        "action_report_problem",
        "action_send_invoice",
        "action_refund_status",
    ],
)
async def test_no_action_tells_a_stranger_the_state_of_an_order(act: Act, action: str) -> None:
    stranger = {"customer": {"email": JONAS}, "postcode": "20095", "confirm": True}
    for seq, number in enumerate(OWNED[MARA]):
        said = text(await act(action, seq=seq, order_number=number, **stranger))

        assert said.startswith(f"I could not match order {number}")


async def test_the_state_alone_names_no_person_address_or_payment(act: Act) -> None:
    for number in ("LW-10234", "LW-10251", "LW-10077", "LW-10198"):
        said = text(await act("action_order_status", order_number=number, postcode="20095")).lower()

        assert not any(
            private in said for private in ("mara", "jonas", "birkenweg", "seilerstraat", "paypal", "eur", "@")
        )


async def test_each_state_offers_what_is_possible_in_it(act: Act) -> None:
    offered = {
        number: {
            payload.partition("{")[0]
            for payload in payloads(await act("action_order_status", order_number=number, said=number, email=email))
        }
        for email, numbers in OWNED.items()
        for number in numbers
    }

    assert offered == {
        "LW-10234": {"/track_delivery"},
        "LW-10251": {"/cancel_order", "/change_address"},
        "LW-10300": {"/change_address"},
        "LW-10198": {"/start_return", "/report_damaged"},
        "LW-09810": {"/warranty_claim"},
        "LW-10077": {"/refund_status"},
    }


async def test_an_order_remembered_from_before_can_be_another(act: Act) -> None:
    another = '/order_status{"order_number": "other"}'

    mine = {"order_number": "LW-10234", "email": MARA}

    assert another in payloads(await act("action_order_status", **mine, said="and my order?"))
    assert another not in payloads(await act("action_order_status", **mine, said="it is 10234"))


async def test_an_unknown_order_is_said_to_be_unknown_and_a_person_is_offered(act: Act) -> None:
    result = await act("action_order_status", order_number="LW-99999")

    assert "could not find" in text(result)
    assert "/human" in payloads(result)


async def test_a_parcel_on_its_way_is_followed_by_its_number(act: Act) -> None:
    assert "PX402911873" in text(await act("action_track_delivery", order_number="LW-10234", email=MARA))


async def test_a_parcel_that_has_not_left_has_no_number_to_follow(act: Act) -> None:
    assert "as soon as the carrier has" in text(await act("action_track_delivery", order_number="LW-10251", email=MARA))


async def test_orders_are_listed_newest_first_as_cards_and_as_data(act: Act) -> None:
    (response,) = (await act("action_list_orders", email="Mara@Example.org ")).responses

    numbers = ["LW-10251", "LW-10234", "LW-10198", "LW-10077", "LW-09810"]
    assert [card["title"] for card in response["elements"]] == numbers
    assert response["custom"]["type"] == "orders"
    assert [order["number"] for order in response["custom"]["orders"]] == numbers
    assert response["custom"]["orders"][1]["total"] == "148.70 EUR"


async def test_a_list_of_orders_holds_nobody_elses(act: Act) -> None:
    (response,) = (await act("action_list_orders", email=JONAS)).responses

    assert [card["title"] for card in response["elements"]] == ["LW-10300"]


async def test_an_address_without_orders_gets_a_sentence_and_an_empty_list(act: Act) -> None:
    (response,) = (await act("action_list_orders", email="nobody@example.org")).responses

    assert "no orders" in response["text"]
    assert response["custom"] == {"type": "orders", "orders": []}


async def test_a_placed_order_is_cancelled_and_its_money_goes_back(act: Act, engine: Engine) -> None:
    result = await act("action_cancel_order", order_number="10251", email=MARA, confirm=True)

    assert "is cancelled" in text(result)
    assert "649.00 EUR" in text(result)
    assert state(engine, "LW-10251").state == "cancelled"
    refund = await act("action_refund_status", order_number="10251", email=MARA)
    assert "649.00 EUR" in text(refund)


@pytest.mark.parametrize(
    ("action", "slots"),
    [
        ("action_cancel_order", {"order_number": "LW-10251"}),
        ("action_change_address", {"order_number": "LW-10251", "new_address": "Lindenallee 4, 22087 Hamburg"}),
        ("action_start_return", {"order_number": "LW-10198", "return_reason": "too_small"}),
        ("action_warranty_claim", {"order_number": "LW-09810", "problem": "the drawer jams"}),
        ("action_report_problem", {"order_number": "LW-10198", "problem": "the handle is broken"}),
    ],
)
@pytest.mark.parametrize(
    "who",
    [
        {"email": JONAS, "confirm": True},
        {"email": None, "confirm": True},
        {"email": MARA, "confirm": False},
        {"email": MARA, "confirm": None},
    ],
    ids=["another customer", "nobody", "said no", "was not asked"],
)
async def test_nothing_changes_without_the_right_address_and_a_yes(
    act: Act, engine: Engine, action: str, slots: dict[str, Any], who: dict[str, Any]
) -> None:
    before = state(engine, slots["order_number"])

    said = text(await act(action, **slots, **who))

    assert state(engine, slots["order_number"]) == before
    assert cases(engine) == []
    assert MARA not in said


async def test_a_refund_is_told_only_to_its_owner(act: Act) -> None:
    assert "189.00 EUR" in text(await act("action_refund_status", order_number="LW-10077", email=MARA))
    refused = text(await act("action_refund_status", order_number="LW-10077", email=JONAS))
    assert "189" not in refused
    assert "PayPal" not in refused


async def test_an_invoice_goes_only_to_the_address_of_its_order(act: Act, engine: Engine) -> None:
    assert "on its way to mara@example.org" in text(
        await act("action_send_invoice", order_number="LW-10198", email=MARA)
    )
    assert "mara" not in text(await act("action_send_invoice", order_number="LW-10198", email=JONAS, seq=2))
    assert [(case.kind, case.email) for case in cases(engine)] == [("invoice", MARA)]


async def test_the_same_request_repeated_has_one_effect_and_the_same_answer(act: Act, engine: Engine) -> None:
    slots = {"order_number": "LW-09810", "email": MARA, "problem": "the drawer jams", "confirm": True}

    first = await act("action_warranty_claim", **slots, seq=7)
    again = await act("action_warranty_claim", **slots, seq=7)
    later = await act("action_warranty_claim", **slots, seq=9)

    assert text(first) == text(again)
    assert text(later) != text(first)
    assert len(cases(engine)) == 2


async def test_a_cancellation_repeated_after_a_crash_does_not_say_that_it_is_too_late(act: Act) -> None:
    slots = {"order_number": "LW-10251", "email": MARA, "confirm": True}

    first = await act("action_cancel_order", **slots, seq=3)
    again = await act("action_cancel_order", **slots, seq=3)
    anew = await act("action_cancel_order", **slots, seq=5)

    assert text(again) == text(first)
    assert "nothing left to do" in text(anew)


def test_a_change_that_fails_leaves_neither_itself_nor_an_answer_behind(database_url: str) -> None:
    opened = database.open_database(database_url)

    def fails(shop: Shop) -> dict[str, Any]:
        shop.change_order("LW-10251", state="cancelled")
        raise OSError("the printer is on fire")

    with pytest.raises(OSError, match="printer"):
        opened.once("k", fails)

    with opened.reading() as shop:
        assert shop.order("LW-10251").state == "placed"  # type: ignore[union-attr]  # it is there
    assert opened.once("k", lambda _: {"text": "done"}) == {"text": "done"}


def test_two_calls_at_once_with_one_key_have_one_effect(database_url: str) -> None:
    opened = database.open_database(database_url)
    together = Barrier(2)

    def claim(_: int) -> dict[str, Any]:
        together.wait()
        return opened.once("k", lambda shop: {"text": shop.open_case("warranty", email=MARA, details="x")})

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(claim, range(2))

    assert first == second == {"text": "C-5001"}


def test_two_calls_at_once_with_two_keys_see_each_others_change(database_url: str) -> None:
    opened = database.open_database(database_url)
    together = Barrier(2)

    def cancel(key: int) -> str:
        def change(shop: Shop) -> dict[str, Any]:
            order = shop.order("LW-10251")
            assert order is not None
            shop.change_order("LW-10251", state="cancelled")
            return {"text": order.state}

        together.wait()
        return str(opened.once(str(key), change)["text"])

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(cancel, range(2))) == ["cancelled", "placed"]


@pytest.mark.parametrize(
    ("number", "words"), [("LW-10300", "packed"), ("LW-10234", "on its way"), ("LW-10198", "send it back")]
)
async def test_too_late_to_cancel_says_why_and_what_is_possible(act: Act, number: str, words: str) -> None:
    owner = JONAS if number == "LW-10300" else MARA
    result = await act("action_cancel_order", order_number=number, email=owner)

    assert "too late to cancel" in text(result)
    assert words in text(result)
    assert '/cancel_order{"order_number": "other"}' in payloads(result)


async def test_a_packed_order_can_still_be_sent_elsewhere(act: Act, engine: Engine) -> None:
    new = "Prinsengracht 9, 1015 Amsterdam"
    await act("action_change_address", order_number="LW-10300", email=JONAS, new_address=new, confirm=True)

    assert state(engine, "LW-10300").address == new


async def test_a_shipped_order_cannot(act: Act, engine: Engine) -> None:
    said = text(await act("action_change_address", order_number="10234", email=MARA, new_address="X 1", confirm=True))

    assert "only the carrier" in said
    assert state(engine, "LW-10234").address == "Birkenweg 12, 20095 Hamburg"


async def test_a_return_within_thirty_days_gets_a_label_and_only_one_case(act: Act, engine: Engine) -> None:
    slots = {"order_number": "LW-10198", "email": MARA, "return_reason": "changed_mind", "confirm": True}

    assert "label" in text(await act("action_start_return", **slots, seq=1))
    assert "already started" in text(await act("action_start_return", **slots, seq=2))
    assert [case.details for case in cases(engine)] == ["changed_mind"]
    assert "not reached us yet" in text(await act("action_refund_status", order_number="LW-10198", email=MARA))


@pytest.mark.parametrize(("days", "possible"), [(30, True), (31, False)])
async def test_the_last_day_for_a_return_is_the_thirtieth(act: Act, engine: Engine, days: int, possible: bool) -> None:
    dated(engine, "LW-10198", delivered_on=today() - timedelta(days=days))

    said = text(await act("action_start_return", order_number="10198", email=MARA, return_reason="x", confirm=True))

    assert ("is started" in said) is possible


@pytest.mark.parametrize(("days", "possible"), [(3 * 365 - 2, True), (3 * 366, False)])
async def test_the_warranty_lasts_three_years(act: Act, engine: Engine, days: int, possible: bool) -> None:
    dated(engine, "LW-09810", delivered_on=today() - timedelta(days=days))

    slots = {"order_number": "LW-09810", "email": MARA, "problem": "a leg is loose", "confirm": True}
    assert ("is noted" in text(await act("action_warranty_claim", **slots))) is possible


async def test_a_claim_for_something_that_has_not_arrived_is_refused(act: Act) -> None:
    assert "once you have it" in text(await act("action_warranty_claim", order_number="LW-10251", email=MARA))
    assert "cannot be with you yet" in text(await act("action_report_problem", order_number="LW-10251", email=MARA))


async def test_a_problem_is_filed_under_its_kind_and_the_slots_of_the_request_are_forgotten(
    act: Act, engine: Engine
) -> None:
    slots = {"order_number": "LW-10198", "email": MARA, "problem": "the lid is missing", "confirm": True}

    result = await act("action_report_problem", **slots, problem_kind="missing")

    assert [case.kind for case in cases(engine)] == ["missing"]
    forgotten = {event.data["name"]: event.data["value"] for event in result.events}
    assert forgotten == {"problem": None, "problem_kind": None, "confirm": None}


async def test_a_newsletter_is_left_by_topic_or_altogether(act: Act, engine: Engine) -> None:
    def topics() -> set[str]:
        with engine.connect() as connection:
            return set(connection.scalars(select(tables.subscriptions.c.topic)))

    base = {"email": MARA, "confirm": True}
    await act("action_newsletter", **base, subscription="subscribe", topic="all", seq=1)
    assert topics() == {"offers", "new arrivals", "tips"}
    await act("action_newsletter", **base, subscription="unsubscribe", topic="offers", seq=2)
    assert topics() == {"new arrivals", "tips"}
    await act("action_newsletter", email=JONAS, confirm=True, subscription="unsubscribe", topic="all", seq=3)
    assert topics() == {"new arrivals", "tips"}


async def test_new_contact_data_wait_for_the_owner_and_nobody_learns_who_is_a_customer(
    act: Act, engine: Engine
) -> None:
    new = {"new_contact": "+4917055501", "confirm": True}

    known = text(await act("action_update_contact", email=MARA, **new, seq=1))
    unknown = text(await act("action_update_contact", email="nobody@example.org", **new, seq=2))

    assert known.replace(MARA, "") == unknown.replace("nobody@example.org", "")
    assert [(case.kind, case.email, case.details) for case in cases(engine)] == [("contact", MARA, "+4917055501")]
    with engine.connect() as connection:
        phones = set(connection.scalars(select(tables.customers.c.phone)))
    assert "+4917055501" not in phones


async def test_opening_hours_are_told_for_a_shop_and_every_shop_is_offered_otherwise(act: Act) -> None:
    known = await act("action_opening_hours", city="hamburg")
    unknown = await act("action_opening_hours", city="Berlin")

    assert "Monday to Friday 10:00-19:00 and Saturday 10:00-18:00" in text(known)
    assert len(payloads(unknown)) == 6


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("Saturday", "is open on Saturday from 10:00 to 18:00. The whole week: Monday to Friday 10:00-19:00"),
        ("on Sundays", "is closed on Sunday. The whole week"),
        ("weekend", "is open on Saturday from 10:00 to 18:00 and closed on Sunday. The whole week"),
        ("Thurs", "open on Thursday from 10:00 to 19:00"),
        ("next month", "is open Monday to Friday 10:00-19:00 and Saturday 10:00-18:00."),
        ("", "is open Monday to Friday"),
        ("Christmas", "closed on 25 and 26 December, and on 24 December they close at 14:00"),
        ("Christmas Eve", "On 24 December all our shops close at 14:00"),
        ("New Year’s Eve", "On 31 December all our shops close at 14:00"),
        ("new years day", "closed on 1 January"),
        ("the 24th of December", "On 24 December all our shops close at 14:00"),
        ("Dec 25th", "closed on 25 and 26 December"),
        ("26.12.", "closed on 25 and 26 December"),
        ("January 1", "closed on 1 January"),
        ("12 December", "The whole week: Monday to Friday"),
        ("Easter Monday", "closed on the public holidays of their country"),
        ("21 May", "The whole week: Monday to Friday"),
    ],
)
async def test_opening_hours_are_told_for_the_day_that_was_asked_for(act: Act, day: str, words: str) -> None:
    result = await act("action_opening_hours", city="Hamburg", day=day)

    assert words in text(result)
    assert [event.data["name"] for event in result.events] == ["day"]


@pytest.mark.parametrize(
    ("days", "word"),
    [(0, "today"), (0, "this evening"), (1, "tomorrow morning"), (2, "day after tomorrow"), (3, "in three days"),
     (7, "9 December"), (9, "the 11th of December"), (12, "14.12."), (5, "next Monday"), (2, "Friday afternoon")],
)  # fmt: skip
async def test_a_day_however_it_is_called_is_a_day_of_the_week(
    act: Act, monkeypatch: pytest.MonkeyPatch, days: int, word: str
) -> None:
    now = date(2026, 12, 2)
    monkeypatch.setattr(opening, "today", lambda: now)
    day = f"{now + timedelta(days=days):%A}"

    assert f" on {day} " in text(await act("action_opening_hours", city="Amsterdam", day=word))


async def test_a_date_that_was_found_in_two_parts_is_one(act: Act) -> None:
    parts = [("date", "24th of"), ("date", "December")]

    assert "24 December all" in text(await act("action_opening_hours", city="Lyon", day="December", entities=parts))


@pytest.mark.parametrize("day", ["", "today", "tonight", "tomorrow"])
async def test_a_holiday_is_one_whatever_the_day_is_called(act: Act, monkeypatch: pytest.MonkeyPatch, day: str) -> None:
    near = date(2026, 12, 24) if day == "tomorrow" else date(2026, 12, 25)
    monkeypatch.setattr(opening, "today", lambda: near)

    assert "closed on 25 and 26 December" in text(await act("action_opening_hours", city="Dublin", day=day))


def test_what_is_said_of_holidays_stands_in_the_help_pages() -> None:
    page = (DATA / "kb" / "shops.md").read_text()

    for _, said in HOLIDAYS:
        for fact in re.findall(r"\d+ and \d+ December|1 January|24|31|14:00|public holidays of their country", said):
            assert fact in page


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("how many alma sofas are left", "12 left online and only 2 left in the Hamburg shop"),
        ("and online?", "**Alma sofa**: in stock online. The shops"),
    ],
)
async def test_stock_is_told_as_it_was_asked_for(act: Act, said: str, words: str) -> None:
    result = await act("action_check_stock", product="Alma sofa", city="Hamburg", said=said)

    assert words in text(result)
    assert payloads(result) == ['/check_stock{"product": "other"}']


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        ({"product": "alma sofa", "city": "Hamburg"}, "in stock online and only 2 left in the Hamburg shop"),
        ({"product": "Linden wardrobe"}, "sold out online. The shops in Amsterdam"),
        ({"product": "Clover rug", "city": "Berlin"}, "Clover rug**: in stock online."),
        ({"product": "flying carpet"}, "could not find"),
    ],
)
async def test_stock_is_told_online_and_in_the_shop_asked_for(act: Act, slots: dict[str, str], words: str) -> None:
    assert words in text(await act("action_check_stock", **slots))


@pytest.mark.parametrize(
    ("town", "words"), [("Berlin", "We have no shop in Berlin. **Clover rug**"), ("vienna", "**C")]
)
async def test_a_town_without_a_shop_is_said_to_have_none(act: Act, town: str, words: str) -> None:
    result = await act("action_check_stock", product="Clover rug", city=town, entities=[("city", town)])

    assert text(result).startswith(words)


def test_the_shop_is_filled_once_and_keeps_its_changes(engine: Engine) -> None:
    dated(engine, "LW-10251", state="cancelled")
    database.open_database.cache_clear()

    with database.the_database().reading() as shop:
        order = shop.order("LW-10251")

    assert order is not None
    assert order.state == "cancelled"


def test_what_the_carrier_collects_is_what_comes_by_truck() -> None:
    page = (DATA / "kb" / "truck-delivery.md").read_text()
    (by_truck,) = re.findall(r"lorry on the product page: (.+?)\. All other", page)

    assert set(re.split(r", | and ", by_truck)) == LARGE_FURNITURE


def test_working_days_leave_out_the_weekend() -> None:
    assert working_days_after(date(2026, 11, 19), 3) == date(2026, 11, 24)


async def test_every_product_has_its_picture(act: Act, engine: Engine) -> None:
    with engine.connect() as connection:
        names = list(connection.scalars(select(tables.products.c.name)))

    for name in names:
        (response,) = (await act("action_check_stock", product=name)).responses
        assert (WIDGET / response["image"].removeprefix("/")).is_file(), name


@pytest.mark.usefixtures("engine")
def test_the_hours_are_those_of_the_help_page() -> None:
    with database.the_database().reading() as shop:
        stores = shop.stores()

    assert len(stores) == 6
    for store in stores:
        page = (DATA / "kb" / f"shop-{store.city.lower()}.md").read_text()
        opens = {hours for hours in store.hours if hours}
        assert store.street in page
        assert all(" to ".join(hours.split("-")) in page for hours in opens)
        assert ("closed on Sunday" in page) is (store.hours[6] is None)
