"""What no database can store is replaced here, and nowhere else: NUL and lone surrogates become U+FFFD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from orjson import Fragment

REPLACEMENT = "\ufffd"
INT64 = range(-(2**63), 2**64)
DEPTH = 100


def storable(text: str) -> str:
    """The text as PostgreSQL, SQLite, JSON and UTF-8 can all hold it. Split surrogate pairs are joined."""
    if "\0" in text:
        text = text.replace("\0", REPLACEMENT)
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class Written(str):
    """JSON text: made once, kept in several places."""

    __slots__ = ()


def dumps(value: Any) -> str:
    """JSON of anything: what JSON cannot say is written as text, and what is written already stays as it is."""
    if isinstance(value, Written):
        return value
    try:
        raw = orjson.dumps(value, default=_plain)
    except TypeError:
        raw = b"\\u0000"
    if b"\\u0000" in raw:
        raw = orjson.dumps(_storable_json(value))
    return raw.decode()


def fragment(value: Any) -> Fragment:
    """JSON made once, to be a part of more than one whole."""
    return Fragment(dumps(value))


def loads(raw: str) -> Any:
    return orjson.loads(raw)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def _storable_json(value: Any, depth: int = 0) -> Any:  # noqa: PLR0911  one line a JSON type
    if isinstance(value, str):
        return storable(value)
    if value is None or isinstance(value, bool | float | Fragment):
        return value
    if isinstance(value, int):
        return value if value in INT64 else str(value)
    if depth > DEPTH:
        return REPLACEMENT
    if isinstance(value, Mapping):
        return {storable(str(key)): _storable_json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable_json(item, depth + 1) for item in value]
    return storable(str(value))
