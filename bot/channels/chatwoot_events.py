"""What Chatwoot tells an Agent Bot."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from bot.channels.chatwoot_inboxes import address, shows
from bot.channels.received import Arrival, Attachment, Message, Receipt, Received, Release, conversation, place
from bot.messages import LABELS, NUMBERS_FROM, Json
from bot.wire import Malformed, inner, objects

KEY = "frontdesk"
"""Under which a message of ours carries the key of its call: Chatwoot keeps it, and tells it with the message."""
ATTACHMENTS = 15
"""As many as Chatwoot allows in a message."""
MOST_LABELS, LONGEST_LABEL = 20, 100
_INCOMING, _OUTGOING = ("incoming", 0), ("outgoing", 1)
_CALLBACK = re.compile(r"\d{12,}")
"""What Telegram calls a press; its messages have shorter numbers."""
_PRESS = re.compile(r"[0-9a-f]{8}(-\d{1,9}){2,3}")
_FILES: Mapping[str, Literal["image", "audio", "video", "file", "contact", "sticker"]] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "ig_reel": "video",
    "file": "file",
    "contact": "contact",
    "sticker": "sticker",
}


def account_of(event: Json) -> str | None:
    """The number of the account, where the event tells it."""
    messages = objects(event, "messages")[:1]
    stated = inner(event, "account").get("id") or (messages[0].get("account_id") if messages else None)
    return None if stated is None else str(stated)


@dataclass(frozen=True, slots=True)
class Events:
    """Of one account."""

    channel: str
    account: str
    lengths: Mapping[str, int]

    def received(self, event: Json) -> Received:
        """Raises Malformed."""
        match event.get("event"):
            case "message_created" if event.get("message_type") in _INCOMING:
                return self._said(event)
            case "message_created":
                return self._came_back(event)
            case "message_updated":
                return self._updated(event)
            case "conversation_status_changed" | "conversation_resolved":
                return self._given_back(event)
        return Received(ignored=("other",))

    def _said(self, event: Json) -> Received:
        if event.get("private") or inner(event, "conversation").get("status") != "pending":
            return Received(ignored=("of_people",))
        text, number = _text(event.get("content")), _number(event.get("id"))
        if _pressed_in_telegram(event, text):
            return self._message(event, number, "", text)
        return self._message(event, number, text, None)

    def _came_back(self, event: Json) -> Received:
        """Our own messages come back; those of people are theirs."""
        key = inner(event, "content_attributes").get(KEY)
        if event.get("message_type") not in _OUTGOING or not isinstance(key, str):
            return Received(ignored=("of_people",))
        receipt = Receipt(Arrival.DELIVERED, _number(event.get("id")), key, self._conversation(event))
        return Received(receipts=(receipt,))

    def _updated(self, event: Json) -> Received:
        attributes = inner(event, "content_attributes")
        if event.get("message_type") in _INCOMING:
            return Received(ignored=("deleted" if attributes.get("deleted") else "updated",))
        if attributes.get("external_error"):
            sentence = "The app behind Chatwoot's inbox did not take it; the conversation in Chatwoot says why."
            failed = Receipt(Arrival.FAILED, _number(event.get("id")), error=sentence)
            return Received(receipts=(failed,))
        return self._chosen(event, objects(attributes, "submitted_values")[:1])

    def _chosen(self, event: Json, submitted: list[Json]) -> Received:
        """The customer's choice among what a message of ours offered is kept with that message."""
        value = submitted[0].get("value") if submitted else None
        if event.get("content_type") != "input_select" or not isinstance(value, str):
            return Received(ignored=("updated",))
        if inner(event, "conversation").get("status") != "pending":
            return Received(ignored=("of_people",))
        return self._message(
            event, f"{_number(event.get('id'))}:{value[:100]}", _text(submitted[0].get("title")), value
        )

    def _given_back(self, event: Json) -> Received:
        """To the bot, or people are done: whoever writes after that is the bot's again."""
        if event.get("status") in ("pending", "resolved") and account_of(event) == self.account:
            return Received(released=(Release(self._conversation({"conversation": event}), labels_of(event)),))
        return Received(ignored=("status",))

    def _message(self, event: Json, name: str, text: str, press: str | None) -> Received:
        """`attachments` of an update are of the message that was answered, not of the answer."""
        sent = [] if ":" in name else objects(event, "attachments")[:ATTACHMENTS]
        attachments = tuple(found for found in map(_attachment, sent) if found)
        if not text and press is None and not attachments:
            return Received(ignored=("empty",))
        told = inner(event, "conversation")
        where = address(told, _number(told.get("id")))
        numbers_from = shows(where, self.lengths).numbers_from
        metadata = {**_contact(event, told), "inbox": where["inbox"], NUMBERS_FROM: numbers_from, **_labelled(told)}
        there = self._conversation(event)
        message = Message(there, name, where, text, press, attachments=attachments, metadata=metadata)
        return Received((message,))

    def _conversation(self, event: Json) -> str:
        return conversation(self.channel, self.account, _number(inner(event, "conversation").get("id")))


def _pressed_in_telegram(event: Json, text: str) -> bool:
    """There Chatwoot passes a press on as a message: its text is the button's value, its source what Telegram calls
    the press."""
    source = event.get("source_id")
    return (
        inner(event, "conversation").get("channel") == "Channel::Telegram"
        and _CALLBACK.fullmatch(str(source)) is not None
        and _PRESS.fullmatch(text) is not None
    )


def _contact(event: Json, told: Json) -> dict[str, str]:
    """What the contact says of themselves: nobody vouches for it."""
    sender = inner(inner(told, "meta"), "sender") or inner(event, "sender")
    known = {"name": sender.get("name"), "email": sender.get("email"), "phone": sender.get("phone_number")}
    return {name: value[:200] for name, value in known.items() if isinstance(value, str) and value}


def labels_of(conversation: Json) -> tuple[str, ...]:
    """As people called it: single words, in lower case."""
    given = conversation.get("labels")
    named = [label for label in given if isinstance(label, str)] if isinstance(given, list) else []
    return tuple(label[:LONGEST_LABEL] for label in named[:MOST_LABELS])


def _labelled(conversation: Json) -> Json:
    """The labels before people have it: what is added later is about what they were called for."""
    labels = labels_of(conversation)
    return {LABELS: list(labels)} if labels else {}


def _attachment(data: Json) -> Attachment | None:
    """None for what is no file: a shared post, a mention."""
    if data.get("file_type") == "location":
        return place(data.get("coordinates_lat"), data.get("coordinates_long"))
    kind, url, size = _FILES.get(str(data.get("file_type"))), data.get("data_url"), data.get("file_size")
    if kind == "contact":
        return Attachment("contact", _text(data.get("fallback_title"))[:200])
    if kind is None or not isinstance(url, str) or not re.match(r"https?://.{1,4000}$", url):
        return None
    name = unquote(url.partition("?")[0].rpartition("/")[2])[:200]
    return Attachment(kind, url, name=name, size=size if isinstance(size, int) and 0 <= size < 2**53 else None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> str:
    """Chatwoot counts messages and conversations. Raises Malformed."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise Malformed("`id` must be a number.")
    return text
