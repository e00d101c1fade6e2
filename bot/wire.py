"""JSON from strangers: bounded in depth and size, and always a dictionary or a refusal."""

from __future__ import annotations

import json
from typing import Any

import orjson

from bot.text import dumps, loads


class Malformed(ValueError):
    """Not the JSON object that was asked for; the message is a sentence for the sender."""


def read_object(data: str | bytes, max_depth: int) -> dict[str, Any]:
    raw = data.encode("utf-8", "replace") if isinstance(data, str) else data
    if raw.count(b"{") + raw.count(b"[") > max_depth and depth(raw) > max_depth:
        raise Malformed(f"JSON nested deeper than {max_depth} levels.")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _with_lone_surrogates(raw)
    if not isinstance(value, dict):
        raise Malformed("A JSON object is expected.")
    return value


def _no_json(name: str) -> Any:
    raise ValueError(name)  # NaN and the like, which Python reads and JSON has not


def _with_lone_surrogates(raw: bytes) -> Any:
    """Half an emoji, cut off by somebody's text field, is no reason to refuse a message; orjson does."""
    try:
        return loads(dumps(json.loads(raw, parse_constant=_no_json)))
    except (ValueError, RecursionError):
        raise Malformed("Not valid JSON.") from None


def depth(raw: bytes) -> int:
    """Deepest nesting of JSON text, found without parsing it. Brackets within strings do not count."""
    level = deepest = 0
    in_string = escaped = False
    for byte in raw:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in (0x5B, 0x7B):
            level += 1
            deepest = max(deepest, level)
        elif byte in (0x5D, 0x7D):
            level -= 1
    return deepest


def clean_text(text: str) -> str:
    """A customer's text as it is kept: no lone surrogates, no control characters but newline and tab, trimmed."""
    if text.isprintable():
        return text.strip()
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(c for c in whole if c in "\n\t" or (c >= " " and c != "\x7f")).strip()


def text_field(data: dict[str, Any], name: str, *, longest: int, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str):
        raise Malformed(f"`{name}` must be text.")
    if len(value) > longest:
        raise Malformed(f"`{name}` is longer than {longest} characters.")
    return value


def int_field(data: dict[str, Any], name: str, *, default: int | None = None) -> int:
    value = data.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**53:
        raise Malformed(f"`{name}` must be a whole number from 0.")
    return value


def inner(data: dict[str, Any], name: str) -> dict[str, Any]:
    """The object of that name, or an empty one."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def objects(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in the list of that name; none if it is no list."""
    value = data.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def object_or_empty(data: bytes, max_depth: int = 32) -> dict[str, Any]:
    """Of somebody whose answer may be anything."""
    try:
        return read_object(data, max_depth)
    except Malformed:
        return {}


ID_CHARS = 250
"""Of names that others give to things."""


def text_in(data: dict[str, Any], name: str, longest: int = ID_CHARS) -> str:
    """The text of that name; empty if it is not there, is none, or is too long."""
    value = data.get(name)
    return value if isinstance(value, str) and len(value) <= longest else ""


def needed_text(data: dict[str, Any], name: str) -> str:
    """The same. Raises Malformed if it is empty."""
    value = text_in(data, name)
    if not value:
        raise Malformed(f"`{name}` must be text.")
    return value
