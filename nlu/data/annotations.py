"""Rasa's entity annotations: `[Rome](city)`, `[Rome](city:IT-RM)`, `[Rome]{"entity": "city", "role": "to"}`."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from nlu.data.examples import Annotation
from nlu.source import Node, did_you_mean

_MARKED = re.compile(
    r"\[(?P<text>[^\]]+?)\](?:\((?P<entity>[^:)]+?)(?::(?P<value>[^)]+))?\)|(?P<one>\{[^}]+?\})|(?P<many>\[\{.*?\}\]))"
)
_HALF_MARKED = re.compile(r"\[[^\]]*\](\(|\{|\[\{)")
_KEYS = ["entity", "value", "role", "group"]


def parse_annotated(marked: str, place: Node) -> tuple[str, tuple[Annotation, ...]]:
    """The plain text and its entities. Raises DataError at `place` for a mark that does not parse."""
    plain: list[str] = []
    found: list[Annotation] = []
    length = last = 0
    for match in _MARKED.finditer(marked):
        between = _unmarked(marked[last : match.start()], place)
        start = length + len(between)
        length = start + len(match["text"])
        plain += [between, match["text"]]
        found += _entities(match, start, length, place)
        last = match.end()
    plain.append(_unmarked(marked[last:], place))
    return "".join(plain), tuple(found)


def _unmarked(text: str, place: Node) -> str:
    if half := _HALF_MARKED.search(text):
        place.fail(
            f"the annotation '{text[half.start() : half.start() + 40]}' does not parse.",
            'Write [text](entity) or [text]{"entity": "name", "value": "..."}.',
        )
    return text


def _entities(match: re.Match[str], start: int, end: int, place: Node) -> list[Annotation]:
    if match["entity"]:
        return [_annotation({"entity": match["entity"], "value": match["value"]}, match["text"], (start, end), place)]
    try:
        values = json.loads(match["one"] or match["many"])
    except ValueError:
        _not_json(match, place)
    entries = values if isinstance(values, list) else [values]
    return [_annotation(entry, match["text"], (start, end), place) for entry in entries]


def _not_json(match: re.Match[str], place: Node) -> NoReturn:
    place.fail(f"the annotation behind '[{match['text']}]' is not JSON.", 'Write {"entity": "name"} in double quotes.')


def _annotation(entry: dict[str, Any], text: str, span: tuple[int, int], place: Node) -> Annotation:
    for key in entry:
        if key not in _KEYS:
            place.fail(f"unknown key '{key}' in the annotation of '[{text}]'.", did_you_mean(key, _KEYS))
    if not isinstance(entry.get("entity"), str) or not entry["entity"].strip():
        place.fail(f"the annotation of '[{text}]' names no entity.", 'Add "entity": "name".')
    value, role, group = (None if entry.get(key) is None else str(entry[key]) for key in _KEYS[1:])
    return Annotation(*span, entry["entity"].strip(), None if value == text else value, role, group)
