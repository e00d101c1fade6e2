"""When the shops are open: all week, on one day, on holidays."""

from __future__ import annotations

import re
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from actions import spelling
from actions.answers import Answer, Button, listed
from actions.database import the_database
from actions.dates import meant, today
from actions.form_validation import ShopForm, Slots, refused
from actions.shop import Shop, Store
from actions.shop_action import ShopAction

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


HOLIDAYS = (
    (r"christmas eve|\b24 dec", "On 24 December all our shops close at 14:00."),
    (r"new year'?s eve|\b31 dec", "On 31 December all our shops close at 14:00."),
    (
        r"christmas|xmas|boxing day|\b2[56] dec",
        "Our shops are closed on 25 and 26 December, and on 24 December they close at 14:00.",
    ),
    (
        r"new year|\b1 jan",
        "Our shops are closed on 1 January, and on 31 December they close at 14:00.",
    ),
    (
        r"holiday|easter|good friday|whit(?:sun| )|pentecost|ascension|may day|\b1 may",
        "All our shops are closed on the public holidays of their country.",
    ),
)
"""What a day may be called, or its date, and what is true of it everywhere; the first that fits counts."""


class ActionOpeningHours(ShopAction):
    forgets = ("day",)

    def name(self) -> str:
        return "action_opening_hours"

    def answer(self, shop: Shop, tracker: Tracker) -> Answer:
        day = day_asked(tracker)
        stores = {store.city: store for store in shop.stores()}
        city = spelling.one_of(str(tracker.slots.get("city") or ""), stores)
        holiday = on_holiday(day)
        if holiday:
            return Answer(holiday, (Button.start("Opening hours", "opening_hours"),))
        if city is None:
            return Answer(f"Our shops are in {listed(list(stores))}.", tuple(map(_hours_button, stores)))
        store = stores[city]
        return Answer(
            f"Our shop in **{city}**, {store.street}, {_opens(store, day)}",
            (Button.start("Is something in stock?", "check_stock", city=city),),
        )


def day_asked(tracker: Tracker) -> str:
    """The day as it was said: `24th of` and `December` may have been found apart."""
    return " ".join(map(str, tracker.get_latest_entity_values("date"))) or str(tracker.slots.get("day") or "")


def on_holiday(day: str) -> str:
    """What is true of all shops on that day; empty when it is no holiday."""
    when = meant(day, today())
    asked = f"{day} {when.day} {when:%B}" if when else day.replace("’", "'")
    return next((said for words, said in HOLIDAYS if re.search(words, asked, re.IGNORECASE)), "")


def _opens(store: Store, day: str) -> str:
    asked = weekdays(day)
    if not asked:
        return f"is open {week(store)}. {_today(store)}"
    said = [_on(DAYS[number], store.hours[number]) for number in asked]
    return f"is {listed(said)}. The whole week: {week(store)}."


def _on(day: str, hours: str | None) -> str:
    return f"open on {day} from {hours.replace('-', ' to ')}" if hours else f"closed on {day}"


_SHORT = r"\b{}(?:rs?|s|\w*days?)?\b"


def weekdays(day: str) -> list[int]:
    """Monday is 0: `Saturdays`, `sat and sun`, `tomorrow`, `weekend`."""
    said, when = day.casefold(), meant(day, today())
    named = [number for number, name in enumerate(DAYS) if re.search(_SHORT.format(name[:3].lower()), said)]
    return named or ([when.weekday()] if when else [5, 6] if "weekend" in said else [])


def week(store: Store) -> str:
    """`Monday to Friday 10:00-19:00, Saturday 10:00-18:00`, closed days left out."""
    spans: list[tuple[int, int, str]] = []
    for day, hours in enumerate(store.hours):
        if hours and spans and spans[-1][1] == day - 1 and spans[-1][2] == hours:
            spans[-1] = (spans[-1][0], day, hours)
        elif hours:
            spans.append((day, day, hours))
    return listed([f"{DAYS[a]} to {DAYS[b]} {h}" if a != b else f"{DAYS[a]} {h}" for a, b, h in spans])


def _today(store: Store) -> str:
    hours = store.hours[today().weekday()]
    return on_holiday("today") or (f"Today: {hours}." if hours else "It is closed today.")


def _hours_button(city: str) -> Button:
    return Button.start(city, "opening_hours", city=city)


class ValidateOpeningHoursForm(ShopForm):
    def name(self) -> str:
        return "validate_opening_hours_form"

    def over(self, tracker: Tracker) -> bool:
        """On holidays all shops do the same: no need to ask which."""
        return bool(on_holiday(day_asked(tracker)))

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
        return refused("city", dispatcher, f"We have no shop there, only in {listed(cities)}.")
