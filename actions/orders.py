"""Orders: their state, the parcel on its way, the list of them, calling one off, sending one elsewhere."""

from __future__ import annotations

import re
from abc import ABC
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button, Card, picture
from actions.dates import on, today
from actions.form_validation import EmailForm, OwnedOrderForm, SeenOrderForm, Slots, refused
from actions.shop import Order, Shop
from actions.shop_action import OTHER, OrderAction, OrderChange, ShopAction, another_order, email_given, may_see


class SeenOrderAction(OrderAction, ABC):
    """Shows where an order is, and nothing of the person or the money."""

    forgets = ("proof",)

    def may_know(self, tracker: Tracker, order: Order) -> bool:
        return may_see(tracker, order)


class ActionOrderStatus(SeenOrderAction):
    def name(self) -> str:
        return "action_order_status"

    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        other = () if named_now(tracker) else (another_order("order_status"),)
        return Answer(status(order), (*next_steps(order), *other))


def named_now(tracker: Tracker) -> bool:
    """Whether the latest message names the order, rather than an earlier one."""
    named = next(tracker.get_latest_entity_values("order_number"), None)
    return bool(named or spelling.order_number(str(tracker.latest_message.get("text") or "")))


def status(order: Order) -> str:
    which = f"Order **{order.number}** ({order.content})"
    if order.state == "placed":
        return f"{which} was placed {on(order.placed_on)} and is waiting to be packed."
    if order.state == "packed":
        return f"{which} was placed {on(order.placed_on)} and is packed. It leaves our warehouse next."
    if order.state == "shipped":
        due = f" It should be with you {on(order.due_on)}." if order.due_on else ""
        return f"{which} is on its way.{due}"
    if order.state == "delivered" and order.delivered_on:
        return f"{which} was delivered {on(order.delivered_on)}."
    since = f" {on(order.closed_on)}" if order.closed_on else ""
    return f"{which} was {order.state}{since}."


def next_steps(order: Order) -> tuple[Button, ...]:
    """What a customer may want to do with an order in this state."""
    number = order.number
    steps: list[Button] = []
    if order.state == "shipped":
        steps.append(Button.start("Track the parcel", "track_delivery", order_number=number))
    if order.cancellable:
        steps.append(Button.start("Cancel the order", "cancel_order", order_number=number))
    if order.readdressable:
        steps.append(Button.start("Change the address", "change_address", order_number=number))
    if order.returnable:
        steps.append(Button.start("Start a return", "start_return", order_number=number))
    if order.arrived and not order.returnable and order.under_warranty:
        steps.append(Button.start("Warranty claim", "warranty_claim", order_number=number))
    if order.arrived and order.returnable:
        steps.append(Button.start("Something is damaged", "report_damaged", order_number=number))
    if order.state in ("cancelled", "returned"):
        steps.append(Button.start("Where is my refund?", "refund_status", order_number=number))
    return tuple(steps)


class ActionTrackDelivery(SeenOrderAction):
    def name(self) -> str:
        return "action_track_delivery"

    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        if order.state != "shipped":
            return Answer(f"{status(order)}{_no_parcel(order)}", next_steps(order))
        due = f" It should arrive {on(order.due_on)}." if order.due_on else ""
        if not order.tracking_number:
            return Answer(f"Order **{order.number}** comes with {order.carrier}.{due}")
        link = f"https://track.larkwood.example/{order.tracking_number}"
        return Answer(
            f"Your parcel is with {order.carrier} under number **{order.tracking_number}**.{due} "
            f"[Follow the parcel]({link})",
            (Button.start("It never arrived", "report_missing", order_number=order.number),),
        )


def _no_parcel(order: Order) -> str:
    if order.state in ("placed", "packed"):
        return " You get the tracking number by e-mail as soon as the carrier has the parcel."
    return ""


class ActionListOrders(ShopAction):
    def name(self) -> str:
        return "action_list_orders"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        email = email_given(tracker)
        found = shop.orders_of(email) if email else ()
        custom = {"type": "orders", "orders": [_row(order) for order in found]}
        if not found:
            whose = f"under {email}" if email else "without an e-mail address"
            text = f"I found no orders {whose}. Perhaps you ordered with another address?"
            other = Button.start("Try another address", "list_orders", email=OTHER)
            return Answer(text, (other, PERSON), custom=custom)
        said = "This is your order:" if len(found) == 1 else f"These are your {len(found)} orders, newest first:"
        return Answer(said, cards=tuple(_card(order) for order in found), custom=custom)


