"""Mistyped words, read as the words of the examples that they are closest to."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA
from spellchecker import SpellChecker

SHORTEST = 3
"""Letters of a word that is looked at: a shorter one is too close to too many."""
LONG = 6
"""Letters from which on two errors are allowed, not one."""
OFTEN = 2
"""Times that a word must occur in the examples to be what another one is corrected to."""
MOST_CHARACTERS = 2000
"""Of a text, about what the encoder reads: words after them stay as they are."""
_REMEMBERED, _CANDIDATES = 20_000, 5
_NEGATED = [
    "ai",
    "are",
    "ca",
    "could",
    "did",
    "do",
    "does",
    "had",
    "has",
    "have",
    "is",
    "must",
    "need",
    "should",
    "was",
    "were",
    "wo",
    "would",
]
_CONTRACTED = {f"{verb}nt": f"{verb}n't" for verb in _NEGATED}
"""Without its apostrophe a negation is one letter from an affirmation: `doesnt`, `does`."""
_PREFIX = 2
"""Letters before a word that are no typing error: `un`, `re`, `de`."""
_REPEATED = re.compile(r"(.)\1{2,}")
WITHOUT_SPACES = r"[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
"""Thai, Lao, Khmer, Japanese and Chinese: what looks like a word there is a clause."""
_WITHOUT_SPACES = re.compile(WITHOUT_SPACES)
_WORD = re.compile(r"(?<![\w@./'-])[^\W\d_]+(?![\w@/]|[.'-]\w)")
"""Letters alone: no order number, address, link or compound."""

Known = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Corrected:
    text: str
    edits: tuple[tuple[int, int, int, int], ...] = ()
    """Start and end of each corrected word, here and in the original."""

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the corrected text lies in the original: a corrected word is meant whole."""
        return _moved(self.edits, start, end)

    def here(self, start: int, end: int) -> tuple[int, int]:
        """Where a span of the original lies in the corrected text."""
        return _moved([(edit[2], edit[3], edit[0], edit[1]) for edit in self.edits], start, end)

    def mended(self, start: int, end: int) -> bool:
        """Whether a span of the corrected text has a corrected word."""
        return any(start < edit[1] and edit[0] < end for edit in self.edits)

    def differs(self, original: str) -> bool:
        """Whether a reader would notice: an apostrophe more or a letter less in `nooo` is no other word."""
        return any(_plain(self.text[a:b]) != _plain(original[c:d]) for a, b, c, d in self.edits)


Edits = Sequence[tuple[int, int, int, int]]


def _moved(edits: Edits, start: int, end: int) -> tuple[int, int]:
    """From where each edit's first two places count to where its last two do."""
    return _place(edits, start, of_end=False), _place(edits, end, of_end=True)


def _place(edits: Edits, place: int, *, of_end: bool) -> int:
    at = bisect_right(edits, place - of_end, key=lambda edit: edit[0]) - 1
    if at < 0:
        return place
    _, end, to_start, to_end = edits[at]
    if place - of_end < end:
        return to_end if of_end else to_start
    return place - end + to_end


@dataclass(frozen=True, slots=True)
class _Lexicon:
    words: list[str]
    own: frozenset[str]
    known: Known

    def closest(self, written: str) -> str:
        """Empty if the word is right, or nothing is close enough."""
        word = written.casefold()
        if not self.words or self.right(word) or self.known(written) or _WITHOUT_SPACES.search(word):
            return ""
        if word in _CONTRACTED:
            return _CONTRACTED[word]
        if (calmer := _REPEATED.sub(r"\1", word)) != word and self.right(calmer):
            return calmer
        most = 2 if len(word) >= LONG else 1
        close = process.extract(word, self.words, scorer=OSA.distance, score_cutoff=most, limit=_CANDIDATES)
        return next((found for found, _, _ in close if _may_be(word, found)), "")

    def right(self, word: str) -> bool:
        return word in self.own or self.known(word)


class Speller:
    """Knows the words of the examples, and which others the base model knows."""

    def __init__(self, words: Sequence[str], known: Known) -> None:
        """`words`: the most frequent first; they win where several are as close."""
        self.words = list(words)
        # The cache must not hold the speller that holds it: a model that is replaced would stay until somebody looks.
        self._closest = lru_cache(_REMEMBERED)(_Lexicon(self.words, frozenset(words), known).closest)

    def corrected(self, text: str) -> Corrected:
        """Names, as their capitals inside a sentence tell, stay as they are."""
        edits, parts, last, length = [], [], 0, 0
        shouted = text.isupper()
        for match in _WORD.finditer(text[:MOST_CHARACTERS]):
            word = match[0]
            if len(word) < SHORTEST or (word[0].isupper() and match.start() > 0 and not shouted):
                continue
            if not (better := _as_written(self._closest(word), word)):
                continue
            parts += [text[last : match.start()], better]
            length += match.start() - last
            edits.append((length, length + len(better), match.start(), match.end()))
            length += len(better)
            last = match.end()
        return Corrected("".join([*parts, text[last:]]), tuple(edits)) if edits else Corrected(text)


def _plain(word: str) -> str:
    return _REPEATED.sub(r"\1", word.replace("'", ""))


def _may_be(word: str, found: str) -> bool:
    """Whether one is the other mistyped, and not its opposite: `undelivered` is not `delivered`."""
    longer, shorter = (word, found) if len(word) > len(found) else (found, word)
    derived = longer.endswith(shorter) and len(longer) - len(shorter) >= _PREFIX
    return not derived and (len(word) > SHORTEST or word[0] == found[0])


def _as_written(better: str, word: str) -> str:
    """With the capitals of the word it stands for."""
    if word.isupper():
        return better.upper()
    return better.capitalize() if word[0].isupper() else better


def dictionary(languages: Iterable[str]) -> Known:
    """pyspellchecker's: of a dozen languages; others have no words."""
    covered = sorted(set(languages) & set(SpellChecker.languages()))
    return _read_dictionary(*covered) if covered else lambda word: False


@cache
def _read_dictionary(*languages: str) -> Known:
    """Read once, for all models: it takes 20 MB and a fifth of a second for each language."""
    return SpellChecker(language=list(languages)).__contains__


def words_of(text: str) -> list[str]:
    """Those that are looked at."""
    return [word for match in _WORD.finditer(text) if len(word := match[0].casefold()) >= SHORTEST]


def frequent_words(texts: Iterable[str]) -> list[str]:
    """Those that occur often enough, the most frequent first."""
    counts = Counter(word for text in texts for word in words_of(text))
    return [word for word, count in counts.most_common() if count >= OFTEN]
