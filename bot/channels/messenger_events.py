"""What Messenger and Instagram tell: messages, presses, and the echoes of ours. Every list may hold several.

https://developers.facebook.com/docs/messenger-platform/reference/webhook-events
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.channels.received import JOINED, Arrival, Attachment, Message, Reaction, Receipt, Received, conversation, place
from bot.messages import Json
from bot.wire import ID_CHARS, Malformed, inner, needed_text, objects, text_in

STARTED = "GET_STARTED"
"""The payload of the button that opens a conversation."""
URL_CHARS = 4000
_KINDS = {"image": "image", "audio": "audio", "video": "video", "file": "file"}
_RATINGS = {"like": "up", "love": "up", "dislike": "down", "sad": "down", "angry": "down"}


@dataclass(slots=True)
class Events:
    """Collects what one request tells of a page, or of an Instagram account."""

    channel: str
    account: str
    messages: list[Message] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def read(self, event: Json) -> Received:
        for entry in objects(event, "entry"):
            if text_in(entry, "id") != self.account:
                self.ignored.append("other")
                continue
            for happened in objects(entry, "messaging"):
                try:
                    self._one(happened)
                except Malformed:  # it must not keep the others of its request from being taken
                    self.ignored.append("malformed")
            self.ignored += ["standby"] * len(objects(entry, "standby"))  # another app has the thread
        return Received(tuple(self.messages), tuple(self.receipts), tuple(self.reactions), ignored=tuple(self.ignored))

    def _one(self, happened: Json) -> None:
        if message := inner(happened, "message"):
            self._echo(happened, message) if message.get("is_echo") else self._message(happened, message)
        elif postback := inner(happened, "postback"):
            self._postback(happened, postback)
        elif edit := inner(happened, "message_edit"):
            name = needed_text(edit, "mid")
            self._said(happened, f"{name}:edit:{edit.get('num_edit')}"[:ID_CHARS], _words(edit), edits=name)
        elif reaction := inner(happened, "reaction"):
            self._reaction(reaction)
        elif delivered := inner(happened, "delivery"):
            mids = delivered.get("mids")
            names = [mid for mid in mids if isinstance(mid, str)] if isinstance(mids, list) else []
            self.receipts += [Receipt(Arrival.DELIVERED, name[:ID_CHARS]) for name in names[:100]]
        else:
            self.ignored.append("read" if "read" in happened else "other")

    def _message(self, happened: Json, message: Json) -> None:
        pressed = text_in(inner(message, "quick_reply"), "payload", 1000)
        attachments = tuple(_attachments(message))
        if not _words(message) and not attachments:
            self.ignored.append("deleted" if message.get("is_deleted") else "other")
            return
        self._said(happened, needed_text(message, "mid"), _words(message), press=pressed, attachments=attachments)

    def _postback(self, happened: Json, postback: Json) -> None:
        payload, title = text_in(postback, "payload", 1000), text_in(postback, "title", 1000)
        name = text_in(postback, "mid") or f"{_number(happened)}:{payload}"[:ID_CHARS]
        if payload == STARTED:
            self._said(happened, name, title or "Get started", payload=JOINED)
        else:
            self._said(happened, name, title, press=payload)

    def _said(
        self,
        happened: Json,
        name: str,
        text: str,
        *,
        press: str = "",
        payload: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        edits: str = "",
    ) -> None:
        customer, at = needed_text(inner(happened, "sender"), "id"), _number(happened)
        self.messages.append(
            Message(
                conversation(self.channel, self.account, customer),
                name,
                {"customer": customer},
                text=text,
                press=press or None,
                payload=payload,
                attachments=attachments,
                at=at / 1000 if at else None,
                metadata={"edits": edits} if edits else {},
            )
        )

    def _echo(self, happened: Json, message: Json) -> None:
        """A message to the customer, from whatever app. Ours come back with the key that they were sent with."""
        key = text_in(message, "metadata")
        if not key:
            self.ignored.append("echo")
            return
        customer = needed_text(inner(happened, "recipient"), "id")
        where = conversation(self.channel, self.account, customer)
        self.receipts.append(Receipt(Arrival.DELIVERED, needed_text(message, "mid"), key, where))

    def _reaction(self, reaction: Json) -> None:
        rating = _RATINGS.get(text_in(reaction, "reaction"), "none") if reaction.get("action") == "react" else "none"
        self.reactions.append(Reaction(needed_text(reaction, "mid"), rating))  # type: ignore[arg-type]  # one of the words


def _attachments(message: Json) -> Iterator[Attachment]:
    for one in objects(message, "attachments")[:20]:
        payload, kind = inner(one, "payload"), str(one.get("type"))
        if kind in _KINDS and text_in(payload, "url", URL_CHARS):
            sticker = kind == "image" and "sticker_id" in payload
            yield Attachment("sticker" if sticker else _KINDS[kind], text_in(payload, "url", URL_CHARS))  # type: ignore[arg-type]
        elif kind == "location":
            told = inner(payload, "coordinates")
            where = place(told.get("lat"), told.get("long"))
            yield from [where] if where else []


def _words(message: Json) -> str:
    return text_in(message, "text", 65536)


def _number(happened: Json) -> int:
    """Milliseconds; 0 if it is not told."""
    at = happened.get("timestamp")
    return at if isinstance(at, int) and 0 <= at < 2**53 else 0
