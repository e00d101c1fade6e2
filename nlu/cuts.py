"""Where a text that makes several requests may be cut in two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nlu.types import Entity

MOST_CUTS = 12
"""Places tried in one text; of more, those nearest to its middle."""
READ_AGAIN = 2400
"""Characters that the parts of one text may have together: of a long text fewer cuts are tried."""
MAX_CHARACTERS = 1000
"""Whoever writes more tells a story, and is not cut into pieces."""
STOPS = tuple(".!?;:,…。！？；，")

_WORD = re.compile(r"\w[\w'’-]+")
_SHORT = re.compile(
    r"(?<![^\s(])(?:e\.g|i\.e|dr|mr|mrs|ms|prof|st|approx|vs|resp|incl|(?P<counting>nos?|nr|art|fig|p|pp|tel|ca))\.,?$",
    re.IGNORECASE,
)
_LONGEST_SHORT = 10
"""More characters than an abbreviation has, with what stands before it."""
_GAP = re.compile(r"\s+|(?<=[。！？；，])(?=\w)")
_JOINING = re.compile(
    r"""(?:(?:
        and|adn|also|plus|but|then|oh|ah|btw|besides|moreover|additionally|furthermore|secondly|n|&|\+|/|-|–|—
        |by\ the\ way|as\ well\ as|in\ addition|on\ top\ of\ that|apart\ from\ that
        |(?:one|another)\ (?:more\ )?(?:thing|question)|while\ (?:we\ are|we['’]re|you\ are|you['’]re)\ at\ it
    )(?:[,:]|(?!\S))\s*)+""",
    re.IGNORECASE | re.VERBOSE,
)
_OPENING = re.compile(
    r"(?:wheres?|when|how|whats?|who|which|why|can|could|may|do|does|did|is|are|has|have|will|would|please|pls|plz|tell"
    r"|send|give|show|cancel|change|stop|need|wanna|i\s+(?:want|need|would|have|wish|am|cannot|can't)|i'd|i'm|i've|my|if"
    r"|or|because|so)\b",
    re.IGNORECASE,
)
_LOOSE = " \t\r\n,;:-–—+&/"


@dataclass(frozen=True, slots=True)
class Part:
    """`text[start:end]` of a message."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Cut:
    """Two parts of a message; the word that joins them is in neither."""

    first: Part
    second: Part

    @property
    def starts(self) -> tuple[int, int]:
        return self.first.start, self.second.start

    def between(self, text: str) -> str:
        return text[self.first.end : self.second.start]

    def texts(self, text: str) -> tuple[str, str]:
        return text[self.first.start : self.first.end], text[self.second.start : self.second.end]


def cuts(text: str, entities: Sequence[Entity] = (), unclear: bool = False) -> list[Cut]:
    """Where a sentence ends, at commas and at words that join; never within an entity, nor where a side has no word or
    only names what the other side is about: "follow my parcel, order LW-10251".

    `unclear`: also before words that may open a sentence, for whoever writes without any mark.
    """
    if len(text) > MAX_CHARACTERS:
        return []
    found: dict[int, Cut] = {}
    for cut in _cuts(text, unclear):
        inside = any(e.start < cut.second.start and cut.first.end < e.end for e in entities)
        if not inside and all(_WORD.search(part) for part in cut.texts(text)) and not _completing(text, cut, entities):
            found.setdefault(cut.second.start, cut)
    middle, most = len(text) / 2, min(MOST_CUTS, READ_AGAIN // max(1, len(text)))
    return sorted(sorted(found.values(), key=lambda cut: abs(cut.second.start - middle))[:most], key=_place)


def _completing(text: str, cut: Cut, entities: Sequence[Entity]) -> bool:
    """Whether a side has hardly a word besides an entity of a kind that the other side lacks."""
    parts = (cut.first, cut.second)
    sides = [(part, [e for e in entities if part.start <= e.start and e.end <= part.end]) for part in parts]
    kinds = [{entity.entity for entity in inside} for _, inside in sides]
    bare = [bool(inside) and len(_WORD.findall(_besides(text, part, inside))) < 2 for part, inside in sides]
    return any(bare) and not kinds[0] & kinds[1]


def _besides(text: str, part: Part, entities: Sequence[Entity]) -> str:
    for entity in entities:
        text = text[: entity.start] + " " * (entity.end - entity.start) + text[entity.end :]
    return text[part.start : part.end]


def _place(cut: Cut) -> int:
    return cut.second.start


def _cuts(text: str, unclear: bool) -> Iterator[Cut]:
    for gap in _GAP.finditer(text):
        joining = _JOINING.match(text, gap.end())
        opening = unclear and _OPENING.match(text, gap.end())
        if joining or opening or "\n" in gap[0] or _ends(text, gap):
            yield _cut(text, gap.start(), joining.end() if joining else gap.end())


def _ends(text: str, gap: re.Match[str]) -> bool:
    """Whether a sentence or a part of one ends here: "no. 5" does not, "No. Cancel it" does."""
    if not text[: gap.start()].endswith(STOPS):
        return False
    short = _SHORT.search(text[max(0, gap.start() - _LONGEST_SHORT) : gap.start()])
    return not short or (bool(short["counting"]) and not text[gap.end() :][:1].isdigit())


def _cut(text: str, end: int, start: int) -> Cut:
    return Cut(_part(text, 0, end), _part(text, start, len(text)))


def _part(text: str, start: int, end: int) -> Part:
    """Without what is loose at its ends."""
    kept = text[start:end]
    begun = start + len(kept) - len(kept.lstrip(_LOOSE))
    return Part(begun, max(begun, start + len(kept.rstrip(_LOOSE))))
