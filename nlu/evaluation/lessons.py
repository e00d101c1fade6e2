"""What a model was taught that another was not: its examples, by their hashes, and as far as the data still have them,
by their words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from nlu.data.examples import OUT_OF_SCOPE, OUTLIER, Example
from nlu.lineage import read_lineage
from nlu.manifest import Manifest, read_manifest
from nlu.remembered import UNKNOWN, Remembered

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Taught:
    """A model's examples, each as the hash of its words."""

    manifest: Manifest
    remembered: Remembered
    utterances: int
    """Of the conversations, that it learnt from."""

    @classmethod
    def read(cls, directory: Path) -> Taught:
        """Of a sound model directory."""
        with safe_open(directory / "model.safetensors", "numpy") as weights:
            keys, classes = (weights.get_tensor(f"remembered.{name}") for name in ("keys", "classes"))
        return cls(read_manifest(directory), Remembered(keys, classes), len(read_lineage(directory)))

    @property
    def source(self) -> tuple[str, str]:
        return self.manifest.data_hash, self.manifest.learned

    def intent(self, text: str) -> str | None:
        """Under which it was taught; None if not at all."""
        return self._name(self.remembered.find(text))

    def by_key(self) -> dict[int, str]:
        keys, numbers = self.remembered.keys.tolist(), self.remembered.classes.tolist()
        return {key: self._name(number) or "" for key, number in zip(keys, numbers, strict=True)}

    def _name(self, number: int) -> str | None:
        if number == OUTLIER:
            return OUT_OF_SCOPE[0]
        return None if number == UNKNOWN else self.manifest.intents[number]


@dataclass(frozen=True, slots=True)
class Lesson:
    """What changed about the examples of one intent."""

    intent: str
    before: int
    added: int
    removed: int
    texts: tuple[str, ...]
    """Some that were added."""
    new: bool
    """Whether the intent is."""

    @property
    def after(self) -> int:
        return self.before + self.added - self.removed


@dataclass(frozen=True, slots=True)
class Relabelled:
    before: str
    after: str
    count: int
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lessons:
    """Texts that were taught as two things count for none of them, as in the models."""

    same: bool
    """Whether the data are."""
    intents: tuple[Lesson, ...]
    """Those with a change, the most changed first."""
    relabelled: tuple[Relabelled, ...]
    """What was added to one intent and removed from another."""
    gone: tuple[str, ...]
    """Intents."""
    utterances: tuple[int, int]
    """Of the conversations, that were learnt from before and now."""

    @property
    def added(self) -> int:
        return sum(lesson.added for lesson in self.intents)

    @property
    def removed(self) -> int:
        return sum(lesson.removed for lesson in self.intents)


def lessons(before: Taught, after: Taught, examples: Sequence[Example]) -> Lessons:
    """`examples` may be of other data than the models': of those that only `after` knows, the words are shown."""
    was, now = before.by_key(), after.by_key()
    added = Counter(name for key, name in now.items() if was.get(key) != name)
    removed = Counter(name for key, name in was.items() if now.get(key) != name)
    counts, known = Counter(was.values()), {*before.manifest.intents, *OUT_OF_SCOPE}
    texts = _texts(before, after, examples)
    changed = sorted(added | removed, key=lambda name: (-added[name] - removed[name], name))
    return Lessons(
        before.source == after.source,
        tuple(
            Lesson(name, counts[name], added[name], removed[name], texts[None, name], name not in known)
            for name in changed
        ),
        tuple(_relabelled(was, now, texts)),
        tuple(sorted({*before.manifest.intents} - {*after.manifest.intents})),
        (before.utterances, after.utterances),
    )


_Texts = Mapping[tuple[str | None, str], tuple[str, ...]]


def _texts(before: Taught, after: Taught, examples: Sequence[Example]) -> _Texts:
    """Some of what is new or taught as something else, by what it was taught as before, if at all, and now."""
    found: defaultdict[tuple[str | None, str], tuple[str, ...]] = defaultdict(tuple)
    for example in examples:
        was, now = before.intent(example.text), after.intent(example.text)
        if now is not None and was != now and len(found[was, now]) < _SHOWN:
            found[was, now] += (example.text,)
    return found


def _relabelled(was: Mapping[int, str], now: Mapping[int, str], texts: _Texts) -> Iterator[Relabelled]:
    pairs = Counter((was[key], name) for key, name in now.items() if key in was and was[key] != name)
    for pair, count in sorted(pairs.items(), key=lambda one: (-one[1], one[0])):
        yield Relabelled(*pair, count, texts[pair])
