"""New intents that are proposed to the reviewer, each with a name and how many messages it would have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

from bot.learning.labels import FEWEST_OF_NEW
from nlu.learning.topics import topics

if TYPE_CHECKING:
    from nlu.understand import Insight  # torch takes seconds to import

_WORD = re.compile(r"[^\W\d_]{3,}")


@dataclass(frozen=True, slots=True)
class Proposal:
    name: str
    messages: int

    def __str__(self) -> str:
        return f"new? {self.name}, {self.messages} messages"


def proposals(
    texts: Sequence[str], sizes: Sequence[int], seen: Insight, others: Sequence[str] = ()
) -> dict[int, Proposal]:
    """By the rows that would belong to one. `sizes`: how many messages each text stands for; `others`: what customers
    say otherwise, from which one knows the words that tell nothing."""
    known = [*texts, *others]
    background = Counter(word for text in known for word in set(_words(text)))
    found: dict[int, Proposal] = {}
    for rows in topics(seen, sizes, FEWEST_OF_NEW):
        name = _name([texts[row] for row in rows], len(known), background)
        if name:
            found |= dict.fromkeys(rows, Proposal(name, sum(sizes[row] for row in rows)))
    return found


def _name(texts: Sequence[str], of: int, background: Counter[str]) -> str:
    """The two most telling words, in the order of the first text that has them."""
    inside = Counter(word for text in texts for word in set(_words(text)))
    telling = sorted(inside, key=lambda word: (-inside[word] * log(1 + of / background[word]), word))[:2]
    order = next((found for text in texts if set(telling) <= set(found := _words(text))), telling)
    return "_".join(sorted(telling, key=order.index))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
