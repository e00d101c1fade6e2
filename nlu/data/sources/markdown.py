"""Markdown with a front matter, split into sections at its headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from nlu.data.article import Article, Section, help_url, sections_of
from nlu.source import Node, did_you_mean, parse_yaml, read_text

_KEYS = ["title", "url", "intents", "questions"]
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


def read_markdown(path: Path) -> Article:
    """Raises DataError with file and line."""
    text = read_text(path)
    front, body, body_line = _split_front_matter(text, path)
    known = front.mapping("the front matter")
    for key, node in known.items():
        if key not in _KEYS:
            node.fail(f"unknown key '{key}' in the front matter.", did_you_mean(key, _KEYS))
    sections = tuple(_sections(body))
    if not sections:
        Node(None, path, body_line).fail("the article has no text.", "Write what the customer should read.")
    return Article(
        id=path.stem,
        title=_text(known, "title") or sections[0].heading or path.stem.replace("-", " "),
        url=_text(known, "url") if "url" in known else help_url(path.stem),
        intents=_texts(known, "intents"),
        questions=_texts(known, "questions"),
        sections=sections,
    )


def _split_front_matter(text: str, path: Path) -> tuple[Node, str, int]:
    lines = text.split("\n")
    if lines[0].strip() != "---":
        return Node({}, path, 1), text, 1
    for index, line in enumerate(lines[1:], 1):
        if line.strip() == "---":
            front = parse_yaml("\n".join(lines[1:index]), path, first_line=2)
            return front, "\n".join(lines[index + 1 :]), index + 2
    Node(None, path, 1).fail("the front matter does not end.", "Close it with a line '---'.")


def _sections(body: str) -> Iterator[Section]:
    heading, lines, fenced = "", list[str](), False
    for line in body.split("\n"):
        fenced ^= bool(_FENCE.match(line))
        match = None if fenced else _HEADING.match(line)
        if match is None:
            lines.append(line)
            continue
        yield from sections_of(heading, "\n".join(lines))
        heading, lines = match[1], []
    yield from sections_of(heading, "\n".join(lines))


def _text(known: dict[str, Node], key: str) -> str:
    return known[key].text(f"'{key}'").strip() if key in known else ""


def _texts(known: dict[str, Node], key: str) -> tuple[str, ...]:
    if key not in known:
        return ()
    return tuple(node.text(f"an entry of '{key}'").strip() for node in known[key].items(f"'{key}'"))
