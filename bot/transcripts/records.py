"""JSON objects as exports have them: messages, conversations with a list of messages, containers of conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.text import storable
from bot.transcripts import columns, writers
from bot.transcripts.chat_lines import said
from bot.transcripts.message import NO_TEXT, Items, LeftOut, Message, Way
from bot.transcripts.people import identity, people_of
from bot.transcripts.plain import plain
from bot.transcripts.rasa import Trackers, is_event
from bot.transcripts.times import seconds

_PART_NAMES = """
    messages message conversation_parts parts comments events turns utterances dialog dialogue history transcript
    chat chats thread threads conversation conversations tickets sessions trackers interactions item items results
    records data entries log payload content_items
"""
_PARTS = tuple(map(columns.bare, _PART_NAMES.split()))
_SINGLE = ("message", "payload")
"""One message, of which the object around tells more."""
_OPENINGS = ("source", "_source", "conversation_message", "first_message", "initial_message", "opening_message")
"""Where a conversation keeps its first message apart from the others."""
_TICKET = ("requester_id", "requester")
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Around:
    """What the objects around a message say of it."""

    conversation: str | None = None
    customer: str | None = None
    at: float | None = None
    known: frozenset[str] = field(default_factory=frozenset)
    """Ids, addresses and names of the customer, in lower case."""
    sender: str | None = None
    """Of a Rasa tracker."""
    depth: int = 0


class Records:
    """Reads the objects of one file."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._trackers = Trackers()
        self._described = False

    def read(self, value: Any, line: int, around: Around = Around()) -> Items:
        if isinstance(value, list):
            for item in value if around.depth <= _DEEPEST else ():
                yield from self.read(item, line, replace(around, depth=around.depth + 1))
        elif not isinstance(value, Mapping) or around.depth > _DEEPEST:
            yield LeftOut(line, NO_TEXT)
        elif is_event(value):
            yield from self._trackers.read(value, line, around.sender)
        elif parts := self._parts(value):
            inside = self._inside(value, around)
            if self._opens(value, parts):
                yield from self._message(value, line, inside)
            for part in parts:
                yield from self.read(part, line, inside)
        elif named := self._by_name(value):
            for name, conversation in named:
                yield from self.read(conversation, line, replace(around, conversation=name, depth=around.depth + 1))
        else:
            self._describe(value, around)
            yield from self._message(value, line, around)

    def _parts(self, record: Mapping[str, Any]) -> list[Any]:
        """The objects in which the messages are; none if it is a message itself."""
        inner = [(name, record[name]) for name in record if columns.bare(name) in _PARTS]
        listed = [part for _, value in inner if isinstance(value, list) for part in value if isinstance(part, Mapping)]
        if not listed and _text(record, self._way) is not None:
            return []
        opening = [record[name] for name in _OPENINGS if _has_text(record.get(name), self._way)]
        around = {name: value for name, value in record.items() if columns.bare(name) not in _PARTS}
        alone = [
            {**around, **value} if columns.bare(name) in _SINGLE else value
            for name, value in inner
            if isinstance(value, Mapping)
        ]
        return [*opening, *listed, *alone]

    def _opens(self, record: Mapping[str, Any], parts: list[Any]) -> bool:
        """Whether a ticket begins with a text that is not among its messages."""
        if not _is_ticket(record):
            return False
        own = _words(_text(record, self._way))
        said = [_words(_text(part, self._way)) for part in parts if isinstance(part, Mapping)]
        return bool(own) and not any(text and (own.startswith(text) or text.startswith(own)) for text in said)

    def _by_name(self, record: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """Conversations under their names: `{"c1": [...], "c2": [...]}`."""
        if not record or _text(record, self._way) is not None:
            return []
        holds = all(isinstance(value, list | Mapping) and value and _holds(value) for value in record.values())
        return list(record.items()) if holds else []

    def _inside(self, record: Mapping[str, Any], around: Around) -> Around:
        name = (
            None
            if _is_plural(record)
            else identity(columns.first("conversation", record, {})) or identity(record.get("id"))
        )
        people = list(people_of(record))
        customer = identity(columns.first("customer", record, {}))
        return replace(
            around,
            conversation=name or around.conversation,
            customer=customer or next(iter(people), around.customer),
            at=seconds(columns.first("time", record, {})) or around.at,
            known=around.known | {person.casefold() for person in people},
            sender=identity(record.get("sender_id")) or around.sender,
            depth=around.depth + 1,
        )

    def _message(self, record: Mapping[str, Any], line: int, around: Around) -> Items:
        text = _text(record, self._way)
        if text is None:
            yield from self._log(record, line, around)
            return
        writer, name = writers.of_record(record, self._way, around.known)
        given = self._way.columns
        conversation, name_of_it, customer = (
            identity(columns.first(field, record, given)) for field in ("conversation", "message", "customer")
        )
        yield Message(
            line,
            plain(text),
            writer,
            name,
            conversation=conversation or around.conversation,
            id=name_of_it,
            at=seconds(columns.first("time", record, given)) or around.at,
            customer=around.customer or customer,
        )

    def _describe(self, record: Mapping[str, Any], around: Around) -> None:
        if not self._described and _text(record, self._way) is not None:
            self._described = True
            inside = around.conversation is not None
            self._way.remarks.append(columns.described(record, self._way.columns, inside=inside))

    def _log(self, record: Mapping[str, Any], line: int, around: Around) -> Items:
        """A conversation in one text, line by line."""
        inside = self._inside(record, around)
        logs = (value for name, value in record.items() if columns.bare(name) in columns.BARE_TRANSCRIPTS)
        text = storable(next((value for value in logs if isinstance(value, str)), ""))
        lines = said(plain(text), self._way.customers | inside.known)
        if not lines:
            yield LeftOut(line, NO_TEXT)
        for one, writer in lines:
            yield Message(
                line,
                one.text,
                writer,
                one.who,
                conversation=inside.conversation,
                id=f"{one.number}",
                at=inside.at,
                customer=inside.customer,
            )


def _is_plural(record: Mapping[str, Any]) -> bool:
    """Whether it is a container, whose id is no conversation's."""
    holds = any(isinstance(record.get(name), list) for name in ("conversations", "tickets", "chats", "trackers"))
    return holds and not _is_ticket(record)


def _is_ticket(record: Mapping[str, Any]) -> bool:
    return any(name in record for name in _TICKET)


def _has_text(value: Any, way: Way) -> bool:
    return isinstance(value, Mapping) and _text(value, way) is not None


def _text(record: Mapping[str, Any], way: Way) -> str | None:
    """Also of `{"text": {"body": "hello"}}`."""
    for name in columns.found("text", record, way.columns):
        value = record[name]
        if isinstance(value, Mapping):
            value = next((value[key] for key in ("text", "body", "content", "plain") if key in value), None)
        if isinstance(value, list):
            value = _joined(value)
        if isinstance(value, str):
            return storable(value)
    return None


def _joined(blocks: list[Any]) -> str | None:
    """`[{"type": "text", "text": "hello"}, {"type": "image", ...}]`."""
    texts = [block["text"] for block in blocks if isinstance(block, Mapping) and isinstance(block.get("text"), str)]
    return "\n".join(texts) if texts else None


def _words(text: str | None) -> str:
    return " ".join(plain(text or "").split())


def _holds(value: Any) -> bool:
    """Whether it is an object, or a list of some."""
    return isinstance(value, Mapping) or any(isinstance(item, Mapping) for item in value)
