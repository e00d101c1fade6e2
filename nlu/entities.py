"""Finds entities: by the model's labels, by regexes and by lists of known values; offsets are the original text's."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from nlu.data.examples import Annotation, Example, Patterns
from nlu.everyday.finders import Finder, Found, finder
from nlu.spelling import Corrected
from nlu.tokens import Tokens, Word
from nlu.types import Entity

MAX_CHARACTERS = 4000
"""A pattern looks no further: an expression that backtracks must not hold up a turn."""

LEAST_MENDED = 5
"""Characters of what is found in a corrected text alone: `vrey` may be `grey`, and mostly is `very`."""
_LOOKUP = "lookup"
_NEVER = np.float32(1e-30)
_TWICE = np.float32(np.log(2))
_WORD = re.compile(r"\w+|[^\w\s]")
Scores = NDArray[np.float32]
Label = tuple[str, str | None, str | None]
"""Entity, role and group: what the model tells apart."""


class Matcher:
    """Regexes and lookups. Regexes ignore case, as Rasa's do, except within `(?-i:...)`; `<money>` is a finder."""

    def __init__(self, patterns: Patterns) -> None:
        self._finders = [(name, finder(expression) or _regex(expression)) for name, expression in patterns.regexes]
        self._lookups: dict[tuple[str, ...], tuple[str, str]] = {}
        for name, values in patterns.lookups.items():
            for value in values:
                self._lookups.setdefault(_words(value), (name, value))
        self._lookups.pop((), None)
        self._longest: dict[str, int] = {}
        """Words of the longest value that begins with a word."""
        for words in self._lookups:
            self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))

    def find(self, text: str) -> list[Entity]:
        """Longest first where several begin together; none overlaps another."""
        text = text[:MAX_CHARACTERS]
        return without_overlaps([*self._by_regex(text), *self._by_lookup(text)])

    def find_mended(self, read: Corrected) -> list[Entity]:
        """What is found because mistyped words were corrected, at its place in the original; values as listed."""
        found = self.find(read.text) if read.edits else []
        long = (entity for entity in found if entity.end - entity.start >= LEAST_MENDED)
        return [self._mended(entity, read) for entity in long if read.mended(entity.start, entity.end)]

    def _mended(self, entity: Entity, read: Corrected) -> Entity:
        start, end = read.original(entity.start, entity.end)
        value = self._lookups[_words(entity.value)][1] if entity.extractor == _LOOKUP else entity.value
        return replace(entity, start=start, end=end, value=value)

    def _by_regex(self, text: str) -> Iterable[Entity]:
        for name, find in self._finders:
            for start, end, value in find(text):
                if end > start:
                    yield Entity(name, start, end, value, 1.0, "regex")

    def _by_lookup(self, text: str) -> Iterable[Entity]:
        if not self._longest:
            return
        spans = [match.span() for match in _WORD.finditer(text)]
        words = [text[start:end].casefold() for start, end in spans]
        for first, word in enumerate(words):
            for last in range(min(len(words), first + self._longest.get(word, 0)), first, -1):
                listed = self._lookups.get(tuple(words[first:last]))
                if listed is not None:
                    start, end = spans[first][0], spans[last - 1][1]
                    yield Entity(listed[0], start, end, text[start:end], 1.0, _LOOKUP)
                    break


def _regex(expression: str) -> Finder:
    compiled = re.compile(expression, re.IGNORECASE)
    return lambda text: (Found(*match.span(), match[0]) for match in compiled.finditer(text))


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(value))


def without_overlaps(found: Sequence[Entity], kept: Sequence[Entity] = ()) -> list[Entity]:
    """`found` in the order of the text, the longer of two that overlap, and none that overlaps one of `kept`."""
    chosen = list(kept)
    for entity in sorted(found, key=lambda e: (e.start - e.end, e.start)):
        if not any(_overlap(entity, other) for other in chosen):
            chosen.append(entity)
    return sorted(chosen, key=lambda e: e.start)


def _widened(mended: Entity, by_model: Sequence[Entity]) -> Entity:
    """Where the model sees more of the same entity, that is its place: a name's other words may be mistyped beyond
    repair."""
    return next((replace(wider, value=mended.value) for wider in by_model if _within(mended, wider)), mended)


