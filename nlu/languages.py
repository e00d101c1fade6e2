"""Whether a text is in another language than the assistant's; said only where it is plain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

TOLD_APART = (
    *("ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he", "hi", "hr", "hu", "id", "it"),
    *("ja", "ko", "lt", "lv", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi", "zh"),
)
"""ISO 639-1. Of all 139 that are known most are never written to a shop, and short texts would be taken for them."""
OTHER_NAMES = {"nb": "no", "nn": "no"}
LEAST_LETTERS, LEAST_WORDS = 10, 2
"""Shorter texts may be in any language. A letter that takes more bytes than one tells as much as so many."""
MOST_CHARACTERS = 1000
MOST_OWN = 0.01
"""The probability that a text in another language may still be in one of the assistant's."""
LEAST_OTHER = 0.5
LEAST_SURE = 0.8
SHARE = 0.1
"""Of the examples that are long enough: so many make a language the assistant's own."""

_NO_WORD = re.compile(r"[\d@/]")
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Languages:
    """Those of an assistant; without any, no text is in another."""

    own: frozenset[str]

    @classmethod
    def of(cls, names: Iterable[str]) -> Self:
        """From ISO codes, of which the language counts: `pt-BR`, `de_AT`. Others than those told apart are left out."""
        codes = (name.replace("_", "-").partition("-")[0].lower() for name in names)
        return cls(frozenset(OTHER_NAMES.get(code, code) for code in codes) & frozenset(TOLD_APART))

    def other(self, text: str) -> str:
        """The ISO 639-1 code of another language in which the text surely is; else an empty string."""
        if not self.own or not (ranked := _ranked(text)):
            return ""
        likely = dict(ranked)
        first, probability = ranked[0]
        plain = probability >= LEAST_OTHER and sum(likely[code] for code in self.own) < MOST_OWN
        return first if plain else ""


def language_of(text: str) -> str:
    """The ISO 639-1 code of the language in which the text surely is; else an empty string."""
    ranked = _ranked(text)
    return ranked[0][0] if ranked and ranked[0][1] >= LEAST_SURE else ""


def spoken(texts: Sequence[str]) -> list[str]:
    """The languages in which the texts mostly are."""
    found = Counter(ranked[0][0] for ranked in map(_ranked, texts) if ranked and ranked[0][1] >= LEAST_OTHER)
    return sorted(code for code, count in found.items() if count >= SHARE * found.total())


def _ranked(text: str) -> list[tuple[str, float]]:
    """Languages with their probabilities, the likeliest first; empty for a text too short to tell."""
    words = " ".join(word for word in text[:MOST_CHARACTERS].split() if not _NO_WORD.search(word))
    letters = [len(letter.encode("utf-8", "replace")) for letter in words if letter.isalpha()]
    wide = sum(letters) >= 1.5 * len(letters)
    if sum(letters) < LEAST_LETTERS or not (wide or len(_WORD.findall(words)) >= LEAST_WORDS):
        return []
    ranked: list[tuple[str, float]] = _identifier().rank(words)
    return ranked


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(TOLD_APART))
    return identifier
