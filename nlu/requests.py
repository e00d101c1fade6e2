"""Several requests in one message: where a text may be cut in two, and which cut stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nlu.families import Families
from nlu.types import Entity

Floats = NDArray[np.floating[Any]]

MOST_CUTS = 12
"""Places tried in one text; of more, those nearest to its middle."""
READ_AGAIN = 2400
"""Characters that the parts of one text may have together: of a long text fewer cuts are tried."""
MAX_CHARACTERS = 1000
"""Whoever writes more tells a story, and is not cut into pieces."""

NO_REQUESTS = frozenset(
    {"greet", "goodbye", "thank", "affirm", "deny", "inform", "stop", "restart", "repeat", "back", "bot_challenge"}
    | {"how_are_you", "compliment", "chitchat", "mood_great", "mood_unhappy"}
)
"""Intents, by the names that Rasa projects give them, that go along with a request or are about the conversation."""
WEIGHTS, BIAS = np.array([1.7, 0.32, 0.94, -0.19, -0.16, 0.36, -0.27, -0.3, -0.5, 0.8]), 0.02
"""Of the signals, in their order: learnt from training examples, alone and in pairs; see docs/training.md."""
FLOOR = 1e-6
SAY, LEAST_SAY = 0.15, 1e-4
"""How much the whole has to say in what its parts mean: the exponent of its probabilities, and the least of them."""

_WORD = re.compile(r"\w[\w'’-]+")
_STOPS = tuple(".!?;:,…。！？；，")
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
_BESIDES = re.compile(
    r"\b(?:also|plus|oh|btw|besides|moreover|additionally|furthermore|secondly|by the way|as well|another|one more)\b",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"(?:wheres?|when|how|whats?|who|which|why|can|could|may|do|does|did|is|are|has|have|will|would|please|pls|plz|tell"
    r"|send|give|show|cancel|change|stop|need|wanna|i\s+(?:want|need|would|have|wish|am|cannot|can't)|i'd|i'm|i've|my|if"
    r"|or|because|so)\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\?|\b(?:please|pls|plz|want|need|(?:would|'d) like|wish|can|could|may|tell|send|give|show|let me|how|what|when"
    r"|where|which|who|do you|does|is there|are there)\b",
    re.IGNORECASE,
)
_STATING = re.compile(
    r"(?:(?:hi|hello|hey)\b)?[ ,!.]*(?:i|we|my|it|it's|its|the|this|that|he|she|they|you|your|there|our|one|two|a)\b",
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
    if not text[: gap.start()].endswith(_STOPS):
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


@lru_cache(maxsize=8)
def possible(families: tuple[str, ...]) -> NDArray[np.bool_]:
    """Which of them a customer may have besides another one."""
    return np.array([name not in NO_REQUESTS for name in families])


@dataclass(frozen=True, slots=True)
class Readings:
    """What a model makes of a text, and of the parts of its cuts."""

    text: str
    cuts: Sequence[Cut]
    families: Families
    whole: Floats
    """Probability of each family."""
    first: Floats
    """Cuts x families."""
    second: Floats

    @classmethod
    def of(cls, text: str, tried: Sequence[Cut], families: Families, likely: Sequence[Floats]) -> Self:
        """`likely`: per intent, of the whole text, then of the two parts of each cut in turn."""
        of_families = families.likely(likely)
        return cls(text, tried, families, of_families[0], of_families[1::2], of_families[2::2])

    @property
    def say(self) -> Floats:
        """Of the whole text, in what a part of it means."""
        return np.maximum(self.whole, LEAST_SAY) ** SAY

    def meant(self) -> Meant:
        """Of each cut the likeliest families of its parts, given that they are not the same."""
        first, second, rows = self.first * self.say, self.second * self.say, np.arange(len(self.cuts))
        one, other = np.argsort(-first, 1)[:, :2].T, np.argsort(-second, 1)[:, :2].T
        alike = one[0] == other[0]
        yields = first[rows, one[1]] * second[rows, other[0]] > first[rows, one[0]] * second[rows, other[1]]
        return Meant(np.where(alike & yields, one[1], one[0]), np.where(alike & ~yields, other[1], other[0]), alike)

    def signals(self, meant: Meant) -> NDArray[np.float64]:
        """Cuts x 10: how sure the less sure part is; in the whole the less likely of both intents, and both; how much a
        part is of the other's intent, the lesser and the greater; a word like "also" between them, a mere comma, or
        nothing; how many of the parts only state something; whether both alone would be of the same intent."""
        one, other, rows = meant.first, meant.second, np.arange(len(self.cuts))
        parts = [cut.texts(self.text) for cut in self.cuts]
        between = [cut.between(self.text) for cut in self.cuts]
        own, crossed = ((self.first[rows, mine], self.second[rows, its]) for mine, its in ((one, other), (other, one)))
        return np.column_stack(
            [
                _log(np.minimum(*own)),
                _log(np.minimum(self.whole[one], self.whole[other])),
                _log(self.whole[one] + self.whole[other]),
                _log(np.minimum(*crossed)),
                _log(np.maximum(*crossed)),
                [bool(_BESIDES.search(joint)) for joint in between],
                [joint.strip() == "," for joint in between],
                [joint == " " and not first.endswith(_STOPS) for joint, (first, _) in zip(between, parts, strict=True)],
                [sum(map(_only_states, pair)) for pair in parts],
                meant.alike,
            ]
        )

    def best(self) -> tuple[int, Floats, Floats] | None:
        """Which of the cuts stands, if one does; and what the intents' probabilities of its parts are to be multiplied
        with, since the whole has a say and neither means what the other does."""
        if len(self.families.names) < 2:
            return None
        meant, asked = self.meant(), possible(self.families.names)
        both = asked[meant.first] & asked[meant.second]
        scores = np.where(both, self.signals(meant) @ WEIGHTS + BIAS, -np.inf)
        found = int(scores.argmax())
        if scores[found] <= 0:
            return None
        return found, self._without(meant.second[found]), self._without(meant.first[found])

    def _without(self, family: int) -> Floats:
        say = self.say
        say[family] = 0
        return say[self.families.of_intents]


@dataclass(frozen=True, slots=True)
class Meant:
    """Families of the first and the second parts of cuts."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    alike: NDArray[np.bool_]
    """Whether each for itself would be of the same."""


def _only_states(part: str) -> bool:
    return bool(_STATING.match(part)) and not _ASKING.search(part)


def _log(probability: Floats) -> NDArray[np.float64]:
    return np.asarray(np.log(np.maximum(probability, FLOOR)))
