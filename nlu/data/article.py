"""An article of the knowledge base, whatever it was read from: title, link, and sections that each make sense alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

LONGEST = 1500
"""Characters of a passage: about what the encoder reads, and what a customer reads in a chat."""
_FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    """Empty for what stands before the first heading."""
    text: str
    """Markdown."""


@dataclass(frozen=True, slots=True)
class Article:
    id: str
    """In Markdown, HTML and PDF the file's name without the suffix."""
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


def sections_of(heading: str, text: str) -> Iterator[Section]:
    """One section, or several of the same heading where the text is too long for one; none without text."""
    piece = ""
    for paragraph in _paragraphs(text):
        if piece and len(piece) + len(paragraph) > LONGEST:
            yield Section(heading, piece)
            piece = ""
        piece = f"{piece}\n\n{paragraph}" if piece else paragraph
    if piece:
        yield Section(heading, piece)


def _paragraphs(text: str) -> Iterator[str]:
    """What blank lines part, but never within a fence."""
    lines, fenced = list[str](), False
    for line in text.strip().split("\n"):
        fenced ^= bool(_FENCE.match(line))
        if line.strip() or fenced:
            lines.append(line)
            continue
        yield from _whole("\n".join(lines))
        lines = []
    yield from _whole("\n".join(lines))


def _whole(paragraph: str) -> Iterator[str]:
    """A paragraph without an end is parted where a sentence or a word ends."""
    while len(paragraph) > 2 * LONGEST:
        cut = max(paragraph.rfind(mark, LONGEST // 2, LONGEST) for mark in (". ", "\n", " "))
        cut = cut + 1 if cut > 0 else LONGEST
        yield paragraph[:cut].strip()
        paragraph = paragraph[cut:].strip()
    if paragraph.strip():
        yield paragraph


def help_url(article: str) -> str:
    """Where the service itself shows an article that is nowhere else."""
    return f"/help/{article}"


def slug(text: str) -> str:
    """Lower-case words with dashes, for ids and addresses; letters of any script stay."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "-".join(re.findall(r"\w+", plain))[:80].strip("-_")
