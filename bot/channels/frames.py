"""The widget protocol's frames as values: bytes in, values out, and back. No I/O; see docs/protocol.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from bot.messages import Author, Button, Command, Entry
from bot.wire import Malformed, clean_text, int_field, read_object, text_field

Json = dict[str, Any]

_ID_CHARS = 64
_HISTORY_ENTRIES = 200
_PAGE_BYTES = 16 * 1024
"""Of an `entries` frame, if it holds more than one: over a slow line it has to arrive before the client gives up."""
_HISTORY_BYTES = 256 * 1024


class Refused(Exception):
    """An `error` frame for the client."""

    def __init__(self, code: str, message: str, retry_after: float | None = None, about: str | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.retry_after = code, message, retry_after
        self.about = about
        """Id of the message that is refused."""


@dataclass(frozen=True, slots=True)
class Hello:
    token: str | None
    epoch: str | None
    last_seq: int
    locale: str
    page: str
    customer: str = ""
    """A token that says who is signed in on the page."""


@dataclass(frozen=True, slots=True)
class Say:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Press:
    id: str
    seq: int
    button: int
    card: int | None


@dataclass(frozen=True, slots=True)
class Control:
    id: str
    command: Command


@dataclass(frozen=True, slots=True)
class Rate:
    seq: int
    value: Literal["up", "down", "none"]


@dataclass(frozen=True, slots=True)
class Look:
    """A request for older entries."""

    before: int
    limit: int


@dataclass(frozen=True, slots=True)
class Ping:
    pass


Message = Say | Press | Control
Frame = Hello | Message | Rate | Look | Ping


def parse(data: str | bytes, *, depth: int, longest: int) -> Frame:
    """A client's frame. `longest` is the longest text in characters. Raises Refused with a code of the protocol."""
    if isinstance(data, bytes):
        raise Refused("bad_frame", "Text frames only.")
    frame: Json = {}
    try:
        frame = read_object(data, depth)
        reader = _READERS.get(str(frame.get("type")))
        if reader is None:
            raise Malformed("Unknown frame type.")
        return reader(frame, longest)
    except Malformed as problem:
        raise Refused("bad_frame", str(problem), about=_id(frame)) from None
    except Refused as refusal:
        refusal.about = _id(frame)
        raise


def _id(frame: Json) -> str | None:
    given = frame.get("id")
    return given if isinstance(given, str) and len(given) <= _ID_CHARS else None


def error(refusal: Refused) -> Json:
    frame: Json = {"type": "error", "code": refusal.code, "message": refusal.message}
    if refusal.about:
        frame["id"] = refusal.about
    if refusal.retry_after is not None:
        frame["retry_after"] = round(refusal.retry_after, 2)
    return frame


def entry(entry: Entry) -> Json:
    """An entry as customers may see it: what buttons mean and where custom data goes stays here."""
    message = entry.message
    seen: Json = {
        "seq": entry.seq,
        "author": entry.author.value,
        "at": entry.at,
        "reply_to": entry.reply_to,
        "part": entry.part,
        "text": message.text,
        "buttons": _titles(message.buttons),
        "image": message.image,
        "cards": [
            {"title": c.title, "subtitle": c.subtitle, "image": c.image, "url": c.url, "buttons": _titles(c.buttons)}
            for c in message.cards
        ],
        "source": {"title": message.source.title, "url": message.source.url} if message.source else None,
        "rateable": message.rateable,
        "rating": entry.rating,
    }
    if entry.author is Author.USER:
        seen["id"] = entry.message_id
    return seen


def pages(entries: Iterable[Entry], more: bool) -> Iterator[tuple[Json, int]]:
    """`entries` frames, each with the number of its last entry. `more`: there will be others after these."""
    page: list[orjson.Fragment] = []
    size = last = 0
    for this in entries:
        told = orjson.dumps(entry(this))
        if page and size + len(told) > _PAGE_BYTES:
            yield {"type": "entries", "entries": page, "more": True}, last
            page, size = [], 0
        page.append(orjson.Fragment(told))
        size, last = size + len(told), this.seq
    if page:
        yield {"type": "entries", "entries": page, "more": more}, last


def history(entries: Sequence[Entry]) -> Json:
    """The newest of them, as many as fit into a frame."""
    told: list[orjson.Fragment] = []
    size, first = 0, 1
    for this in reversed(entries):
        one = orjson.dumps(entry(this))
        size += len(one)
        if told and size > _HISTORY_BYTES:
            break
        told.append(orjson.Fragment(one))
        first = this.seq
    return {"type": "history", "entries": told[::-1], "more": first > 1}


def _titles(buttons: tuple[Button, ...]) -> list[str]:
    return [button.title for button in buttons]


def _hello(frame: Json, longest: int) -> Hello:
    return Hello(
        _optional(frame, "token", 512),
        _optional(frame, "epoch", 64),
        int_field(frame, "last_seq", default=0),
        clean_text(_optional(frame, "locale", 35) or ""),
        clean_text(_optional(frame, "page", 2000) or ""),
        _optional(frame, "customer", 2000) or "",
    )


def _optional(frame: Json, name: str, longest: int) -> str | None:
    return None if frame.get(name) is None else text_field(frame, name, longest=longest)


def _message(frame: Json, longest: int) -> Message:
    message_id = clean_text(text_field(frame, "id", longest=_ID_CHARS))
    if not message_id:
        raise Malformed("`id` is empty.")
    kinds = [kind for kind in ("text", "press", "command") if frame.get(kind) is not None]
    if len(kinds) != 1:
        raise Malformed("Exactly one of `text`, `press`, `command` is expected.")
    if kinds == ["text"]:
        return Say(message_id, _text(frame, longest))
    if kinds == ["press"]:
        return _press(message_id, frame["press"])
    try:
        return Control(message_id, Command(frame["command"]))
    except ValueError:
        raise Malformed("Unknown command.") from None


def _text(frame: Json, longest: int) -> str:
    if not isinstance(frame["text"], str):
        raise Malformed("`text` must be text.")
    text = clean_text(frame["text"])
    if len(text) > longest:
        raise Refused("too_long", f"A message has at most {longest} characters.")
    if not text:
        raise Refused("empty", "The message is empty.")
    return text


def _press(message_id: str, press: Any) -> Press:
    if not isinstance(press, dict):
        raise Malformed("`press` must be an object.")
    card = None if press.get("card") is None else int_field(press, "card")
    return Press(message_id, int_field(press, "seq"), int_field(press, "button"), card)


def _rate(frame: Json, longest: int) -> Rate:
    value = text_field(frame, "value", longest=8)
    if value not in ("up", "down", "none"):
        raise Malformed("`value` must be up, down or none.")
    return Rate(int_field(frame, "seq"), cast(Literal["up", "down", "none"], value))


def _look(frame: Json, longest: int) -> Look:
    limit = min(max(int_field(frame, "limit", default=50), 1), _HISTORY_ENTRIES)
    return Look(int_field(frame, "before"), limit)


def _ping(frame: Json, longest: int) -> Ping:
    return Ping()


_READERS: Mapping[str, Callable[[Json, int], Frame]] = {
    "hello": _hello,
    "message": _message,
    "feedback": _rate,
    "history": _look,
    "ping": _ping,
}
