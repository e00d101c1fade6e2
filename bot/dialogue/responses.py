"""Responses: which variation is said, and its text with the slots filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import orjson

from bot.messages import Button, Card, Json, Outbound

_PLACE = re.compile(r"\{\{|\}\}|\{([^\W\d][\w.\-]*)\}")
_KEYS = ("text", "image", "custom", "buttons", "quick_replies", "attachment", "elements")


@dataclass(frozen=True, slots=True)
class Variation:
    """One way to say a response; `content` holds what is said, as in the YAML."""

    content: Mapping[str, Any]
    channel: str = ""
    conditions: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, plain: Json) -> Variation:
        conditions = tuple((c["name"], c.get("value")) for c in plain.get("condition") or ())
        content = {key: plain[key] for key in _KEYS if plain.get(key)}
        return cls(content, plain.get("channel") or "", conditions)

    def fits(self, slots: Mapping[str, Any]) -> bool:
        return all(_same(slots.get(name), value) for name, value in self.conditions)


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides about the wording: slots, the channel, and the variation said last time."""

    slots: Mapping[str, Any]
    channel: str
    rng: Random
    last: int | None = None
    """Index of the variation that was said last; it is not said twice in a row."""


def choose(variations: Sequence[Variation], setting: Setting) -> int | None:
    """Index of the variation to say: conditional before plain, this channel's before any channel's."""
    for conditional in (True, False):
        for here in (True, False):
            found = [
                index
                for index, variation in enumerate(variations)
                if bool(variation.conditions) == conditional
                and _heard(variation.channel, setting.channel, here)
                and variation.fits(setting.slots)
            ]
            fresh = [index for index in found if index != setting.last]
            if found:
                return setting.rng.choice(fresh or found)
    return None


def render(content: Mapping[str, Any], values: Mapping[str, Any], name: str = "") -> Outbound:
    """The reply that a variation, or an action's response object, stands for."""
    buttons = [*(content.get("buttons") or ()), *(content.get("quick_replies") or ())]
    image, custom = content.get("image") or "", content.get("custom") or None
    attachment = content.get("attachment")
    if attachment:
        source = _image_of(attachment)
        image, custom = (
            (source, custom) if source and not image else (image, {**(custom or {}), "attachment": attachment})
        )
    return Outbound(
        text=fill(_text(content.get("text")), values),
        buttons=_buttons(buttons, values),
        image=fill(_text(image), values),
        cards=tuple(_card(card, values) for card in content.get("elements") or () if isinstance(card, dict)),
        custom=_deep(custom, values) if isinstance(custom, dict) else None,
        response=name,
    )


def merge(draft: Outbound, content: Json, values: Mapping[str, Any]) -> Outbound:
    """An action's response object over the domain response it names: buttons add up, other non-empty keys win."""
    over = render(content, values)
    return replace(
        draft,
        text=over.text or draft.text,
        buttons=draft.buttons + over.buttons,
        image=over.image or draft.image,
        cards=over.cards or draft.cards,
        custom=over.custom or draft.custom,
    )


def fill(template: str, values: Mapping[str, Any], escape: Callable[[str], str] = str) -> str:
    """`{name}` becomes the value, verbatim; an unknown name or an empty slot nothing; `{{` and `}}` are braces."""

    def one(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)[0] if "{{" in template else match.group(0)
        return escape(_shown(values.get(match.group(1))))

    return _PLACE.sub(one, template)


def is_empty(reply: Outbound) -> bool:
    return not (reply.text or reply.buttons or reply.image or reply.cards or reply.custom)


def with_button(reply: Outbound, button: Button) -> Outbound:
    """The reply with the button, once."""
    if any(known.payload == button.payload for known in reply.buttons):
        return reply
    return replace(reply, buttons=(*reply.buttons, button))


def _heard(channel: str, here: str, exact: bool) -> bool:
    # Rasa's name for its REST channel in responses is "collector".
    return (channel in (here, "collector" if here == "rest" else here)) if exact else not channel


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) and isinstance(wanted, str):
        return value.casefold() == wanted.casefold()
    return bool(value == wanted)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return str(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _shown(value)


def _quoted(value: str) -> str:
    """A value inside a payload's JSON text must not be able to end it."""
    return orjson.dumps(value.encode("utf-8", "replace").decode()).decode()[1:-1]


def _buttons(buttons: Sequence[Any], values: Mapping[str, Any]) -> tuple[Button, ...]:
    found = []
    for button in buttons:
        if isinstance(button, dict) and button.get("title"):
            title = fill(_text(button["title"]), values)
            found.append(Button(title, fill(_text(button.get("payload")), values, _quoted) or title))
    return tuple(found)


def _card(card: Json, values: Mapping[str, Any]) -> Card:
    image, url = card.get("image_url") or card.get("image"), card.get("url")
    if not url and isinstance(card.get("default_action"), dict):
        url = card["default_action"].get("url")
    return Card(
        title=fill(_text(card.get("title")), values),
        subtitle=fill(_text(card.get("subtitle")), values),
        image=fill(_text(image), values),
        url=fill(_text(url), values),
        buttons=_buttons(card.get("buttons") or (), values),
    )


def _image_of(attachment: Any) -> str:
    if not isinstance(attachment, dict) or attachment.get("type") != "image":
        return ""
    payload = attachment.get("payload")
    return _text(payload.get("src") or payload.get("url")) if isinstance(payload, dict) else ""


def _deep(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _deep(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_deep(inner, values) for inner in value]
    return fill(value, values) if isinstance(value, str) else value
