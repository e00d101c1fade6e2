"""A button whose title is typed instead of pressed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from bot.dialogue.tracker import Tracker
from bot.messages import NUMBERS_FROM, Button, Inbound, Owner

_AROUND = re.compile(r"^\W+|\W+$")
_NUMBER = re.compile(
    r"(?:option|number|no\.?|nr\.?)?\s*[(\[#]?\s*(\d{1,3})(?:\ufe0f?\u20e3)?\s*[)\].:!]*", re.IGNORECASE
)


def as_press(inbound: Inbound, tracker: Tracker) -> Inbound:
    """A text that is the title of a button just offered, and of no other one, means what the button means."""
    title = _bare(inbound.text)
    if inbound.payload is not None or not title or tracker.owner is Owner.AGENT:
        return inbound
    meant = {button.payload for button in _offered(tracker) if _bare(button.title) == title}
    if not meant:
        meant = set(_numbered(inbound.text.strip(), inbound.metadata.get(NUMBERS_FROM), tracker))
    return replace(inbound, payload=meant.pop()) if len(meant) == 1 else inbound


def _numbered(text: str, numbers_from: object, tracker: Tracker) -> Iterator[str]:
    """What the number means in the last numbered text; a form that waits is answered, unless its question has one."""
    found = _NUMBER.fullmatch(text)
    if found is None or not isinstance(numbers_from, int):
        return
    asked = tracker.said[-1:] if tracker.requested else tracker.said
    for reply in reversed(asked):
        if reply.numbered(numbers_from):
            number = int(found[1])
            yield from (button.payload for button in reply.choices[:number][number - 1 :] if number)
            return


def _offered(tracker: Tracker) -> Iterator[Button]:
    for reply in tracker.said:
        yield from reply.choices


def _bare(text: str) -> str:
    return " ".join(_AROUND.sub("", text.casefold().replace("’", "'")).split())
