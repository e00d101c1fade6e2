"""What Teams tells a bot: activities of the Bot Framework.

https://github.com/microsoft/Agents/blob/main/specs/activity/protocol-activity.md
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

from bot.channels.received import JOINED, Attachment, Message, Reaction, Received, Reply, conversation
from bot.messages import Json
from bot.wire import Malformed, inner, object_or_empty, objects, text_field

CHANNEL = "teams"
KEY = "frontdesk"
"""In the value of our buttons: what the pressed one is called."""
ATTACHMENTS = 20
ID_CHARS = 200
_FILE = "application/vnd.microsoft.teams.file.download.info"
_PRESS = re.compile(r"[0-9a-f-]{1,40}")
_TAG = re.compile(r"</?at[^<>]{0,200}>")
_RATINGS: dict[str, Literal["up", "down"]] = {"like": "up", "heart": "up", "sad": "down", "angry": "down"}
_IGNORED = {
    "messageDelete": Received(ignored=("deleted",)),
    "invoke": Received(ignored=("invoke",), reply=Reply(body=b"{}", content_type="application/json")),
}


def tenant_of(activity: Json) -> str | None:
    named = inner(activity, "conversation").get("tenantId") or inner(inner(activity, "channelData"), "tenant").get("id")
    return named if isinstance(named, str) else None


@dataclass(frozen=True, slots=True)
class Activities:
    """Of one bot."""

    app: str

    def received(self, activity: Json) -> Received:
        """Raises Malformed."""
        match activity.get("type"):
            case "message":
                return self._said(activity)
            case "messageUpdate":
                return self._edited(activity)
            case "messageReaction":
                return self._reacted(activity)
            case "conversationUpdate":
                return self._joined(activity)
            case kind:
                return _IGNORED.get(str(kind), Received(ignored=("other",)))

    def _said(self, activity: Json) -> Received:
        if self._is_us(inner(activity, "from")):
            return Received(ignored=("own",))
        name, text, press = text_field(activity, "id", longest=ID_CHARS), self._text(activity), _press(activity)
        if press is not None:
            return Received((self._message(activity, f"press:{press}", text=text, press=press),))
        attachments = tuple(filter(None, map(_attachment, objects(activity, "attachments")[:ATTACHMENTS])))
        if not text and not attachments:
            return Received(ignored=("empty",))
        return Received((self._message(activity, name, text=text, attachments=attachments),))

    def _edited(self, activity: Json) -> Received:
        """Every edit has the id of the message."""
        text = self._text(activity)
        if inner(activity, "channelData").get("eventType") != "editMessage" or not text:
            return Received(ignored=("updated",))
        name = text_field(activity, "id", longest=ID_CHARS)
        edit = f"{name}:edit:{sha256(text.encode('utf-8', 'replace')).hexdigest()[:16]}"
        return Received((self._message(activity, edit, text=text, edits=name),))

    def _reacted(self, activity: Json) -> Received:
        """Who changes a reaction adds one and removes one."""
        ours = f"{_id(activity)}:{text_field(activity, 'replyToId', longest=ID_CHARS)}"
        added = [_RATINGS[kind] for kind in _kinds(activity, "reactionsAdded") if kind in _RATINGS]
        removed = [kind for kind in _kinds(activity, "reactionsRemoved") if kind in _RATINGS]
        if not added and not removed:
            return Received(ignored=("reaction",))
        return Received(reactions=(Reaction(ours, added[-1] if added else "none"),))

    def _joined(self, activity: Json) -> Received:
        """In a team or a group chat nobody asked for a greeting."""
        personal = inner(activity, "conversation").get("conversationType") == "personal"
        if not personal or not any(self._is_us(member) for member in objects(activity, "membersAdded")):
            return Received(ignored=("members",))
        return Received((self._message(activity, text_field(activity, "id", longest=ID_CHARS), payload=JOINED),))

    def _message(
        self,
        activity: Json,
        name: str,
        *,
        text: str = "",
        press: str | None = None,
        payload: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        edits: str = "",
    ) -> Message:
        there, sender = _id(activity), inner(activity, "from")
        service = text_field(activity, "serviceUrl", longest=400)
        told = {"name": sender.get("name"), "user": sender.get("aadObjectId"), "locale": activity.get("locale")}
        metadata = {key: value[:200] for key, value in told.items() if isinstance(value, str)}
        return Message(
            conversation_id=conversation(CHANNEL, tenant_of(activity) or "", there),
            id=name,
            address={"service": service, "conversation": there, "bot": _text_in(inner(activity, "recipient"), "id")},
            text=text,
            press=press,
            payload=payload,
            attachments=attachments,
            metadata=metadata | ({"edits": edits} if edits else {}),
        )

    def _text(self, activity: Json) -> str:
        """Without the mention that called the bot; others keep their names."""
        text = _text_in(activity, "text")
        for entity in objects(activity, "entities")[:ATTACHMENTS]:
            if entity.get("type") == "mention" and self._is_us(inner(entity, "mentioned")):
                text = text.replace(_text_in(entity, "text") or "\0", " ")
        text = _TAG.sub("", text).replace("&nbsp;", " ")
        return (html.unescape(text) if activity.get("textFormat") == "xml" else text).strip()

    def _is_us(self, account: Json) -> bool:
        return _text_in(account, "id").removeprefix("28:") == self.app


def _id(activity: Json) -> str:
    name = text_field(inner(activity, "conversation"), "id", longest=ID_CHARS)
    if not name:
        raise Malformed("`conversation` has no `id`.")
    return name


def _press(activity: Json) -> str | None:
    """Set by our buttons alone: what people type comes as a text."""
    value = activity.get("value")
    data = object_or_empty(value.encode("utf-8", "replace")) if isinstance(value, str) else inner(activity, "value")
    press = data.get(KEY)
    return press if isinstance(press, str) and _PRESS.fullmatch(press) else None


def _attachment(data: Json) -> Attachment | None:
    """None for what is no file: the text once more as HTML, a card."""
    kind, name = _text_in(data, "contentType"), _text_in(data, "name")[:200]
    url = inner(data, "content").get("downloadUrl") if kind == _FILE else data.get("contentUrl")
    if not isinstance(url, str) or not re.fullmatch(r"https?://\S{1,4000}", url):
        return None
    if kind.startswith("image/"):
        return Attachment("image", url, kind[:100], name)
    return Attachment("file", url, "" if kind == _FILE else kind[:100], name)


def _kinds(activity: Json, field: str) -> list[str]:
    return [_text_in(one, "type") for one in objects(activity, field)[:ATTACHMENTS]]


def _text_in(data: Json, name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