def _row(order: Order) -> dict[str, Any]:
    days = {"placed_on": order.placed_on, "due_on": order.due_on, "delivered_on": order.delivered_on}
    return {
        "number": order.number,
        "state": order.state,
        "content": order.content,
        "items": [{"product": product, "quantity": quantity} for product, quantity in order.items],
        "total": order.total,
        **{name: day.isoformat() if day else None for name, day in days.items()},
    }


def _card(order: Order) -> Card:
    more = Button.start("Details", "order_status", order_number=order.number)
    about = f"{order.content} · {order.total} · {order.state}"
    return Card(order.number, about, picture(order.items[0][0]), (more, *next_steps(order)[:1]))


class ActionCancelOrder(OrderChange):
    forgets = ("confirm",)

    def name(self) -> str:
        return "action_cancel_order"

    def hindrance(self, order: Order) -> Answer | None:
        return None if order.cancellable else _too_late_to_cancel(order)

    def left(self, order: Order) -> Answer:
        return Answer(f"All right, order {order.number} stays as it is.", next_steps(order))

    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        shop.change_order(order.number, state="cancelled", closed_on=today(), refund_cents=order.total_cents)
        return Answer(
            f"Order **{order.number}** is cancelled. {order.total} go back to you by {order.paid_by}; "
            "that takes three to five working days. A confirmation is on its way by e-mail."
        )


def _too_late_to_cancel(order: Order) -> Answer:
    if order.state == "cancelled":
        return Answer(f"{status(order)} There is nothing left to do.", next_steps(order))
    if order.state == "returned":
        return Answer(status(order), next_steps(order))
    if order.state == "packed":
        also = "You can send it back within 30 days, and until it leaves I can change the address."
    elif order.state == "shipped":
        also = "You can refuse the parcel at the door or send it back within 30 days."
    else:
        also = "You can still send it back." if order.returnable else "The 30 days for a return are over, too."
    return Answer(
        f"{status(order)} It is too late to cancel it. {also}", (*next_steps(order), another_order("cancel_order"))
    )


class ValidateCancelOrderForm(OwnedOrderForm):
    def name(self) -> str:
        return "validate_cancel_order_form"

    def pointless(self, order: Order) -> bool:
        return not order.cancellable


class ActionChangeAddress(OrderChange):
    forgets = ("new_address", "confirm")
    needs = "new_address"

    def name(self) -> str:
        return "action_change_address"

    def hindrance(self, order: Order) -> Answer | None:
        return None if order.readdressable else _too_late_to_readdress(order)

    def left(self, order: Order) -> Answer:
        return Answer(f"All right, the address of order {order.number} stays as it is.")

    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        address = tracker.slots["new_address"]
        shop.change_order(order.number, address=str(address))
        return Answer(f"Order **{order.number}** now goes to {address}. A confirmation is on its way by e-mail.")


def _too_late_to_readdress(order: Order) -> Answer:
    if order.state == "shipped":
        also = "Now only the carrier can redirect it, on the tracking page."
        return Answer(f"{status(order)} {also}", (*next_steps(order), another_order("change_address")))
    return Answer(f"{status(order)} Its address can no longer change.", (another_order("change_address"),))


class ValidateChangeAddressForm(OwnedOrderForm):
    def name(self) -> str:
        return "validate_change_address_form"

    def pointless(self, order: Order) -> bool:
        return not order.readdressable

    def extract_new_address(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Slots:
        """An address that came with the request itself: `send it to Lindenallee 4, 22087 Hamburg`."""
        if tracker.slots.get("new_address"):
            return {}
        parts = {part: next(tracker.get_latest_entity_values(part), "") for part in ("street", "postcode", "city")}
        if not parts["street"] or not (parts["postcode"] or parts["city"]):
            return {}
        town = " ".join(filter(None, [parts["postcode"], parts["city"]]))
        return {"new_address": f"{parts['street']}, {town}"}

    def validate_new_address(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"new_address": None}
        address = " ".join(str(value).split())
        words = re.findall(r"[^\W\d_]{3,}", address)
        if len(words) >= 2 and re.search(r"\d", address) and len(address) <= 200:
            return {"new_address": address.strip(" .")}
        sentence = "I need street and number, postcode and town, for example: Lindenallee 4, 22087 Hamburg."
        return refused("new_address", dispatcher, sentence)


class ValidateOrderStatusForm(SeenOrderForm):
    def name(self) -> str:
        return "validate_order_status_form"


class ValidateTrackDeliveryForm(SeenOrderForm):
    def name(self) -> str:
        return "validate_track_delivery_form"


class ValidateListOrdersForm(EmailForm):
    def name(self) -> str:
        return "validate_list_orders_form"
