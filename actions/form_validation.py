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

MOST_MISMATCHES = 3
"""E-mail addresses that do not belong to the order before a person is offered: ask, and ask again twice."""

Slots = dict[str, Any]


class ShopForm(FormValidationAction, ABC):  # type: ignore[misc]  # rasa-sdk is not typed
    """A form ends early when going on is pointless; the action after it then says why."""

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
        with the_database().reading() as shop:
            order = order_asked_for(shop, tracker)
        return order is not None and self.pointless(order)


def refused(slot: str, dispatcher: CollectingDispatcher, sentence: str) -> Slots:
    """Says why an answer does not fit; the form asks again, and offers a person when that goes on."""
    dispatcher.utter_message(text=sentence)
    return {slot: None}


class OrderForm(ShopForm, ABC):
    """A form that asks for an order number."""

    def extract_order_number(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Slots:
        """The order behind a tracking number."""
        number = spelling.tracking_number(str(tracker.latest_message.get("text") or ""))
        if number is None:
            return {}
        with the_database().reading() as shop:
            found = shop.order_with_tracking(number)
        return {"order_number": found} if found else {}

    def validate_order_number(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"order_number": None}
        number = spelling.order_number(str(value))
        if number is None:
            return refused("order_number", dispatcher, "I do not see an order number in that.")
        with the_database().reading() as shop:
            order = shop.order(number)
        if order is None:
            return refused("order_number", dispatcher, f"I cannot find an order {number}.")
        return {"order_number": number, "order_summary": f"{number} ({order.content})"}


class OwnedOrderForm(OrderForm, ABC):
    """A form that asks for an order number and for the e-mail address it was ordered with.

    The slot `mismatches` counts addresses that did not belong to the order, for all forms together, so that nobody
    tries addresses until one fits.
    """

    def _over(self, tracker: Tracker) -> bool:
        return mismatches(tracker) >= MOST_MISMATCHES or super()._over(tracker)

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
            return no_email(dispatcher)
        number = tracker.slots.get("order_number")
        return self._owner(spelling.order_number(str(number)) if number else None, email, dispatcher, tracker)

    def _owner(self, number: str | None, email: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
        with the_database().reading() as shop:
            order = shop.order(number)
        if order is None or order.email == email or self.pointless(order):
            return {"email": email}
        count = mismatches(tracker) + 1
        if count < MOST_MISMATCHES:
            dispatcher.utter_message(text=f"Order {order.number} was not placed with {email}.")
        return {"email": None, "mismatches": count}


def mismatches(tracker: Tracker) -> int:
    return int(tracker.slots.get("mismatches") or 0)


class EmailForm(ShopForm, ABC):
    """A form that asks for an e-mail address but for no order."""

    def validate_email(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"email": None}
        email = spelling.email(str(value))
        return {"email": email} if email else no_email(dispatcher)


def no_email(dispatcher: CollectingDispatcher) -> Slots:
    return refused("email", dispatcher, "That does not look like an e-mail address.")
