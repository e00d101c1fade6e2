"""Telegram's updates: what customers did, in our words. https://core.telegram.org/bots/api#update"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.channels.received import JOINED, Attachment, Message, Reaction, Received, conversation, place
from bot.channels.verdict import Call
from bot.messages import Json
from bot.wire import Malformed, inner, objects, text_in

CHANNEL = "telegram"
_MEDIA = ("photo", "voice", "audio", "video", "video_note", "document", "sticker", "animation")
_KINDS = {"photo": "image", "voice": "audio", "audio": "audio", "sticker": "sticker", "document": "file"}
_UP = ("👍", "❤", "❤️", "🔥", "🎉", "👏", "🙏", "💯")
_DOWN = ("👎", "😢", "😡", "🤬", "💩")


@dataclass(frozen=True, slots=True)
class Updates:
    bot: str
    """The bot's number."""
    username: str | None
    """By which groups call it; None: groups are not answered."""
    call: Callable[[str, Json], Call]
    """A method of the API, as a call."""

    def parse(self, update: Json) -> Received:
        if message := inner(update, "message"):
            return self._message(message)
        if message := inner(update, "edited_message"):
            return self._message(message, edited=True)
        if query := inner(update, "callback_query"):
            return self._pressed(query)
        if reaction := inner(update, "message_reaction"):
            return _reaction(reaction)
        return Received(ignored=("membership" if "my_chat_member" in update else "other",))

    def _message(self, message: Json, edited: bool = False) -> Received:
        chat, sender = inner(message, "chat"), inner(message, "from")
        if not chat or sender.get("is_bot") or not self._meant(message, chat):
            return Received(ignored=("not_for_us",))
        text = _words(message)
        attachments = tuple(_attachments(message))
        if not text and not attachments:
            return Received(ignored=("service_message",))
        name, edits = str(_number(message, "message_id")), {}
        if edited:
            if "location" in message:  # one that is shared live moves every few seconds
                return Received(ignored=("moved",))
            edits = {"edits": name}
            name = f"{name}:edit:{_number(message, 'edit_date')}"
        started = not edited and re.fullmatch(r"/start(@\w+)?(\s.*)?", text, re.DOTALL) is not None
        return Received(
            (
                Message(
                    _conversation(chat),
                    name,
                    _address(message, chat),
                    text=self._without_name(text),
                    payload=JOINED if started else None,
                    attachments=attachments,
                    at=float(_number(message, "date")),
                    metadata={**_who(sender), **edits},
                ),
            )
        )

    def _pressed(self, query: Json) -> Received:
        """The message under which it stands may be too old to be told; then its chat is not known either."""
        message = inner(query, "message")
        chat = inner(message, "chat")
        name = query.get("id")
        if not isinstance(name, str):
            raise Malformed("`id` must be text.")
        seen = self.call("answerCallbackQuery", {"callback_query_id": name})
        if not chat:
            return Received(seen=(seen,), ignored=("not_for_us",))
        pressed = Message(
            _conversation(chat),
            name,
            _address(message, chat),
            text=_title(message, text_in(query, "data")),
            press=text_in(query, "data"),
            metadata=_who(inner(query, "from")),
        )
        return Received((pressed,), seen=(seen,))

    def _meant(self, message: Json, chat: Json) -> bool:
        """In a group, what is said to the bot: by its name, as a reply to it, as a command."""
        if chat.get("type") == "private":
            return True
        if self.username is None or chat.get("type") not in ("group", "supergroup"):
            return False
        text = _words(message)
        replied = inner(inner(message, "reply_to_message"), "from")
        return text.startswith("/") or self._called(text) or str(replied.get("id")) == self.bot

    def _called(self, text: str) -> bool:
        name = self.username
        return bool(name) and re.search(rf"@{re.escape(name or '')}\b", text, re.IGNORECASE) is not None

    def _without_name(self, text: str) -> str:
        name = self.username
        return re.sub(rf"\s*@{re.escape(name)}\b", "", text, flags=re.IGNORECASE).strip() if name else text


def _words(message: Json) -> str:
    return text_in(message, "text", 65536) or text_in(message, "caption", 65536)


def _conversation(chat: Json) -> str:
    return conversation(CHANNEL, str(_number(chat, "id")))


def _address(message: Json, chat: Json) -> dict[str, str]:
    address = {"chat": str(_number(chat, "id"))}
    if chat.get("is_forum") and isinstance(message.get("message_thread_id"), int):
        address["thread"] = str(message["message_thread_id"])
    return address


def _reaction(reaction: Json) -> Received:
    """The newest of it: a customer may have taken it back."""
    chat, emojis = inner(reaction, "chat"), [str(one.get("emoji")) for one in objects(reaction, "new_reaction")]
    rating = "up" if any(e in _UP for e in emojis) else "down" if any(e in _DOWN for e in emojis) else "none"
    name = f"{_number(chat, 'id')}:{_number(reaction, 'message_id')}"
    return Received(reactions=(Reaction(name, rating),))  # type: ignore[arg-type]  # one of the three words


def _attachments(message: Json) -> Iterator[Attachment]:
    for kind in _MEDIA:
        found = message.get(kind)
        one = found[-1] if isinstance(found, list) and found else found  # sizes of a photo, the largest last
        if isinstance(one, dict) and isinstance(one.get("file_id"), str):
            size = one.get("file_size")
            yield Attachment(
                _KINDS.get(kind, "video"),  # type: ignore[arg-type]  # one of its words
                one["file_id"][:500],
                text_in(one, "mime_type", 100) or ("image/jpeg" if kind == "photo" else ""),
                text_in(one, "file_name", 1000)[:200],
                size if isinstance(size, int) else None,
            )
            return  # an animation is a document as well
    told = inner(message, "location")
    if where := place(told.get("latitude"), told.get("longitude")):
        yield where
    if contact := inner(message, "contact"):
        yield Attachment("contact", text_in(contact, "phone_number", 40))


def _title(message: Json, data: str) -> str:
    """Of the button that was pressed, as its message shows it."""
    rows = inner(message, "reply_markup").get("inline_keyboard")
    rows = [row for row in rows if isinstance(row, list)] if isinstance(rows, list) else []
    buttons = (button for row in rows for button in row if isinstance(button, dict))
    return next((text_in(button, "text") for button in buttons if button.get("callback_data") == data), "")


def _who(sender: Json) -> dict[str, str]:
    parts = [str(sender[name]) for name in ("first_name", "last_name") if isinstance(sender.get(name), str)]
    language = sender.get("language_code")
    known = {"name": " ".join(parts)[:200], "locale": str(language)[:35] if isinstance(language, str) else ""}
    return {name: value for name, value in known.items() if value}


def _number(holder: Json, name: str) -> int:
    found = holder.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or abs(found) >= 2**53:
        raise Malformed(f"`{name}` must be a whole number.")
    return found
