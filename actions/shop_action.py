"""What all the shop's actions share: who asks, for which order, and doing a thing only once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button
from actions.database import the_database
from actions.shop import Order, Shop

OTHER = "other"
"""A slot value that a button sends to be asked anew."""

MOST_MISMATCHES = 3
"""Wrong addresses before a person is offered: ask, and ask again twice. Nobody tries addresses until one fits."""

Events = list[dict[str, Any]]


class ShopAction(Action, ABC):  # type: ignore[misc]  # rasa-sdk is not typed
    """Says one answer."""

    forgets: ClassVar[tuple[str, ...]] = ()
    """Slots that belong to this one request and not to the next."""

    @abstractmethod
    def name(self) -> str: ...

    @abstractmethod
    def answer(self, shop: Shop, tracker: Tracker) -> Answer: ...

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Events:
        dispatcher.utter_message(**self.said(tracker))
        return [SlotSet(slot, None) for slot in self.forgets if tracker.slots.get(slot) is not None]

    def said(self, tracker: Tracker) -> dict[str, Any]:
        with the_database().reading() as shop:
            return self.answer(shop, tracker).to_json()


class ChangingAction(ShopAction):
    """May change something: the whole answer is one transaction, made once for each idempotency key."""

    def said(self, tracker: Tracker) -> dict[str, Any]:
        return the_database().once(self._key(tracker), lambda shop: self.answer(shop, tracker).to_json())

    def _key(self, tracker: Tracker) -> str | None:
        key = (tracker.latest_message.get("metadata") or {}).get("idempotency_key")
        return f"{key}:{self.name()}" if key else None


class OrderAction(ShopAction, ABC):
    """About one order, and told only to whom it belongs."""

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        order = order_asked_for(shop, tracker)
        if order is None:
            return order_not_found(tracker)
        return self.about(shop, order, tracker) if self.may_know(tracker, order) else not_verified(order)

    def may_know(self, tracker: Tracker, order: Order) -> bool:
        return owns(tracker, order)

    @abstractmethod
    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer: ...


class OrderChange(ChangingAction, OrderAction, ABC):
    """Changes an order, or files something about it, once the customer has said yes."""

    needs: ClassVar[str | None] = None
    """The slot that says what to do."""

    def about(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        hindrance = self.hindrance(order)
        if hindrance:
            return hindrance
        said = tracker.slots.get("confirm")
        wanted = tracker.slots.get(self.needs) if self.needs else None
        if said is None or (self.needs and not wanted):
            return not_verified(order)
        return self.done(shop, order, tracker) if said is True else self.left(order)

    @abstractmethod
    def hindrance(self, order: Order) -> Answer | None:
        """What the order's state makes impossible, in words."""

    @abstractmethod
    def left(self, order: Order) -> Answer:
        """After a no."""

    @abstractmethod
    def done(self, shop: Shop, order: Order, tracker: Tracker) -> Answer:
        """Does it, and says so."""


def order_asked_for(shop: Shop, tracker: Tracker) -> Order | None:
    given = tracker.slots.get("order_number")
    return shop.order(spelling.order_number(str(given))) if given else None


def email_given(tracker: Tracker) -> str | None:
    given = tracker.slots.get("email")
    return spelling.email(str(given)) if given else None


def signed_in(tracker: Tracker) -> str | None:
    """The e-mail address of the customer that the page vouches for."""
    customer = tracker.slots.get("customer")
    email = customer.get("email") if isinstance(customer, dict) else None
    return spelling.email(str(email)) if email else None


def owns(tracker: Tracker, order: Order) -> bool:
    """Whether the order is the signed-in customer's, or was placed with the e-mail address that was given."""
    if signed_in(tracker) == order.email:
        return True
    return email_given(tracker) == order.email and not locked(tracker)


def may_see(tracker: Tracker, order: Order) -> bool:
    """To see an order, its postcode or its parcel's number will do as well."""
    if owns(tracker, order):
        return True
    postcode, parcel = tracker.slots.get("postcode"), tracker.slots.get("parcel")
    knows = (postcode and order.goes_to(str(postcode))) or (parcel and parcel == order.tracking_number)
    return bool(knows) and not locked(tracker)


def mismatches(tracker: Tracker) -> int:
    return int(tracker.slots.get("mismatches") or 0)


def locked(tracker: Tracker) -> bool:
    return mismatches(tracker) >= MOST_MISMATCHES


def another_order(intent: str) -> Button:
    return Button.start("Another order", intent, order_number=OTHER)


def order_not_found(tracker: Tracker) -> Answer:
    given = tracker.slots.get("order_number")
    which = f"order {given}" if given else "the order"
    return Answer(
        f"I could not find {which}. A colleague can search for it by name and address.",
        (PERSON, Button.start("Show my orders", "list_orders")),
    )


def not_verified(order: Order) -> Answer:
    return Answer(
        f"I could not match order {order.number} with what I was given, so I leave it as it is. "
        "A colleague can check it with you.",
        (PERSON,),
    )
