"""What WhatsApp tells: messages, and what became of ours. Every list in it may hold several.

https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bot.channels.received import Arrival, Attachment, Message, Reaction, Receipt, Received, conversation, place
from bot.journal.values import Rating
from bot.messages import Json
from bot.wire import Malformed, inner, needed_text, objects, text_in

CHANNEL = "whatsapp"
_MEDIA = {"image": "image", "audio": "audio", "video": "video", "document": "file", "sticker": "sticker"}
_ARRIVALS = {"delivered": Arrival.DELIVERED, "read": Arrival.READ, "failed": Arrival.FAILED}
_UP, _DOWN = ("👍", "❤", "❤️", "🙏", "😂", "💯"), ("👎", "😢", "😡")


@dataclass(slots=True)
class Events:
    """Collects what one request of an account tells."""

    account: str
    """The phone number's id."""
    sentences: dict[int, str]
    """Why messages fail, by the code."""
    messages: list[Message] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def read(self, event: Json) -> Received:
        for change in changes(event):
            value = inner(change, "value")
            if change.get("field") != "messages" or number_of(value) != self.account:
                self.ignored.append("other")
                continue
            contacts = objects(value, "contacts")
            names = {text_in(contact, key): contact for contact in contacts for key in ("wa_id", "user_id")}
            for message in objects(value, "messages"):
                self._one(self._message, message, names)
            for status in objects(value, "statuses"):
                self._one(self._status, status)
        return Received(tuple(self.messages), tuple(self.receipts), tuple(self.reactions), ignored=tuple(self.ignored))

    def _one(self, read: Callable[..., None], *told: Json) -> None:
        try:
            read(*told)
        except Malformed:  # it must not keep the others of its request from being taken
            self.ignored.append("malformed")

    def _message(self, message: Json, contacts: dict[str, Json]) -> None:
        kind = message.get("type")
        if kind == "reaction":
            reaction = inner(message, "reaction")
            self.reactions.append(Reaction(needed_text(reaction, "message_id"), _rating(reaction.get("emoji"))))
            return
        attachments = tuple(_attachments(message))
        text, press = _said(message)
        if not text and not attachments:
            self.ignored.append("unsupported" if kind in ("unsupported", "unknown", "system") else "other")
            return
        user, phone = text_in(message, "from_user_id"), text_in(message, "from")
        who = contacts.get(user or phone) or contacts.get(phone) or {}
        user = user or text_in(who, "user_id")
        name = needed_text(message, "id")
        self.messages.append(
            Message(
                self._conversation(user, phone),
                name,
                self._address(user, phone, name),
                text=text,
                press=press,
                attachments=attachments,
                at=_time(message),
                metadata=_who(who, phone),
            )
        )

    def _conversation(self, user: str, phone: str) -> str:
        """By the id that WhatsApp keeps for our business, where it tells one: numbers change, and may be hidden."""
        if not user and not phone:
            raise Malformed("A message is from nobody.")
        return conversation(CHANNEL, self.account, user or phone)

    def _address(self, user: str, phone: str, message: str) -> dict[str, str]:
        known = {"user": user, "phone": phone, "message": message}
        return {key: value for key, value in known.items() if value}

    def _status(self, status: Json) -> None:
        arrival = _ARRIVALS.get(str(status.get("status")))
        if arrival is None:
            self.ignored.append("status")
            return
        user, phone = text_in(status, "recipient_user_id"), text_in(status, "recipient_id")
        key = text_in(status, "biz_opaque_callback_data") or None
        self.receipts.append(
            Receipt(
                arrival,
                needed_text(status, "id"),
                key=key if user or phone else None,
                conversation_id=self._conversation(user, phone) if user or phone else None,
                error=self._reason(status) if arrival is Arrival.FAILED else None,
            )
        )

    def _reason(self, status: Json) -> str:
        codes = [error.get("code") for error in objects(status, "errors")]
        known = [self.sentences[code] for code in codes if isinstance(code, int) and code in self.sentences]
        return known[0] if known else f"WhatsApp could not deliver it (error {codes[0] if codes else 'unknown'})."


def changes(event: Json) -> Iterator[Json]:
    for entry in objects(event, "entry"):
        yield from objects(entry, "changes")


def number_of(value: Json) -> str:
    return text_in(inner(value, "metadata"), "phone_number_id")


def _said(message: Json) -> tuple[str, str | None]:
    """The text, and the id of what was pressed."""
    interactive = inner(message, "interactive")
    pressed = inner(interactive, "button_reply") or inner(interactive, "list_reply")
    if pressed:
        return text_in(pressed, "title", 4096), text_in(pressed, "id")
    if button := inner(message, "button"):
        return text_in(button, "text", 4096), None  # of a template: what it means was not ours to say
    media = inner(message, str(message.get("type")))
    return text_in(inner(message, "text"), "body", 65536) or text_in(media, "caption", 4096), None


def _attachments(message: Json) -> Iterator[Attachment]:
    kind = str(message.get("type"))
    if kind in _MEDIA:
        media = inner(message, kind)
        name = text_in(media, "filename")
        yield Attachment(_MEDIA[kind], needed_text(media, "id"), text_in(media, "mime_type"), name)  # type: ignore[arg-type]
    told = inner(message, "location")
    if where := place(told.get("latitude"), told.get("longitude"), text_in(told, "name")):
        yield where
    for contact in objects(message, "contacts")[:10]:
        numbers = [text_in(phone, "phone") for phone in objects(contact, "phones")]
        yield Attachment(
            "contact", numbers[0] if numbers else "", name=text_in(inner(contact, "name"), "formatted_name")
        )


def _rating(emoji: object) -> Rating:
    return "up" if emoji in _UP else "down" if emoji in _DOWN else "none"


def _who(contact: Json, phone: str) -> dict[str, str]:
    known = {"name": text_in(inner(contact, "profile"), "name"), "phone": phone}
    return {key: value for key, value in known.items() if value}


def _time(message: Json) -> float | None:
    given = text_in(message, "timestamp")
    return float(given) if given.isascii() and given.isdigit() and len(given) <= 11 else None
