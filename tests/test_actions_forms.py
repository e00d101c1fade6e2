"""What the shop's forms accept, refuse and end early, run by rasa-sdk's own executor against a real database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actions import spelling
from bot.actions import InProcess
from bot.dialogue.domain import Domain
from bot.dialogue.run import ActionCall, ActionResult

DOMAIN = Domain.load([Path(__file__).parents[1] / "training_data" / "domain.yml"]).to_json()
MARA, JONAS = "mara@example.org", "jonas@example.org"
SIGNED_IN = {"customer": {"email": MARA}}
Json = dict[str, Any]
Fill = Callable[..., Any]


class Filled:
    """What a validation set and said."""

    def __init__(self, result: ActionResult) -> None:
        self.slots = {event.data["name"]: event.data["value"] for event in result.events}
        self.said = " ".join(str(response["text"]) for response in result.responses)

    @property
    def over(self) -> bool:
        return "requested_slot" in self.slots and self.slots["requested_slot"] is None


@pytest.fixture
def fill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fill:
    """Validates slots that a message just filled, on top of those known before."""
    monkeypatch.setenv("SHOP_DATABASE_URL", f"sqlite:///{tmp_path / 'shop.db'}")
    runner = InProcess("actions", timeout=10)

    async def run(
        form: str,
        *,
        known: Json | None = None,
        text: str = "",
        intent: str = "inform",
        entities: Json | None = None,
        **filled: Any,
    ) -> Filled:
        found = [{"entity": name, "value": value} for name, value in (entities or {}).items()]
        slots = [{"event": "slot", "name": name, "value": value} for name, value in filled.items()]
        tracker = {
            "sender_id": "c1",
            "slots": {**(known or {}), **filled},
            "latest_message": {"text": text, "intent": {"name": intent}, "entities": found},
            "events": [{"event": "user", "text": text}, *slots],
            "active_loop": {"name": form},
        }
        call = ActionCall(f"validate_{form}", tracker, DOMAIN, 0, True)
        result = await runner.run(call, conversation_id="c1", seq=1, message_id="m")
        assert isinstance(result, ActionResult), result
        return Filled(result)

    return run


async def test_every_form_has_a_validation_and_every_action_of_the_domain_exists() -> None:
    there = await InProcess("actions", timeout=1).names()

    assert set(DOMAIN["actions"]) <= there
    assert {f"validate_{form}" for form in DOMAIN["forms"]} <= set(DOMAIN["actions"])


async def test_an_order_number_is_brought_into_one_spelling_and_summarised(fill: Fill) -> None:
    filled = await fill("cancel_order_form", order_number="it's lw 10251")

    assert filled.slots["order_number"] == "LW-10251"
    assert filled.slots["order_summary"] == "LW-10251 (Tarn oak table)"
    assert not filled.over


async def test_a_number_alone_is_no_order_number_when_something_else_was_asked(fill: Fill) -> None:
    known = {"requested_slot": "new_address", "order_number": "LW-10251", "email": MARA}
    filled = await fill("change_address_form", known=known, text="20095", new_address="Am Kai 3, 20095 Hamburg")

    assert "order_number" not in filled.slots
    assert filled.slots["new_address"] == "Am Kai 3, 20095 Hamburg"


async def test_a_tracking_number_stands_for_its_order(fill: Fill) -> None:
    filled = await fill("track_delivery_form", text="where is px 402911873")

    assert filled.slots["order_number"] == "LW-10234"


@pytest.mark.parametrize("number", ["LW-99999", "no idea"])
async def test_an_order_that_is_not_there_is_asked_for_again(fill: Fill, number: str) -> None:
    filled = await fill("order_status_form", order_number=number)

    assert filled.slots["order_number"] is None
    assert filled.said
    assert not filled.over


async def test_the_right_address_passes(fill: Fill) -> None:
    filled = await fill("cancel_order_form", known={"order_number": "LW-10251"}, email=" Mara@Example.ORG")

    assert filled.slots["email"] == MARA
    assert not filled.said


async def test_somebody_elses_address_does_not_and_the_owner_stays_unnamed(fill: Fill) -> None:
    filled = await fill("cancel_order_form", known={"order_number": "LW-10251"}, email=JONAS)

    assert filled.slots["email"] is None
    assert filled.slots["mismatches"] == 1
    assert "mara" not in filled.said.lower()
    assert not filled.over


async def test_the_third_wrong_address_ends_the_form(fill: Fill) -> None:
    filled = await fill("cancel_order_form", known={"order_number": "LW-10251", "mismatches": 2}, email=JONAS)

    assert filled.over
    assert filled.slots["email"] is None


async def test_after_three_wrong_addresses_not_even_the_right_one_helps(fill: Fill) -> None:
    filled = await fill("refund_status_form", known={"order_number": "LW-10077", "mismatches": 3}, email=MARA)

    assert filled.over


async def test_an_order_number_given_after_the_address_is_held_against_it(fill: Fill) -> None:
    filled = await fill("change_address_form", known={"email": MARA}, order_number="LW-10300")

    assert filled.slots["order_number"] == "LW-10300"
    assert filled.slots["email"] is None
    assert filled.slots["mismatches"] == 1


@pytest.mark.parametrize("order", [("order_number", "email"), ("email", "order_number")])
async def test_number_and_address_in_one_message_are_held_against_each_other_once(
    fill: Fill, order: tuple[str, str]
) -> None:
    values = {"order_number": "LW-10300", "email": MARA}
    filled = await fill("change_address_form", **{name: values[name] for name in order})

    assert filled.slots["order_number"] == "LW-10300"
    assert filled.slots["email"] is None
    assert filled.slots["mismatches"] == 1


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ("cancel_order_form", "LW-10234"),
        ("change_address_form", "LW-10198"),
        ("start_return_form", "LW-09810"),
        ("warranty_form", "LW-10251"),
        ("report_problem_form", "LW-10251"),
        ("request_invoice_form", "LW-10251"),
    ],
)
async def test_a_form_that_cannot_succeed_ends_before_it_asks_its_owner_more(
    fill: Fill, form: str, number: str
) -> None:
    assert (await fill(form, known={"email": MARA}, order_number=number)).over
    assert (await fill(form, known=SIGNED_IN, order_number=number)).over
    assert not (await fill(form, order_number=number)).over
    assert not (await fill(form, known={"email": JONAS}, order_number=number)).over


@pytest.mark.parametrize(
    ("form", "number"),
    [
        ("cancel_order_form", "LW-10251"),
        ("change_address_form", "LW-10300"),
        ("start_return_form", "LW-10198"),
        ("warranty_form", "LW-09810"),
        ("report_problem_form", "LW-10234"),
        ("request_invoice_form", "LW-10234"),
        ("refund_status_form", "LW-10251"),
    ],
)
async def test_a_form_that_can_succeed_goes_on(fill: Fill, form: str, number: str) -> None:
    assert not (await fill(form, order_number=number)).over


async def test_a_signed_in_customer_is_not_asked_for_the_address_of_their_own_order(fill: Fill) -> None:
    assert (await fill("cancel_order_form", known=SIGNED_IN, order_number="LW-10251")).slots["email"] == MARA
    assert (await fill("order_status_form", known=SIGNED_IN, order_number="LW-10251")).slots["proof"] == "known"
    assert (await fill("list_orders_form", known=SIGNED_IN)).slots["email"] == MARA

    others = await fill("order_status_form", known=SIGNED_IN, order_number="LW-10300")

    assert (others.slots["proof"], others.said) == (None, "")


async def test_another_address_in_a_signed_in_customers_message_proves_nothing_and_spoils_nothing(fill: Fill) -> None:
    given = {"order_number": "LW-10198", "email": "office@example.com"}

    filled = await fill("request_invoice_form", known=SIGNED_IN, **given)

    assert (filled.slots["email"], filled.said) == (MARA, "")
    assert "mismatches" not in filled.slots


async def test_a_signed_in_customer_may_act_even_after_wrong_addresses_for_another_order(fill: Fill) -> None:
    known = {**SIGNED_IN, "mismatches": 3}

    assert not (await fill("cancel_order_form", known=known, order_number="LW-10251")).over
    assert (await fill("cancel_order_form", known=known, order_number="LW-10300")).over


@pytest.mark.parametrize(
    ("proof", "slot", "value"),
    [
        ("It's Jonas@example.org", "email", JONAS),
        ("my postcode is 1017", "postcode", "1017"),
        ("1017 KS", "postcode", "1017"),
    ],
)
async def test_to_see_an_order_its_address_or_its_postcode_will_do(
    fill: Fill, proof: str, slot: str, value: str
) -> None:
    filled = await fill("order_status_form", known={"order_number": "LW-10300"}, proof=proof)

    assert filled.slots["proof"] == proof
    assert filled.slots[slot] == value


@pytest.mark.parametrize("known", [{"email": JONAS}, {"postcode": "1017"}])
async def test_what_was_given_before_need_not_be_given_again(fill: Fill, known: Json) -> None:
    assert (await fill("track_delivery_form", known=known, order_number="LW-10300")).slots["proof"] == "known"


async def test_a_parcels_number_shows_its_order(fill: Fill) -> None:
    filled = await fill("track_delivery_form", text="where is PX402911873", order_number="LW-10234")

    assert (filled.slots["proof"], filled.slots["parcel"]) == ("known", "PX402911873")


@pytest.mark.parametrize(
    ("proof", "counted"), [(MARA, 1), ("20095", 1), ("4", None), ("no idea", None), ("17.01.", None)]
)
async def test_a_wrong_address_or_postcode_is_counted_and_anything_else_only_refused(
    fill: Fill, proof: str, counted: int | None
) -> None:
    filled = await fill("order_status_form", known={"order_number": "LW-10300"}, proof=proof)

    assert filled.slots["proof"] is None
    assert filled.slots.get("mismatches") == counted
    assert filled.said
    assert not any(private in filled.said.lower() for private in ("jonas", "1017", "sofa"))


async def test_the_digits_of_a_postcode_are_no_other_order(fill: Fill) -> None:
    known = {"order_number": "20095", "order_summary": "LW-10234 (Fjord table lamp)", "requested_slot": "proof"}

    filled = await fill("order_status_form", known=known, order_number="20095", proof="20095")

    assert (filled.slots["order_number"], filled.slots["proof"]) == ("LW-10234", "20095")
    assert not filled.said


async def test_after_three_wrong_ones_not_even_the_right_one_shows_the_order(fill: Fill) -> None:
    known = {"order_number": "LW-10300", "mismatches": 3}

    filled = await fill("order_status_form", known=known, proof=JONAS)

    assert filled.over
    assert filled.slots["proof"] is None


@pytest.mark.parametrize(
    ("product", "text", "number"),
    [
        ("Ember cast-iron pan", "my pan arrived scratched", None),
        ("table", "my table arrived scratched", "LW-10251"),
        ("Tarn oak table", "my table arrived scratched", "LW-10251"),
        ("Ember cast-iron pan", "the pan of LW-10251", "LW-10251"),
        (None, "it arrived scratched", "LW-10251"),
    ],
)
async def test_an_order_of_before_is_not_meant_when_the_message_names_something_else(
    fill: Fill, product: str | None, text: str, number: str | None
) -> None:
    entities = {"product": product} if product else {}

    filled = await fill("report_problem_form", text=text, entities=entities, order_number="LW-10251")

    assert filled.slots["order_number"] == number
    assert not filled.said


async def test_a_question_about_stock_leaves_the_order_of_a_form(fill: Fill) -> None:
    message: Json = {"text": "is the rug in stock?", "intent": "check_stock", "entities": {"product": "Clover rug"}}

    assert (await fill("start_return_form", **message, order_number="LW-10198")).slots["order_number"] == "LW-10198"


async def test_another_order_is_asked_for_without_a_reproach(fill: Fill) -> None:
    filled = await fill("cancel_order_form", order_number="other")

    assert filled.slots["order_number"] is None
    assert not filled.said
    assert not filled.over


async def test_an_address_in_the_request_itself_is_taken(fill: Fill) -> None:
    parts = {"street": "Lindenallee 4", "postcode": "22087", "city": "Hamburg"}
    filled = await fill("change_address_form", text="to Lindenallee 4, 22087 Hamburg", entities=parts)

    assert filled.slots["new_address"] == "Lindenallee 4, 22087 Hamburg"


@pytest.mark.parametrize("address", ["Lindenallee", "22087", "x 1", "next to the church, you know, the big one"])
async def test_an_address_without_street_number_and_town_is_asked_for_again(fill: Fill, address: str) -> None:
    filled = await fill("change_address_form", new_address=address)

    assert filled.slots["new_address"] is None
    assert "Lindenallee 4, 22087 Hamburg" in filled.said


@pytest.mark.parametrize(
    ("reason", "said"), [("too_small", "it does not fit"), ("it smells of fish", "it smells of fish")]
)
async def test_a_reason_is_kept_and_can_be_read_back(fill: Fill, reason: str, said: str) -> None:
    filled = await fill("start_return_form", return_reason=reason)

    assert (filled.slots["return_reason"], filled.slots["return_reason_said"]) == (reason, said)


async def test_a_problem_needs_more_than_a_word(fill: Fill) -> None:
    assert (await fill("report_problem_form", problem="broken")).slots["problem"] is None
    assert (await fill("report_problem_form", problem="the handle is broken")).slots["problem"]


async def test_leaving_without_a_topic_means_all_of_them(fill: Fill) -> None:
    assert (await fill("newsletter_form", subscription="unsubscribe")).slots["topic"] == "all"
    assert "topic" not in (await fill("newsletter_form", subscription="subscribe")).slots
    assert "topic" not in (await fill("newsletter_form", known={"topic": "tips"}, subscription="unsubscribe")).slots


async def test_a_topic_nobody_has_is_refused_with_those_there_are(fill: Fill) -> None:
    filled = await fill("newsletter_form", topic="gossip")

    assert filled.slots["topic"] is None
    assert "offers, new arrivals and tips" in filled.said


@pytest.mark.parametrize(
    ("written", "contact"),
    [
        ("+49 (40) 5550-1234", "+494055501234"),
        ("0049 40 5550 1234 please", "+494055501234"),
        ("it's New.Mail@Example.org.", "new.mail@example.org"),
        ("dunno", None),
    ],
)
async def test_a_new_contact_is_a_phone_number_or_an_address(fill: Fill, written: str, contact: str | None) -> None:
    assert (await fill("update_contact_form", new_contact=written)).slots["new_contact"] == contact


async def test_a_town_without_a_shop_is_refused_with_those_that_have_one(fill: Fill) -> None:
    filled = await fill("opening_hours_form", city="Berlin")

    assert filled.slots["city"] is None
    assert "Copenhagen" in filled.said


@pytest.mark.parametrize(
    ("written", "product"), [("alma sofas", "Alma sofa"), ("Clovr rug", "Clover rug"), ("a spaceship", None)]
)
async def test_a_product_is_known_in_plural_and_with_a_slip(fill: Fill, written: str, product: str | None) -> None:
    assert (await fill("check_stock_form", product=written)).slots["product"] == product


async def test_a_name_that_several_products_share_is_answered_with_them(fill: Fill) -> None:
    filled = await fill("check_stock_form", product="a fjord thing")

    assert "Fjord floor lamp and Fjord table lamp" in filled.said
    assert (await fill("check_stock_form", product="the floor lamp")).slots["product"] == "Fjord floor lamp"


async def test_a_product_named_anew_goes_before_the_one_of_before(fill: Fill) -> None:
    known = {"product": "Alma sofa"}

    other = await fill("check_stock_form", known=known, text="do you have lamps in stock?", intent="check_stock")
    same = await fill("check_stock_form", known=known, text="how many are left?", intent="check_stock")

    assert other.slots["product"] is None
    assert "Fjord floor lamp and Fjord table lamp" in other.said
    assert "product" not in same.slots


async def test_no_shop_has_to_be_named_for_a_holiday(fill: Fill) -> None:
    assert (await fill("opening_hours_form", known={"day": "Christmas"})).over
    assert not (await fill("opening_hours_form", known={"day": "Saturday"})).over


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("LW10234", "LW-10234"),
        ("lw - 10234!", "LW-10234"),
        ("#10234", "LW-10234"),
        ("order 10234, please", "LW-10234"),
        ("mara10234@example.org", None),
        ("102345", None),
        ("1023", None),
        ("LW-10234a", None),
    ],
)
def test_an_order_number_is_five_digits_that_stand_alone(text: str, number: str | None) -> None:
    assert spelling.order_number(text) == number