def _joined(written: Sequence[Entity], mended: Sequence[Entity]) -> list[Entity]:
    """What stands in the text as it was written stays, unless the corrected text has more of the same entity there."""
    more = [new for new in mended if all(_within(old, new) for old in written if _overlap(old, new))]
    return without_overlaps(written, kept=without_overlaps(more))


def _within(old: Entity, new: Entity) -> bool:
    return old.entity == new.entity and new.start <= old.start and old.end <= new.end


def _overlap(one: Entity, other: Entity) -> bool:
    return one.start < other.end and other.start < one.end


@dataclass(frozen=True, slots=True)
class EntityReader:
    """Turns token scores and patterns into entities."""

    labels: tuple[Label, ...]
    """The token head scores O, then B and I of each label."""
    matcher: Matcher
    synonyms: Mapping[str, str]
    by_entity: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Values that annotations gave: (entity, case-folded text) to value."""
    touching: frozenset[Label] = frozenset()
    """Labels of which two may stand side by side with no word between."""

    def read(
        self, text: str, words: Sequence[Word], scores: Scores | None, read: Corrected | None = None
    ) -> tuple[Entity, ...]:
        """`scores` is tokens x (1 + 2 labels), of the text as `read`; patterns win where the model overlaps them."""
        read = read or Corrected(text)
        by_model = [] if scores is None or not words else self._by_model(text, words, scores)
        mended = [_widened(self._valued(entity, text, read), by_model) for entity in self.matcher.find_mended(read)]
        found = without_overlaps(by_model, _joined(self.matcher.find(text), mended))
        return tuple(self._valued(entity, text, read) for entity in found)

    def _by_model(self, text: str, words: Sequence[Word], scores: Scores) -> list[Entity]:
        scores = scores[[word.token for word in words]].astype(np.float32)
        if _nothing(scores):
            return []
        likely = _likely(scores)
        touching = np.array([label in self.touching for label in self.labels])
        likely[:, 2::2] += likely[:, 1::2] * ~touching  # seen from inside, a beginning only goes on
        best = _best_tags(np.log(np.maximum(likely, _NEVER)), touching)
        found: list[Entity] = []
        for first, last in _spans(best):
            entity, role, group = self.labels[(best[first] - 1) // 2]
            start, end = words[first].start, words[last - 1].end
            sure = float(likely[range(first, last), best[first:last]].mean())
            found.append(Entity(entity, start, end, text[start:end], sure, "model", role, group))
        return found

    def _valued(self, entity: Entity, text: str, read: Corrected) -> Entity:
        """By what the customer wrote, else by what it was read as."""
        place = entity.start, entity.end
        surfaces = (text[slice(*place)].casefold(), read.text[slice(*read.here(*place))].casefold())
        known = (self.by_entity.get((entity.entity, surface)) or self.synonyms.get(surface) for surface in surfaces)
        value = next(filter(None, known), None)
        return replace(entity, value=value) if value else entity


def _nothing(scores: Scores) -> bool:
    """Whether every word is likelier in no entity than in any, be it the beginning and what goes on together."""
    return bool((scores[:, 0] > scores[:, 1:].max(1) + _TWICE).all())


def _likely(scores: Scores) -> Scores:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)  # type: ignore[no-any-return]  # numpy widens it to Any


def _best_tags(scores: Scores, touching: NDArray[np.bool_]) -> list[int]:
    """The likeliest sequence (Viterbi): a label goes on only where it began, and begins anew at once only if it may."""
    total = scores[0].copy()
    total[2::2] = -np.inf
    came_from = np.zeros(scores.shape, np.int64)
    for word in range(1, len(scores)):
        came_from[word] = best = int(total.argmax())
        came_from[word, 2::2] = np.arange(1, len(total), 2) + (total[2::2] > total[1::2])
        begins = best - 1 + best % 2
        if best and not touching[begins // 2]:
            others = total.copy()
            others[begins : begins + 2] = -np.inf
            came_from[word, begins] = others.argmax()
        total = total[came_from[word]] + scores[word]
    tags = [int(total.argmax())]
    for before in came_from[:0:-1]:
        tags.append(int(before[tags[-1]]))
    return tags[::-1]


def _spans(tags: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First word and the one behind the last, of each entity."""
    for first, tag in enumerate(tags):
        if tag % 2:
            last = first + 1
            while last < len(tags) and tags[last] == tag + 1:
                last += 1
            yield first, last


