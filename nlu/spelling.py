"""Mistyped words, read as the words of the examples that they are closest to."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import process
from rapidfuzz.distance import OSA

SHORTEST = 3
"""Letters of a word that is looked at: a shorter one is too close to too many."""
LONG = 6
"""Letters from which on two errors are allowed, not one."""
OFTEN = 2
"""Times that a word must occur in the examples to be what another one is corrected to."""
_REMEMBERED = 20_000
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
        return self._moved(start, of_end=False), self._moved(end, of_end=True)

    def _moved(self, place: int, *, of_end: bool) -> int:
        at = bisect_right(self.edits, place - of_end, key=lambda edit: edit[0]) - 1
        if at < 0:
            return place
        _, end, was_start, was_end = self.edits[at]
        if place - of_end < end:
            return was_end if of_end else was_start
        return place - end + was_end


class Speller:
    """Knows the words of the examples, and which others the base model knows."""

    def __init__(self, words: Sequence[str], known: Known) -> None:
        """`words`: the most frequent first; they win where several are as close."""
        self.words = list(words)
        self._own = frozenset(words)
        self._known = known
        self._closest = lru_cache(_REMEMBERED)(self._look_up)

    def corrected(self, text: str) -> Corrected:
        """Names, as their capitals inside a sentence tell, stay as they are."""
        edits, parts, last, length = [], [], 0, 0
        shouted = text.isupper()
        for match in _WORD.finditer(text):
            word = match[0]
            if len(word) < SHORTEST or (word[0].isupper() and match.start() > 0 and not shouted):
                continue
            better = _as_written(self._closest(word.casefold()), word)
            if not better:
                continue
            parts += [text[last : match.start()], better]
            length += match.start() - last
            edits.append((length, length + len(better), match.start(), match.end()))
            length += len(better)
            last = match.end()
        return Corrected("".join([*parts, text[last:]]), tuple(edits)) if edits else Corrected(text)

    def _look_up(self, word: str) -> str:
        """Empty if the word is right, or nothing is close enough."""
        if word in self._own or self._known(word):
            return ""
        most = 2 if len(word) >= LONG else 1
        found = process.extract(word, self.words, scorer=OSA.distance, score_cutoff=most, limit=1)
        return str(found[0][0]) if found else ""


def _as_written(better: str, word: str) -> str:
    """With the capitals of the word it stands for."""
    if word.isupper():
        return better.upper()
    return better.capitalize() if word[0].isupper() else better


def frequent_words(texts: Iterable[str]) -> list[str]:
    """Those that occur often enough, the most frequent first."""
    counts = Counter(
        word for text in texts for match in _WORD.finditer(text) if len(word := match[0].casefold()) >= SHORTEST
    )
    return [word for word, count in counts.most_common() if count >= OFTEN]
