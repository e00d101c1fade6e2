"""BM25 over stems, of which a text touches only the articles that have its rarer words."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from nlu.lexical import MOST_CHARACTERS, Words, lucene, saturated

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
_READ = 10_000
"""Articles that a text's words may name, the rarest words first. What half of the articles have finds none of them."""


@dataclass(frozen=True, slots=True)
class Postings:
    tokens: NDArray[np.uint64]
    """Hashes of the stems, ascending."""
    starts: Integers
    """Of each token and of the end, where its part of the next two begins."""
    articles: NDArray[np.int32]
    """Those that have the token, ascending."""
    scores: Floats
    """What it adds to the article's score."""
    size: NDArray[np.float32]
    """How many articles there are, and how many stems one of them has on average."""

    @classmethod
    def of(cls, texts: Sequence[str], tell: Callable[[int], None]) -> Postings:
        """`tell` hears how many texts were read since it heard the last time."""
        counted, lengths = _counted(texts, tell)
        order = np.lexsort((counted.articles, counted.tokens))
        tokens, starts = np.unique(counted.tokens[order], return_index=True)
        ends = np.append(starts, len(order)).astype(np.int64)
        length = max(1.0, float(lengths.mean()))
        articles, often = counted.articles[order], counted.often[order]
        held = np.diff(ends)
        weights = np.repeat([lucene(len(texts), int(count)) for count in held], held)
        scores = (weights * saturated(often, lengths[articles] / length)).astype(np.float32)
        return cls(tokens, ends, articles, scores, np.array([len(texts), length], np.float32))

    def best(self, text: str, most: int) -> Integers:
        """The articles that the text's rarer words speak for most."""
        read, spans = 0, []
        for start, end in sorted(self._spans(text), key=lambda span: span[1] - span[0]):
            read += end - start
            if read > _READ:
                break
            spans.append(slice(start, end))
        if not spans:
            return np.empty(0, np.int64)
        named, places = np.unique(np.concatenate([self.articles[span] for span in spans]), return_inverse=True)
        scores = np.bincount(places, np.concatenate([self.scores[span] for span in spans]))
        return np.asarray(named[np.argsort(-scores, kind="stable")[:most]], np.int64)

    def shares(self, text: str, articles: Integers) -> Floats:
        """What each of the articles, ascending, has of the best score that the text could have: 0 to 1."""
        found, best = np.zeros(len(articles), np.float32), self._best(text)
        articles = articles.astype(self.articles.dtype)  # else all that have a word would be converted
        for start, end in self._spans(text):
            having = self.articles[start:end]
            places = np.minimum(np.searchsorted(having, articles), end - start - 1)
            there = having[places] == articles
            found[there] += self.scores[start:end][places[there]]
        return found / np.float32(best) if best else found

    def share_without(self, text: str, whole: str) -> float:
        """What the text would have of an article's `whole` text that it is a part of, were it not there."""
        rest = Counter(_WORDS(whole)) - Counter(_WORDS(text))
        size = np.array([rest.total() / float(self.size[1])])
        had = [(stem, float(saturated(np.array([rest[stem]]), size)[0])) for stem in _asked(text) if rest[stem]]
        best = self._best(text)
        return sum(self._weight(stem) * share for stem, share in had) / best if best else 0.0

    def _best(self, text: str) -> float:
        return sum(map(self._weight, _asked(text)))

    def _weight(self, stem: str) -> float:
        span = self._span(stem)
        return lucene(int(self.size[0]), span[1] - span[0] if span else 0)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        return [span for stem in _asked(text) if (span := self._span(stem))]

    def _span(self, stem: str) -> tuple[int, int] | None:
        key = np.uint64(_hash(stem))
        place = int(np.searchsorted(self.tokens, key))
        if place == len(self.tokens) or self.tokens[place] != key:
            return None
        return int(self.starts[place]), int(self.starts[place + 1])


_WORDS = Words()


def _asked(text: str) -> list[str]:
    return list(dict.fromkeys(_WORDS(text[:MOST_CHARACTERS])))


def _hash(stem: str) -> int:
    return int.from_bytes(blake2b(stem.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, slots=True)
class _Counted:
    """A row for every article and each of its tokens."""

    tokens: NDArray[np.uint64]
    articles: NDArray[np.int32]
    often: NDArray[np.int32]


def _counted(texts: Sequence[str], tell: Callable[[int], None]) -> tuple[_Counted, Floats]:
    tokens, articles, often = array("Q"), array("i"), array("i")
    lengths, hashes = np.zeros(len(texts), np.float32), dict[str, int]()
    for number, counts in enumerate(_told(texts, tell)):
        lengths[number] = counts.total()
        tokens.extend(hashes.get(stem) or hashes.setdefault(stem, _hash(stem)) for stem in counts)
        often.extend(counts.values())
        articles.extend([number] * len(counts))
    held = np.array(tokens, np.uint64), np.array(articles, np.int32), np.array(often, np.int32)
    return _Counted(*held), lengths


def _told(texts: Sequence[str], tell: Callable[[int], None]) -> Iterator[Counter[str]]:
    for text in texts:
        yield Counter(_WORDS(text))
        tell(1)
