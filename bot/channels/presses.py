"""Buttons: the customer's app knows a name of ours for each, and what it means stays here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.messages import Author, Button, Entry

EPOCH_CHARS = 8
_ID = re.compile(r"([0-9a-f]{8})-([1-9]\d{0,8})-(\d{1,3})(?:-(\d{1,3}))?")
_ANSWERS = ("/affirm", "/deny")
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Press:
    """A button of an entry, or of one of its cards."""

    seq: int
    button: int
    card: int | None = None


class Log(Protocol):
    """The journal, as far as it is needed here."""

    async def entries(self, conversation_id: str, after: int = 0, *, limit: int = 200) -> Sequence[Entry]: ...


def press_id(epoch: str, press: Press) -> str:
    """At most 30 plain characters. The epoch keeps a button of a log that is gone from meaning one of the next."""
    card = "" if press.card is None else f"-{press.card}"
    return f"{epoch[:EPOCH_CHARS]}-{press.seq}-{press.button}{card}"


def read_press(text: str, epoch: str) -> Press | None:
    """None for what is no id, or one of another log."""
    found = _ID.fullmatch(text)
    if found is None or found[1] != epoch[:EPOCH_CHARS]:
        return None
    return Press(int(found[2]), int(found[3]), None if found[4] is None else int(found[4]))


def button_of(entry: Entry | None, press: Press) -> Button | None:
    if entry is None or entry.author is Author.USER:
        return None
    try:
        holder = entry.message if press.card is None else entry.message.cards[press.card]
        return holder.buttons[press.button]
    except IndexError:
        return None


async def is_over(journal: Log, conversation_id: str, press: Press, button: Button, message_id: str) -> bool:
    """Whether the customer has written since: a yes to an old question must not answer a new one. A press that is sent
    again finds itself, and may be what was written first."""
    if not button.payload.startswith(_ANSWERS):
        return False
    later = await journal.entries(conversation_id, after=press.seq, limit=_PAGE)
    written = {entry.message_id for entry in later if entry.author is Author.USER}
    return bool(written) and message_id not in written
