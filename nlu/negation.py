"""A request that is taken back in its own words: "don't cancel my order" asks for no cancellation.

A network sees the words and hears the request. So a text in which the telling word of its intent is negated is asked
about, unless the intent's own examples are negated like that. English; of German "nicht" before the verb.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import Stemmer

from nlu.data.examples import Example

FEWEST, SHARE = 2, 0.05
"""Examples of an intent that have a telling word, at least: so many, and that share of them."""
TELLING = 0.1
"""Share of a word's examples that are the intent's, at least."""
_NEVER = r"(?:don['’]?t|didn['’]?t|never|not)"
_NOT = re.compile(
    rf"""
    (?:^|[.,;:!?]\s*|\b(?:please|pls|but|and|also|then|so|no|ok|okay|nein|bitte)\s+)       # an order: don't cancel it
        (?:please\s+)?(?:do\ not|don['’]?t|never|rather\ not|nicht)\s+(?:please\s+|just\s+|ever\s+)?
        (?:(?:send|make|give|start|open|place|issue)\s+(?:me\s+|us\s+)?(?:an?|the|my|any)\s+)?(?P<order>[^\W\d_]+)
    | \b(?:{_NEVER}\s+(?:want|wanted|need|wish|like|plan|planning|mean|meant|intend|ask|asked|asking|going|trying)
        \s+(?:you\s+|me\s+|us\s+)?|no\ need\s+|rather\ not\s+)to\s+(?P<wish>[^\W\d_]+)   # I don't want to cancel it
    | \b{_NEVER}\s+(?:ask|asked|asking)\s+for\s+(?:an?\s+|the\s+|my\s+|any\s+)?(?P<thing>[^\W\d_]+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_IN_EVERY_NOT = ("n't", "n’t", "dont", "didnt", "never", "not", "nicht", "no need")
_WORD = re.compile(r"[^\W\d_]+")
_STEMMER = Stemmer.Stemmer("english")


def negated(text: str) -> frozenset[str]:
    """Stems of what a text asks not to be done, or says was not asked for."""
    small = text.casefold()
    if not any(word in small for word in _IN_EVERY_NOT):
        return frozenset()
    return frozenset(_STEMMER.stemWord(match[match.lastgroup or 0].casefold()) for match in _NOT.finditer(text))


@dataclass(frozen=True, slots=True)
class Negation:
    telling: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of intents the stems that, negated, take the request back."""

    @classmethod
    def of(cls, examples: Iterable[Example]) -> Self:
        """From texts whose intents are known; of those that nobody marked (from conversations) no word is kept."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        sizes: Counter[str] = Counter()
        kept: dict[str, set[str]] = defaultdict(set)
        everywhere: Counter[str] = Counter()
        for example in examples:
            if not example.marked:
                continue
            stems = set(_STEMMER.stemWords([word.casefold() for word in _WORD.findall(example.text)]))
            sizes[example.family] += 1
            counts[example.family].update(stems)
            everywhere.update(stems)
            kept[example.family] |= negated(example.text)
        telling = {
            intent: frozenset(
                word
                for word, count in found.items()
                if count >= max(FEWEST, SHARE * sizes[intent]) and count >= TELLING * everywhere[word]
            )
            - kept[intent]
            for intent, found in counts.items()
        }
        return cls({intent: words for intent, words in telling.items() if words})

    def takes_back(self, text: str, intent: str) -> bool:
        """Whether the text negates what makes it the intent's; a retrieval intent's family is meant."""
        words = self.telling.get(intent)
        return words is not None and not words.isdisjoint(negated(text))

    def to_json(self) -> dict[str, list[str]]:
        return {intent: sorted(words) for intent, words in sorted(self.telling.items())}

    @classmethod
    def from_json(cls, values: Mapping[str, Iterable[str]]) -> Self:
        return cls({intent: frozenset(words) for intent, words in values.items()})
