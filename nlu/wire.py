"""What a chat server and the model service say to each other: MessagePack, made of the values as they are declared.

A field that one of the two does not know yet is left out or has its default: they may be of different versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

import msgspec
from msgspec import Meta

from nlu.types import Query, Understanding

PATH = "/understand"
CONTENT_TYPE = "application/vnd.msgpack"
MOST_TEXTS = 256
"""In one question."""
LARGEST_QUESTION = 4 * 1024 * 1024
"""Bytes."""
LONGEST = 600_000
"""Milliseconds."""


class Unreadable(ValueError):
    """Not what was agreed on; the sentence quotes nobody."""


@dataclass(frozen=True, slots=True)
class Question:
    texts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MOST_TEXTS)]
    milliseconds: Annotated[int, Meta(ge=0, le=LONGEST)]
    """How long an answer is waited for."""
    without_articles: frozenset[str] = frozenset()
    """As in Query."""
    searched: frozenset[int] = frozenset()
    """Numbers of the texts of which that is not true: their passages are looked for in any case."""

    @classmethod
    def of(cls, queries: Sequence[Query], milliseconds: int) -> Self:
        """All that name intents name the same: they have one assistant. Else one query's go along."""
        intents = next((query.without_articles for query in queries if query.without_articles), frozenset[str]())
        searched = (number for number, query in enumerate(queries) if query.without_articles != intents)
        return cls(tuple(query.text for query in queries), milliseconds, intents, frozenset(searched))

    def queries(self) -> list[Query]:
        return [
            Query(text) if number in self.searched else Query(text, self.without_articles)
            for number, text in enumerate(self.texts)
        ]


@dataclass(frozen=True, slots=True)
class Answer:
    model: str
    """Id of the model in use."""
    understood: tuple[Understanding, ...]
    """One per text, in order."""


Value = TypeVar("Value")

_encoder = msgspec.msgpack.Encoder()
_questions = msgspec.msgpack.Decoder(Question)
_answers = msgspec.msgpack.Decoder(Answer)


def packed(value: Question | Answer) -> bytes:
    return _encoder.encode(value)


def read_question(body: bytes) -> Question:
    """Raises Unreadable."""
    return _read(_questions, body)


def read_answer(body: bytes) -> Answer:
    """Raises Unreadable."""
    return _read(_answers, body)


def _read(decoder: msgspec.msgpack.Decoder[Value], body: bytes) -> Value:
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"Not what Frontdesk says to its model service ({error}).") from None
