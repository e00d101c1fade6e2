"""Checks what customers answer in forms: one spelling, an order that exists, an address that belongs to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from rasa_sdk import FormValidationAction, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.forms import REQUESTED_SLOT
from rasa_sdk.interfaces import ActionExecutionRejection

from actions import spelling
from actions.database import the_database
from actions.shop import Order
from actions.shop_action import OTHER, email_given, locked, may_see, mismatches, order_asked_for, owns, signed_in

Slots = dict[str, Any]
Domain = dict[str, Any]


class ShopForm(FormValidationAction, ABC):  # type: ignore[misc]  # rasa-sdk is not typed
    """A form ends early when going on is pointless; the action after it then says why."""

    @abstractmethod
    def name(self) -> str: ...

    def over(self, tracker: Tracker) -> bool:
        return False

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> list[dict[str, Any]]:
        """Words of suicide are no answer to any question of a shop."""
        if next(tracker.get_latest_entity_values("crisis"), None):
            raise ActionExecutionRejection(self.name())
        events: list[dict[str, Any]] = await super().run(dispatcher, tracker, domain)
        return events

    async def next_requested_slot(
        self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain
    ) -> dict[str, Any] | None:
        if self.over(tracker):
            over: dict[str, Any] = SlotSet(REQUESTED_SLOT, None)
            return over
        asked: dict[str, Any] | None = await super().next_requested_slot(dispatcher, tracker, domain)
        return asked

    def validate_confirm(self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        return {"confirm": value}


def refused(slot: str, dispatcher: CollectingDispatcher, sentence: str) -> Slots:
    """Says why an answer does not fit; the form asks again, and offers a person when that goes on."""
    dispatcher.utter_message(text=sentence)
    return {slot: None}


class OrderForm(ShopForm, ABC):
    """A form that asks for an order number, and for what shows that the order is the customer's.

    The slot `mismatches` counts what did not belong to the order, for all forms together.
    """

    def over(self, tracker: Tracker) -> bool:
        with the_database().reading() as shop:
            order = order_asked_for(shop, tracker)
        if order is not None and owns(tracker, order):
            return self.pointless(order)
        return locked(tracker)

    def pointless(self, order: Order) -> bool:
        """Whether the order's state already rules out what the form is for."""
        return False

    def extract_order_number(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        """The order behind a tracking number."""
        number = spelling.tracking_number(str(tracker.latest_message.get("text") or ""))
        if number is None:
            return {}
        with the_database().reading() as shop:
            found = shop.order_with_tracking(number)
        return {"order_number": found} if found else {}

    def validate_order_number(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain
    ) -> Slots:
        if value in (None, OTHER):
            return {"order_number": None}
        known = spelling.order_number(str(tracker.slots.get("order_summary") or ""))
        if known and tracker.slots.get(REQUESTED_SLOT) == "proof" and str(value).strip().isdigit():
            return {"order_number": known}  # the digits are the postcode that was asked for
        number = spelling.order_number(str(value))
        if number is None:
            return refused("order_number", dispatcher, "I do not see an order number in that.")
        with the_database().reading() as shop:
            order = shop.order(number)
        if order is None:
            return refused("order_number", dispatcher, f"I cannot find an order {number}.")
        if _other_product(tracker, order):
            return {"order_number": None}
        about = {"order_number": number, "order_summary": f"{number} ({order.content})"}
        return {**about, **self.proof_of(order, dispatcher, tracker)}

    @abstractmethod
    def proof_of(self, order: Order, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
        """What is known already that shows whose order it is."""


def _other_product(tracker: Tracker, order: Order) -> bool:
    """Whether the message names a product and no order, and the order of before does not hold it."""
    message = tracker.latest_message
    named_now = next(tracker.get_latest_entity_values("order_number"), None)
    if named_now or spelling.order_number(str(message.get("text") or "")):
        return False
    if (message.get("intent") or {}).get("name") == "check_stock":
        return False  # asked in the middle of the form, and about nothing that was ordered
    bought = [product for product, _ in order.items]
    named = [str(name) for name in tracker.get_latest_entity_values("product")]
    return bool(named) and not any(spelling.one_of(name, bought) or spelling.alike(name, bought) for name in named)


class OwnedOrderForm(OrderForm, ABC):
    """For what changes an order or tells of money: the e-mail address it was ordered with."""

    def proof_of(self, order: Order, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
        if order.email == signed_in(tracker):
            return {"email": order.email}
        email = email_given(tracker)
        if email is None or "email" in tracker.slots_to_validate():
            return {}
        return _matched(order, email, dispatcher, tracker)

    def validate_email(self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        if value in (None, OTHER):
            return {"email": None}
        email = spelling.email(str(value))
        if email is None:
            return no_email(dispatcher)
        with the_database().reading() as shop:
            order = order_asked_for(shop, tracker)
        if order is not None and order.email == signed_in(tracker):
            return {"email": order.email}  # another address in the message is for something else
        return {"email": email} if order is None else _matched(order, email, dispatcher, tracker)


def _matched(order: Order, email: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
    if order.email == email:
        return {"email": email}
    sentence = f"Order {order.number} was not placed with {email}."
    return {"email": None, **_mismatch(sentence, dispatcher, tracker)}


def _mismatch(sentence: str, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
    """Counts, and says so as long as the form will ask again."""
    before = locked(tracker)
    count = mismatches(tracker) + 1
    tracker.slots["mismatches"] = count
    if not before and not locked(tracker):
        dispatcher.utter_message(text=sentence)
    return {"mismatches": count}


class SeenOrderForm(OrderForm, ABC):
    """For what only shows an order: its e-mail address or its postcode, asked for as the slot `proof`."""

    def proof_of(self, order: Order, dispatcher: CollectingDispatcher, tracker: Tracker) -> Slots:
        parcel = spelling.tracking_number(str(tracker.latest_message.get("text") or ""))
        known = {"parcel": parcel} if parcel else {}
        tracker.slots.update(known)
        return {**known, "proof": "known" if may_see(tracker, order) else None}

    def validate_proof(self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        with the_database().reading() as shop:
            order = order_asked_for(shop, tracker)
        if value is None or order is None or may_see(tracker, order):
            return {"proof": value}
        email, postcode = spelling.email(str(value)), spelling.postcode(str(value))
        if email == order.email and not locked(tracker):
            return {"proof": value, "email": email}
        if postcode and order.goes_to(postcode) and not locked(tracker):
            return {"proof": value, "postcode": postcode}
        if email or postcode:
            given = f"was not placed with {email}" if email else f"does not go to {postcode}"
            return {"proof": None, **_mismatch(f"Order {order.number} {given}.", dispatcher, tracker)}
        return refused("proof", dispatcher, "I do not see an e-mail address or a postcode in that.")


class EmailForm(ShopForm, ABC):
    """A form that asks for an e-mail address but for no order."""

    def extract_email(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        known = signed_in(tracker)
        return {"email": known} if known and not tracker.slots.get("email") else {}

    def validate_email(self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Domain) -> Slots:
        if value in (None, OTHER):
            return {"email": None}
        email = spelling.email(str(value))
        return {"email": email} if email else no_email(dispatcher)


def no_email(dispatcher: CollectingDispatcher) -> Slots:
    return refused("email", dispatcher, "That does not look like an e-mail address.")
