"""What is in stock, online and in the shops."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button, listed, picture
from actions.database import the_database
from actions.demo_data import ONLINE
from actions.form_validation import ShopForm, Slots, refused
from actions.shop import Shop
from actions.shop_action import OTHER, ShopAction

FEW = 3


class ActionCheckStock(ShopAction):
    def name(self) -> str:
        return "action_check_stock"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        product = spelling.one_of(str(tracker.slots.get("product") or ""), shop.product_names())
        if product is None:
            return Answer("I could not find that product in our range. A colleague can help you search.", (PERSON,))
        asked = str(tracker.latest_message.get("text") or "").casefold()
        pieces = shop.stock_of(product)
        city = spelling.one_of(str(tracker.slots.get("city") or ""), pieces)
        only_online = bool(re.search(r"\bonline|\bwebsite", asked)) or city in (None, ONLINE)
        places = [ONLINE] if only_online or city is None else [ONLINE, city]
        exact = bool(re.search(r"how many|number of", asked))
        said = listed([f"{_amount(pieces[place], exact)} {_at(place)}" for place in places])
        another = Button.start("Another product", "check_stock", product=OTHER)
        text = f"{_no_shop(tracker, pieces)}**{product}**: {said}.{_elsewhere(pieces, places)}"
        return Answer(text, (another,), image=picture(product))


def _no_shop(tracker: Tracker, places: Iterable[str]) -> str:
    """Said of a town that the message names and that has no shop."""
    town = next(tracker.get_latest_entity_values("city"), None)
    return f"We have no shop in {town}. " if town and not spelling.one_of(str(town), places) else ""


def _amount(pieces: int, exact: bool) -> str:
    if pieces == 0:
        return "sold out"
    return f"only {pieces} left" if pieces <= FEW else f"{pieces} left" if exact else "in stock"


def _at(place: str) -> str:
    return "online" if place == ONLINE else f"in the {place} shop"


def _elsewhere(pieces: dict[str, int], asked: list[str]) -> str:
    having = sorted(place for place, count in pieces.items() if count and place not in asked and place != ONLINE)
    if not having:
        return ""
    return f" The shop in {having[0]} has it." if len(having) == 1 else f" The shops in {listed(having)} have it."


class ValidateCheckStockForm(ShopForm):
    def name(self) -> str:
        return "validate_check_stock_form"

    def extract_product(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> Slots:
        """A product that the message names without its full name goes before the one that was talked about earlier."""
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        named = next(tracker.get_latest_entity_values("product"), None)
        text = str(tracker.latest_message.get("text") or "")
        with the_database().reading() as shop:
            alike = spelling.alike(text, shop.product_names())
        return {"product": text} if intent == "check_stock" and not named and alike else {}

    def validate_product(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value in (None, OTHER):
            return {"product": None}
        with the_database().reading() as shop:
            names = shop.product_names()
        alike = spelling.alike(str(value), names)
        product = spelling.one_of(str(value), names) or (alike[0] if len(alike) == 1 else None)
        if product:
            return {"product": product}
        several = f"There are several: {listed(alike)}." if alike else "I do not know a product of that name."
        return refused("product", dispatcher, several)
