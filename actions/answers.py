"""What an action says: one message with its buttons, cards and data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Button:
    title: str
    payload: str

    @classmethod
    def start(cls, title: str, intent: str, **slots: str) -> Button:
        """A button that means an intent, with slots already filled."""
        return cls(title, f"/{intent}{json.dumps(slots) if slots else ''}")

    def to_json(self) -> dict[str, str]:
        return {"title": self.title, "payload": self.payload}


PERSON = Button.start("Talk to a person", "human")


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    subtitle: str = ""
    image: str = ""
    buttons: tuple[Button, ...] = ()

    def to_json(self) -> dict[str, Any]:
        buttons = [button.to_json() for button in self.buttons]
        return {"title": self.title, "subtitle": self.subtitle, "image_url": self.image, "buttons": buttons}


def picture(product: str) -> str:
    """Where the demo page serves a product's picture."""
    return f"/demo/products/{product.lower().replace(' ', '-')}.svg"


def listed(names: list[str]) -> str:
    """`a, b and c`"""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    buttons: tuple[Button, ...] = ()
    cards: tuple[Card, ...] = ()
    image: str = ""
    custom: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The arguments of `dispatcher.utter_message`."""
        return {
            "text": self.text,
            "buttons": [button.to_json() for button in self.buttons],
            "elements": [card.to_json() for card in self.cards],
            "image": self.image or None,
            "json_message": dict(self.custom),
        }
