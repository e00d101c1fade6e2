"""What Slack tells: events of its Events API, and presses. https://docs.slack.dev/apis/events-api"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bot.channels.received import Attachment, Message, Reaction, Received, conversation
from bot.messages import Json
from bot.wire import ID_CHARS, inner, needed_text, objects, text_in

CHANNEL = "slack"
_IGNORED = {"message_deleted": "deleted", "channel_join": "membership", "bot_message": "own"}
_KINDS = {"image": "image", "audio": "audio", "video": "video"}
_UP, _DOWN = ("+1", "thumbsup", "heart", "tada", "pray"), ("-1", "thumbsdown", "disappointed", "rage")
_LINK = re.compile(r"<(?P<kind>[@#!]?)(?P<to>[^<>|]{1,3000})(?:\|(?P<label>[^<>]{0,3000}))?>")


@dataclass(frozen=True, slots=True)
class Events:
    bot: str
    """The bot's user id; empty if nobody said."""

    def event(self, outer: Json) -> Received:
        """Of an event_callback."""
        event = inner(outer, "event")
        kind = event.get("type")
        if kind in ("message", "app_mention"):
            return self._message(outer, event)
        if kind in ("reaction_added", "reaction_removed"):
            return _reaction(event)
        return Received(ignored=("other",))

    def _message(self, outer: Json, event: Json) -> Received:
        """A mention in a channel comes twice, as a message and as a mention: the time is the id of both."""
        subtype = str(event.get("subtype") or "")
        edited = subtype == "message_changed"
        said = inner(event, "message") if edited else event
        if reason := self._foreign(event, said, subtype, edited):
            return Received(ignored=(reason,))
        where, at = needed_text(event, "channel"), needed_text(said, "ts")
        name, edits = f"{where}:{at}", {}
        if edited:
            edits, name = {"edits": name}, f"{name}:edit:{needed_text(event, 'ts')}"
        thread = text_in(said, "thread_ts") or ("" if where.startswith("D") else at)  # an answer begins the thread
        message = Message(
            self.conversation(needed_text(said, "user"), where, thread),
            name,
            {"channel": where} | ({"thread": thread} if thread else {}),
            text=plain(text_in(said, "text", 65536), self.bot),
            attachments=tuple(_attachments(said)),
            at=seconds(at),
            metadata={"user": text_in(said, "user"), "team": text_in(outer, "team_id"), **edits},
        )
        if not message.text and not message.attachments:
            return Received(ignored=("other",))
        return Received((message,))

    def _foreign(self, event: Json, said: Json, subtype: str, edited: bool) -> str | None:
        """Why nobody waits for an answer, or None."""
        if said.get("bot_id") or not said.get("user") or said.get("user") == self.bot:
            return _IGNORED.get(subtype, "own")
        if subtype not in ("", "file_share", "thread_broadcast", "message_changed"):
            return _IGNORED.get(subtype, "other")
        if edited and inner(event, "previous_message").get("text") == said.get("text"):
            return "unfurled"  # Slack itself changed it, to show a link's page
        alone = event.get("channel_type") == "im" or event.get("type") == "app_mention"
        called = bool(self.bot) and f"<@{self.bot}>" in text_in(said, "text", 65536)
        return None if alone or called else "not_for_us"

    def conversation(self, user: str, where: str, thread: str) -> str:
        """A direct chat is one conversation; in a channel each thread is, and each person in it."""
        return conversation(CHANNEL, where, *([] if where.startswith("D") else [thread, user]))

    def press(self, payload: Json) -> Received:
        """Of block_actions. Actions that are not ours name nothing."""
        messages = []
        for action in objects(payload, "actions"):
            option = inner(action, "selected_option")
            value = text_in(action, "value", 2000) or text_in(option, "value", 2000)
            title = inner(action, "text") or inner(option, "text")
            container, where = inner(payload, "container"), needed_text(inner(payload, "channel"), "id")
            thread = text_in(container, "thread_ts")
            user = needed_text(inner(payload, "user"), "id")
            address = {"channel": where} | ({"thread": thread} if thread else {})
            messages.append(
                Message(
                    self.conversation(user, where, thread),
                    f"{needed_text(action, 'action_ts')}:{value}"[:ID_CHARS],
                    address,
                    text=text_in(title, "text", 3000),
                    press=value,
                    metadata={"user": user, "team": text_in(inner(payload, "team"), "id")},
                )
            )
        return Received(tuple(messages), ignored=() if messages else ("other",))


def plain(text: str, bot: str) -> str:
    """What people see: links by their addresses, mentions by their names, the bot's own name left out.

    https://docs.slack.dev/messaging/formatting-message-text
    """

    def shown(found: re.Match[str]) -> str:
        kind, to, label = found["kind"], found["to"], found["label"]
        if kind == "@" and to == bot:
            return ""
        return (label or to) if not kind else f"{'' if kind == '!' else kind}{label or to}"

    text = _LINK.sub(shown, text)
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def _attachments(said: Json) -> Iterator[Attachment]:
    for file in objects(said, "files")[:20]:
        kind = text_in(file, "mimetype")
        url = text_in(file, "url_private_download", 2000) or text_in(file, "url_private", 2000)
        size = file.get("size")
        if url:
            whole = size if isinstance(size, int) else None
            yield Attachment(_KINDS.get(kind.partition("/")[0], "file"), url, kind, text_in(file, "name"), whole)  # type: ignore[arg-type]


def _reaction(event: Json) -> Received:
    name, item = text_in(event, "reaction").partition("::")[0], inner(event, "item")
    rating = "up" if name in _UP else "down" if name in _DOWN else None
    if rating is None or item.get("type") != "message":
        return Received(ignored=("reaction",))
    rating = rating if event.get("type") == "reaction_added" else "none"
    where = f"{needed_text(item, 'channel')}:{needed_text(item, 'ts')}"
    return Received(reactions=(Reaction(where, rating),))  # type: ignore[arg-type]  # one of the three words


def seconds(at: str) -> float | None:
    return float(at) if re.fullmatch(r"\d{1,11}\.\d{1,9}", at) else None
