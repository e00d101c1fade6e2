"""A button whose title is typed instead of pressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bot.dialogue.tracker import Tracker
from bot.messages import Button, Inbound, Owner

_AROUND = re.compile(r"^\W+|\W+$")


def as_press(inbound: Inbound, tracker: Tracker) -> Inbound:
    """A text that is the title of a button just offered, and of no other one, means what the button means."""
    title = _bare(inbound.text)
    if inbound.payload is not None or not title or tracker.owner is Owner.AGENT:
        return inbound
    meant = {button.payload for button in _offered(tracker) if _bare(button.title) == title}
    return replace(inbound, payload=meant.pop()) if len(meant) == 1 else inbound


def _offered(tracker: Tracker) -> Iterator[Button]:
    for reply in tracker.said:
        yield from reply.buttons
        for card in reply.cards:
            yield from card.buttons


def _bare(text: str) -> str:
    return " ".join(_AROUND.sub("", text.casefold().replace("’", "'")).split())
