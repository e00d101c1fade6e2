"""Checks what customers answer in forms: one spelling, an order that exists, an e-mail address that belongs to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import REQUESTED_SLOT

from actions import spelling
from actions.shop import Order, the_database
from actions.shop_action import OTHER, email_given, order_asked_for

MOST_ATTEMPTS = 3
"""Answers that do not fit before a form ends and a person is offered: ask, and ask again twice."""

Slots = dict[str, Any]


class ShopForm(FormValidationAction, ABC):  # type: ignore[misc]  # rasa-sdk is not typed
    """A form ends early when going on is pointless; the action after it then says why.

    `attempts` counts answers of this form that did not fit; `mismatches` counts e-mail addresses that did not
    belong to the order, over the whole conversation, so that nobody can try addresses until one fits.
    """

    @abstractmethod
    def name(self) -> str: ...

    def pointless(self, order: Order) -> bool:
        """Whether the order's state already rules out what the form is for."""
        return False

    async def next_requested_slot(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> dict[str, Any] | None:
        if self._over(tracker):
            over: dict[str, Any] = SlotSet(REQUESTED_SLOT, None)
            return over
        asked: dict[str, Any] | None = await super().next_requested_slot(dispatcher, tracker, domain)
        return asked

    def validate_confirm(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        return {"confirm": value}

    def _over(self, tracker: Tracker) -> bool:
        if count(tracker, "attempts") >= MOST_ATTEMPTS:
            return True
        with the_database().reading() as shop:
            order = order_asked_for(shop, tracker)
        return order is not None and self.pointless(order)


def count(tracker: Tracker, slot: str) -> int:
    return int(tracker.slots.get(slot) or 0)


def did_not_fit(slot: str, tracker: Tracker, dispatcher: CollectingDispatcher, sentence: str) -> Slots:
    """Says what was wrong, unless it was wrong once too often: then the action after the form speaks."""
    attempts = count(tracker, "attempts") + 1
    if attempts < MOST_ATTEMPTS:
        dispatcher.utter_message(text=sentence)
    return {slot: None, "attempts": attempts}


class OrderForm(ShopForm, ABC):
    """A form that asks for an order number."""

    def extract_order_number(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Slots:
        """Finds the number in the answer to our question, and the order behind a tracking number."""
        text = str(tracker.latest_message.get("text") or "")
        tracking = spelling.tracking_number(text)
        if tracking:
            with the_database().reading() as shop:
                found = shop.order_with_tracking(tracking)
            return {"order_number": found} if found else {}
        asked = tracker.slots.get(REQUESTED_SLOT) == "order_number"
        number = spelling.order_number(text) if asked else None
        return {"order_number": number} if number else {}

    def validate_order_number(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"order_number": None}
        number = spelling.order_number(str(value))
        if number is None:
            return did_not_fit("order_number", tracker, dispatcher, "I do not see an order number in that.")
        with the_database().reading() as shop:
            order = shop.order(number)
        if order is None:
            return did_not_fit("order_number", tracker, dispatcher, f"I cannot find an order {number}.")
        return {"order_number": number, "order_summary": f"{number} ({order.content})", "attempts": None}


class OwnedOrderForm(OrderForm, ABC):
    """A form that asks for an order number and for the e-mail address it was ordered with."""

    def _over(self, tracker: Tracker) -> bool:
        return count(tracker, "mismatches") >= MOST_ATTEMPTS or super()._over(tracker)

    def validate_order_number(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        found = super().validate_order_number(value, dispatcher, tracker, domain)
        email = email_given(tracker)
        if found["order_number"] is None or email is None or "email" in tracker.slots_to_validate():
            return found
        return {**found, **self._owner(found["order_number"], email, dispatcher, tracker)}

    def validate_email(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"email": None}
        email = spelling.email(str(value))
        if email is None:
            return no_email(dispatcher, tracker)
        number = tracker.slots.get("order_number")
        return self._owner(spelling.order_number(str(number)) if number else None, email, dispatcher, tracker)

    def _owner(self, number: str | None, email: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
        with the_database().reading() as shop:
            order = shop.order(number)
        if order is None or order.email == email or self.pointless(order):
            return {"email": email}
        mismatches = count(tracker, "mismatches") + 1
        if mismatches < MOST_ATTEMPTS:
            dispatcher.utter_message(
                text=f"Order {order.number} was not placed with {email}. "
                "Please give me the address that our confirmation was sent to."
            )
        return {"email": None, "mismatches": mismatches}


class EmailForm(ShopForm, ABC):
    """A form that asks for an e-mail address but for no order."""

    def validate_email(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"email": None}
        email = spelling.email(str(value))
        return {"email": email, "attempts": None} if email else no_email(dispatcher, tracker)


def no_email(dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
    return did_not_fit("email", tracker, dispatcher, "That does not look like an e-mail address.")
