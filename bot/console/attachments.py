"""What customers sent beside words: named in the conversation, fetched through the service when a person opens it.

The browser names a conversation, a message and a number, never an address; nothing of a file is kept here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from aiohttp import web

from bot.channels.connector import Connector
from bot.channels.guard import Refused, Why
from bot.channels.media import File, Media
from bot.channels.media_types import KINDS, Kind
from bot.channels.received import Attachment
from bot.journal.errors import NotFound
from bot.journal.journal import Journal
from bot.journal.values import Attached

NAME_CHARS = 100
_UNFIT = re.compile(r"[^\w .()+,=@-]+")
"""In a file's name: also what turns the direction of writing."""
_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An attachment in the conversation."""

    kind: str
    badge: str
    name: str
    details: str
    href: str = ""
    """Where the service fetches it; empty if there is nothing to fetch."""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Attachments:
    journal: Journal
    connectors: Mapping[str, Connector]
    media: Media

    async def shown(self, conversation_id: str, after: int, upto: int) -> dict[int, list[Shown]]:
        """By the numbers of the messages."""
        found = await self.journal.attached(conversation_id, after, upto)
        here = f"/console/conversations/{quote(conversation_id, safe='')}/attachments"
        return {seq: list(self._of_message(f"{here}/{seq}", one)) for seq, one in found.items()}

    def _of_message(self, here: str, attached: Attached) -> list[Shown]:
        connector = self.connectors.get(attached.channel)
        note = "" if connector else _not_set_up(attached.channel)
        shown = []
        for number, attachment in enumerate(map(Attachment.from_json, attached.attachments)):
            if attachment is not None:
                there = connector is not None and connector.media(attachment, ()) is not None
                shown.append(_shown(attachment, f"{here}/{number}" if there else "", note))
        return shown

    async def fetched(self, conversation_id: str, seq: int, number: int) -> web.Response:
        """Raises NotFound, and Refused for what a person should be told."""
        attached = (await self.journal.attached(conversation_id, seq - 1, seq)).get(seq)
        given = attached.attachments[number : number + 1] if attached else []
        attachment = Attachment.from_json(given[0]) if given else None
        if attached is None or attachment is None:
            raise NotFound("There is no such attachment.")
        connector = self.connectors.get(attached.channel)
        if connector is None:
            raise Refused(Why.NOTHING, _not_set_up(attached.channel))
        return _answer(attachment, await self.media.fetch(connector, attachment))


def _not_set_up(channel: str) -> str:
    return f"The channel {channel} is not set up here any more, and nobody else knows how to fetch it."


def _shown(attachment: Attachment, href: str, note: str) -> Shown:
    kind, type_ = attachment.kind, attachment.type.partition(";")[0].strip().lower()
    known = next((one for one in KINDS if type_ == one.type or type_ in one.also), None)
    badge = known.suffixes[0][1:].upper() if known else kind
    told = attachment.reference if kind in ("place", "contact") else type_
    size = "" if attachment.size is None else _in_words(attachment.size)
    return Shown(
        kind, badge, attachment.name or kind.capitalize(), ", ".join(one for one in (told, size) if one), href, note
    )


def _in_words(size: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1000, "KB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}" if size < 1000 * unit else f"{size // unit} {name}"
    return f"{size} bytes"


def _answer(attachment: Attachment, file: File) -> web.Response:
    """Pictures are shown, everything else is saved: what a browser opens, it may also run."""
    way = "inline" if file.kind.is_image else "attachment"
    named = f"{way}; filename*=UTF-8''{quote(file_name(attachment, file.kind), safe='')}"
    charset = "utf-8" if file.kind.type.startswith("text/") else None
    headers = {**_HEADERS, "Content-Disposition": named}
    return web.Response(body=file.body, content_type=file.kind.type, charset=charset, headers=headers)


def file_name(attachment: Attachment, kind: Kind) -> str:
    """As the customer called it, ending as what it is."""
    last = re.split(r"[/\\]", attachment.name)[-1]
    name = _UNFIT.sub("_", last)[:NAME_CHARS].strip(" .") or attachment.kind
    return name if name.lower().endswith(kind.suffixes) else f"{name}{kind.suffixes[0]}"
