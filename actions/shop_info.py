"""What the shops have and when they are open."""

from __future__ import annotations

from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import PERSON, Answer, Button, picture
from actions.dates import today
from actions.demo_data import ONLINE
from actions.form_validation import ShopForm, Slots, refused
from actions.shop import Shop, Store, the_database
from actions.shop_action import ShopAction

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FEW = 3


class ActionOpeningHours(ShopAction):
    def name(self) -> str:
        return "action_opening_hours"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        stores = {store.city: store for store in shop.stores()}
        city = spelling.one_of(str(tracker.slots.get("city") or ""), stores)
        if city is None:
            return Answer(f"Our shops are in {_listed(list(stores))}.", tuple(map(_hours_button, stores)))
        store = stores[city]
        return Answer(
            f"Our shop in **{city}**, {store.street}, is open {week(store)}. {_today(store)}",
            (Button.start("Is something in stock?", "check_stock", city=city),),
        )


def week(store: Store) -> str:
    """`Monday to Friday 10:00-19:00, Saturday 10:00-18:00`, closed days left out."""
    spans: list[tuple[int, int, str]] = []
    for day, hours in enumerate(store.hours):
        if hours and spans and spans[-1][1] == day - 1 and spans[-1][2] == hours:
            spans[-1] = (spans[-1][0], day, hours)
        elif hours:
            spans.append((day, day, hours))
    return _listed([f"{DAYS[a]} to {DAYS[b]} {h}" if a != b else f"{DAYS[a]} {h}" for a, b, h in spans])


def _today(store: Store) -> str:
    hours = store.hours[today().weekday()]
    return f"Today: {hours}." if hours else "It is closed today."


def _hours_button(city: str) -> Button:
    return Button.start(city, "opening_hours", city=city)


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


class ActionCheckStock(ShopAction):
    def name(self) -> str:
        return "action_check_stock"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        product = spelling.one_of(str(tracker.slots.get("product") or ""), shop.product_names())
        if product is None:
            return Answer("I could not find that product in our range. A colleague can help you search.", (PERSON,))
        pieces = shop.stock_of(product)
        city = spelling.one_of(str(tracker.slots.get("city") or ""), pieces)
        places = [ONLINE, city] if city and city != ONLINE else [ONLINE]
        said = _listed([f"{_amount(pieces[place])} {_at(place)}" for place in places])
        return Answer(f"**{product}**: {said}.{_elsewhere(pieces, places)}", image=picture(product))


def _amount(pieces: int) -> str:
    return "sold out" if pieces == 0 else f"only {pieces} left" if pieces <= FEW else "in stock"


def _at(place: str) -> str:
    return "online" if place == ONLINE else f"in the {place} shop"


def _elsewhere(pieces: dict[str, int], asked: list[str]) -> str:
    having = sorted(place for place, count in pieces.items() if count and place not in asked and place != ONLINE)
    if not having:
        return ""
    return f" The shop in {having[0]} has it." if len(having) == 1 else f" The shops in {_listed(having)} have it."


class ValidateOpeningHoursForm(ShopForm):
    def name(self) -> str:
        return "validate_opening_hours_form"

    def validate_city(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"city": None}
        with the_database().reading() as shop:
            cities = [store.city for store in shop.stores()]
        city = spelling.one_of(str(value), cities)
        if city:
            return {"city": city}
        return refused("city", dispatcher, f"We have no shop there, only in {_listed(cities)}.")


class ValidateCheckStockForm(ShopForm):
    def name(self) -> str:
        return "validate_check_stock_form"

    def validate_product(
        self, value: Any, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
    ) -> Slots:
        if value is None:
            return {"product": None}
        with the_database().reading() as shop:
            names = shop.product_names()
        product = spelling.one_of(str(value), names)
        if product:
            return {"product": product}
        return refused("product", dispatcher, _which(str(value), names))


def _which(said: str, names: list[str]) -> str:
    alike = spelling.alike(said, names)
    if not alike:
        return "I do not know a product of that name."
    return f"There are several: {_listed(alike)}."