# -- what training needs -------------------------------------------------------------------------------------------


def labels_of(examples: Iterable[Example], patterns: Patterns) -> tuple[Label, ...]:
    """What the model learns: every annotated label but those that a finder such as `<money>` finds."""
    found = {name for name, line in patterns.regexes if finder(line)}
    return tuple(sorted({_label(a) for e in examples for a in e.annotations if a.entity not in found}, key=str))


def _label(annotation: Annotation) -> Label:
    return annotation.entity, annotation.role, annotation.group


def touching_in(examples: Iterable[Example]) -> frozenset[Label]:
    """Labels that stand side by side, as toppings may, with nothing but space between."""
    found = set()
    for example in examples:
        for first, second in pairwise(sorted(example.annotations, key=lambda a: a.start)):
            if _label(first) == _label(second) and not example.text[first.end : second.start].strip():
                found.add(_label(first))
    return frozenset(found)


def values_of(examples: Iterable[Example], patterns: Patterns) -> dict[tuple[str, str], str]:
    """Values given in annotations. What a regex describes has as many values as texts: those stay as written."""
    described = {name for name, _ in patterns.regexes}
    return {
        (a.entity, e.text[a.start : a.end].casefold()): a.value
        for e in examples
        for a in e.annotations
        if a.value is not None and a.entity not in described
    }


IGNORED = -100
"""The tag of a word that the token head does not learn from."""


def tags_of(example: Example, tokens: Tokens, labels: Mapping[Label, int], matcher: Matcher) -> list[int]:
    """One tag per word: 0 outside, 2k+1 begins label k, 2k+2 goes on; what only a pattern marks, in the text as it was
    written or as it was read, is ignored."""
    words = tokens.words
    tags = [0] * len(words)
    learnt = {entity for entity, _, _ in labels}
    for found in (*matcher.find(example.text), *matcher.find_mended(tokens.read)):
        for index, word in enumerate(words):
            if found.entity in learnt and word.start < found.end and found.start < word.end:
                tags[index] = IGNORED
    for annotation in sorted(example.annotations, key=lambda a: a.start):
        if _label(annotation) not in labels:
            continue
        tag = 2 * labels[_label(annotation)] + 1
        for index, word in enumerate(words):
            if word.start < annotation.end and annotation.start < word.end:
                tags[index] = tag
                tag += tag % 2
    return tags


TRUSTED = 0.9
"""Share of a synonym's occurrences in the examples that must be annotated before it is taken as a known value."""


def with_synonyms(patterns: Patterns, examples: Sequence[Example]) -> Patterns:
    """Synonyms of a value that belongs to one entity are values of it too, unless the examples say otherwise."""
    owners = _owners(patterns, examples)
    surfaces = {surface: owners[value] for surface, value in patterns.synonyms.items() if value in owners}
    seen, marked = Counter[str](), Counter[str]()
    matcher = Matcher(Patterns(lookups={surface: (surface,) for surface in surfaces}))
    for example in examples:
        for found in matcher.find(example.text):
            seen[found.entity] += 1
            marked[found.entity] += _is_marked(example, found, surfaces[found.entity])
    lookups = {name: list(values) for name, values in patterns.lookups.items()}
    for surface, entity in surfaces.items():
        if marked[surface] >= TRUSTED * seen[surface]:
            lookups.setdefault(entity, []).append(surface)
    return replace(patterns, lookups={name: tuple(values) for name, values in lookups.items()})


def _is_marked(example: Example, found: Entity, entity: str) -> bool:
    return any(a.entity == entity and a.start <= found.start and found.end <= a.end for a in example.annotations)


def _owners(patterns: Patterns, examples: Sequence[Example]) -> dict[str, str]:
    """The entity of each value: the one whose lookup has it, or as which the examples mostly annotate it."""
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for entity, values in patterns.lookups.items():
        for value in values:
            votes[value][entity] += 1
    for example in examples:
        for a in example.annotations:
            surface = example.text[a.start : a.end].casefold()
            votes[a.value or patterns.synonyms.get(surface, surface)][a.entity] += 1
    return {value: counts.most_common(1)[0][0] for value, counts in votes.items()}
