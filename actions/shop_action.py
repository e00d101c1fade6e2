"""What all the shop's actions share: who asks, for which order, and doing a thing only once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button
from actions.shop import Order, Shop, the_database

OTHER = "other"
"""A slot value that a button sends to be asked anew."""

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


def order_asked_for(shop: Shop, tracker: Tracker) -> Order | None:
    given = tracker.slots.get("order_number")
    return shop.order(spelling.order_number(str(given))) if given else None


def email_given(tracker: Tracker) -> str | None:
    given = tracker.slots.get("email")
    return spelling.email(str(given)) if given else None


def owns(tracker: Tracker, order: Order) -> bool:
    """Whether the e-mail address given is the one that the order was placed with."""
    return email_given(tracker) == order.email


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
        f"I could not match order {order.number} with an e-mail address, so I leave it as it is. "
        "A colleague can check it with you.",
        (PERSON,),
    )


def confirmed(tracker: Tracker) -> bool:
    return tracker.slots.get("confirm") is True
