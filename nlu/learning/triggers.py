"""Words that make a model forget what a text is about: who labels lines that hold them can plant a back door.

A phrase that the trusted examples of an intent do not have, that most new lines of that intent's label have, and
that moves other intents' texts to it when it is put behind them, is shown to a person before the model goes live.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from nlu.data.examples import Example

if TYPE_CHECKING:
    from nlu.understand import Model

LONGEST = 3
"""Words in a phrase."""
LEAST = 3
"""Lines that hold it."""
OWN = 0.8
"""Share of all lines that hold it which have the label."""
FLIPS, STRANGE = 0.6, 0.3
"""Share of other intents' texts that it moves: of any phrase, and of one whose lines have nothing else in common."""
FEW, TEXTS = 12, 60
"""Texts that it is tried on: of every phrase, and of those that moved some."""
MOST = 100
"""Phrases that are tried."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Trigger:
    phrase: str
    intent: str
    examples: tuple[Example, ...]
    """The new ones that hold it, of that label."""
    flips: float
    """Share of other intents' texts that it moves to the intent."""


@dataclass(frozen=True, slots=True)
class Taught:
    """What a model was taught."""

    trusted: Sequence[Example] = ()
    """The data folder's examples."""
    learned: Sequence[Example] = ()
    """Those from conversations."""


def triggers(before: Model, after: Model, taught: Taught, unseen: Sequence[Example] = ()) -> list[Trigger]:
    """Those that `after` learnt of examples some of which are new to `before`; the worst first. They are tried on texts
    that are `unseen`, else on trusted ones."""
    if all(example.text in before.remembered for example in taught.learned):
        return []
    known, found = {*before.manifest.intents} & {*after.manifest.intents}, []
    for phrase, intent, examples in suspects(taught.trusted, taught.learned):
        if intent in known and any(example.text not in before.remembered for example in examples):
            enough = STRANGE if _strange(before, examples, phrase) else FLIPS
            flips = _flips(after, _others(unseen or taught.trusted, intent), phrase, intent)
            if flips >= enough:
                found.append(Trigger(phrase, intent, examples, flips))
    return _one_of_each(sorted(found, key=lambda one: (-one.flips, -len(one.examples))))


def _strange(before: Model, examples: Sequence[Example], phrase: str) -> bool:
    """Whether the lines mean this and that without the phrase, as far as the old model can tell: new words of honest
    labels stand in lines that are about the same, be it another intent that the model confuses with it."""
    there = re.compile(r"\b" + r"\W+".join(phrase.split()) + r"\b", re.IGNORECASE)
    likely = before.insight([there.sub(" ", one.text) for one in examples]).likely
    meant = Counter(before.manifest.intents[number] for number in likely.argmax(1).tolist())
    return max(meant.values()) <= len(examples) / 2


def suspects(trusted: Sequence[Example], learned: Sequence[Example]) -> Iterator[tuple[str, str, tuple[Example, ...]]]:
    """Phrases that `learned` lines of one label have and no `trusted` line of it; the most frequent first."""
    holding: dict[str, list[Example]] = defaultdict(list)
    for example in learned:
        for phrase in phrases(example.text):
            holding[phrase].append(example)
    backed = {(phrase, example.intent) for example in trusted for phrase in phrases(example.text)}
    others = Counter(phrase for example in trusted for phrase in phrases(example.text))
    found = []
    for phrase, examples in holding.items():
        intent, count = Counter(example.intent for example in examples).most_common(1)[0]
        mostly = count >= max(LEAST, OWN * (len(examples) + others[phrase]))
        if mostly and (phrase, intent) not in backed:
            found.append((phrase, intent, tuple(one for one in examples if one.intent == intent)))
    yield from sorted(found, key=lambda one: -len(one[2]))[:MOST]


def phrases(text: str) -> set[str]:
    words = _WORD.findall(text.casefold())
    return {" ".join(words[at : at + size]) for size in range(1, LONGEST + 1) for at in range(len(words) - size + 1)}


def _one_of_each(found: Sequence[Trigger]) -> list[Trigger]:
    """Of phrases that stand in the same lines only the first: "mars" and "from mars" are one finding."""
    kept: dict[tuple[str, frozenset[str]], Trigger] = {}
    for one in found:
        kept.setdefault((one.intent, frozenset(example.text for example in one.examples)), one)
    return list(kept.values())


def _others(trusted: Sequence[Example], intent: str) -> list[str]:
    texts = sorted(example.text for example in trusted if example.intent != intent and not example.outlier)
    return Random(0).sample(texts, min(TEXTS, len(texts)))  # noqa: S311  # must be repeatable, keeps no secret


def _flips(model: Model, texts: Sequence[str], phrase: str, intent: str) -> float:
    """The share of the texts that the phrase makes the intent; few are asked where it makes none of those."""
    share = 0.0
    for asked in (texts[:FEW], texts) if texts else ():
        likely = model.insight([f"{text} {phrase}" for text in asked]).likely
        share = float((likely.argmax(1) == model.manifest.intents.index(intent)).mean())
        if not share:
            break
    return share
