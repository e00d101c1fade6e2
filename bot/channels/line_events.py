"""What LINE tells. https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.channels.received import JOINED, Attachment, Message, Received, conversation, place
from bot.messages import Json
from bot.wire import Malformed, inner, needed_text, objects, text_in

CHANNEL = "line"
_MEDIA = {"image": "image", "audio": "audio", "video": "video", "file": "file"}
_IGNORED = ("unfollow", "join", "leave", "memberJoined", "memberLeft", "unsend")


@dataclass(slots=True)
class Events:
    """Collects what one request tells."""

    messages: list[Message] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)

    def read(self, event: Json) -> Received:
        for one in objects(event, "events"):
            try:
                self._one(one)
            except Malformed:  # it must not keep the others of its request from being taken
                self.ignored.append("malformed")
        return Received(tuple(self.messages), ignored=tuple(self.ignored))

    def _one(self, event: Json) -> None:
        kind = event.get("type")
        if event.get("mode") == "standby":  # another service has the chat
            self.ignored.append("standby")
        elif kind == "message":
            self._message(event, inner(event, "message"))
        elif kind == "postback":
            self._said(event, "", press=text_in(inner(event, "postback"), "data", 300))
        elif kind == "follow":
            self._said(event, "", payload=JOINED)
        else:
            self.ignored.append("membership" if kind in _IGNORED[:5] else "deleted" if kind == "unsend" else "other")

    def _message(self, event: Json, message: Json) -> None:
        text, attachments = text_in(message, "text", 20000), tuple(_attachments(message))
        if not text and not attachments:
            self.ignored.append("other")
        elif inner(event, "source").get("type") != "user" and not _mentioned(message):
            self.ignored.append("not_for_us")
        else:
            self._said(event, _without_us(text, message), attachments=attachments)

    def _said(
        self,
        event: Json,
        text: str,
        *,
        press: str | None = None,
        payload: str | None = None,
        attachments: tuple[Attachment, ...] = (),
    ) -> None:
        source, at = inner(event, "source"), event.get("timestamp")
        where = text_in(source, "groupId") or text_in(source, "roomId") or needed_text(source, "userId")
        seconds = at / 1000 if isinstance(at, int) and 0 <= at < 2**53 else None
        address = {"to": where}
        if (token := text_in(event, "replyToken")) and seconds is not None:
            address |= {"token": token, "token_at": f"{seconds:.3f}"}
        self.messages.append(
            Message(
                conversation(CHANNEL, where),
                needed_text(event, "webhookEventId"),
                address,
                text=text,
                press=press,
                payload=payload,
                attachments=attachments,
                at=seconds,
                metadata={"user": text_in(source, "userId")},
            )
        )


def _mentioned(message: Json) -> bool:
    return any(one.get("isSelf") is True for one in objects(inner(message, "mention"), "mentionees"))


def _without_us(text: str, message: Json) -> str:
    """The name by which a group calls the account is no part of what it says. Places are UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    for one in sorted(objects(inner(message, "mention"), "mentionees"), key=_index, reverse=True):
        start, length = one.get("index"), one.get("length")
        if one.get("isSelf") is True and isinstance(start, int) and isinstance(length, int) and min(start, length) >= 0:
            units = units[: start * 2] + units[(start + length) * 2 :]
    return units.decode("utf-16-le", "replace").strip()


def _index(mentionee: Json) -> int:
    index = mentionee.get("index")
    return index if isinstance(index, int) else -1


def _attachments(message: Json) -> Iterator[Attachment]:
    kind, size = str(message.get("type")), message.get("fileSize")
    if kind in _MEDIA:
        whole = size if isinstance(size, int) else None
        yield Attachment(_MEDIA[kind], needed_text(message, "id"), name=text_in(message, "fileName"), size=whole)  # type: ignore[arg-type]
    elif kind == "sticker":
        words = message.get("keywords")
        name = str(words[0])[:60] if isinstance(words, list) and words else ""
        yield Attachment("sticker", text_in(message, "stickerId"), name=name)
    elif kind == "location":
        where = place(message.get("latitude"), message.get("longitude"), text_in(message, "address"))
        yield from [where] if where else []
