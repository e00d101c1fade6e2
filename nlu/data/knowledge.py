"""Knowledge-base articles: Markdown files with a front matter, split into passages at their headings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nlu.source import Node, did_you_mean, parse_yaml, read_text

_KEYS = ["title", "url", "intents", "questions"]
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    """Empty for what stands before the first heading."""
    text: str


@dataclass(frozen=True, slots=True)
class Article:
    id: str
    """The file's name without the suffix."""
    title: str
    url: str
    intents: tuple[str, ...]
    """Intents whose questions the article answers."""
    questions: tuple[str, ...]
    """How customers ask for it."""
    sections: tuple[Section, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Article:
        return cls(
            **{name: values[name] for name in ("id", "title", "url")},
            intents=tuple(values["intents"]),
            questions=tuple(values["questions"]),
            sections=tuple(Section(**section) for section in values["sections"]),
        )


def read_article(path: Path) -> Article:
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
        url=_text(known, "url"),
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
        yield from _section(heading, lines)
        heading, lines = match[1], []
    yield from _section(heading, lines)


def _section(heading: str, lines: list[str]) -> Iterator[Section]:
    text = "\n".join(lines).strip()
    if text:
        yield Section(heading, text)


def _text(known: dict[str, Node], key: str) -> str:
    return known[key].text(f"'{key}'").strip() if key in known else ""


def _texts(known: dict[str, Node], key: str) -> tuple[str, ...]:
    if key not in known:
        return ()
    return tuple(node.text(f"an entry of '{key}'").strip() for node in known[key].items(f"'{key}'"))
