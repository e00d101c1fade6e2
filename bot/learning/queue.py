"""The review queue: the utterances on which a person's word is worth most, those that ask the same together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.config import EXPLAINED, Settings
from bot.journal.journal import Journal
from bot.journal.values import Utterance, person
from bot.learning.choice import chosen
from bot.learning.looking import Look, Tell, looked, untold
from bot.learning.opinions import Opinions, asked_again, is_drawn, opinions
from bot.learning.proposals import Proposal, proposals
from nlu.data.reader import read_training_data, same_text
from nlu.learning.worth import CLOSE, Worth, clusters
from nlu.source import DataError
from nlu.types import Intent, Verdict

if TYPE_CHECKING:
    from nlu.nearest import Near, Nearest
    from nlu.understand import Insight, Model  # torch takes seconds to import

NEWEST = 5000
"""Open utterances that are looked at."""
ROUND = 12
"""Decisions that are asked for at once."""
PAYING = 0.2
"""Percentage points that a round must promise."""
_GUESSES, _NEAREST = 5, 3
_STRANGE, _APART = 0.5, 0.2
"""How likely out of scope, and disagreement, from which they are worth a word."""
SIGNALS: Mapping[str, tuple[float, str]] = {
    "missed": (0.5, "not understood"),
    "handover": (0.5, "went to a person"),
    "repeated": (0.3, "said again"),
}
"""What a signal adds to the worth, and how it is called."""
DISLIKED = (0.7, "a thumb down")
_GROUP = re.compile(r"(\d{1,9}) (\d{1,9}) (\d{1,18}(?:,\d{1,18})*) (.*)")
EXAMPLES, SAID = "the training examples", "what customers said"
"""What the model reads for it."""
UNLIKE, DISPUTED = "unlike anything known", "the tuned and the frozen model disagree"


@dataclass(frozen=True, slots=True)
class Group:
    """What an item asks about at once, as a page names it: the queue may be another one when the answer comes."""

    ids: tuple[int, ...]
    same: int = 1
    """So many at the beginning are the first one's words."""
    close: int = 1
    """And so many are close to it, whatever the model thinks of them."""
    likely: str = ""
    """What the model takes it for."""

    def __str__(self) -> str:
        return f"{self.same} {self.close} {','.join(map(str, self.ids))} {self.likely}"

    @classmethod
    def read(cls, text: str) -> Group:
        """Raises ValueError."""
        if (found := _GROUP.fullmatch(text)) is None:
            raise ValueError("This names no question.")
        same, close, ids, likely = found.groups()
        return cls(tuple(map(int, ids.split(","))), int(same), int(close), likely)

    def meant(self, label: str | None, known: Collection[str]) -> tuple[int, ...]:
        """Those that a decision on the first one labels; `known` are the model's intents.

        A cluster is what the model takes for the same: if the first one is what it thought, so are the others. If it is
        another of its intents, it confuses the two, and only the same words mean that; if none of them, what is close.
        """
        if label == self.likely:
            return self.ids
        return self.ids[: self.same if label in known else self.close]


@dataclass(frozen=True, slots=True)
class Item:
    """One question to the reviewer: what does this mean?"""

    utterances: tuple[Utterance, ...]
    """The first stands for the others."""
    guesses: tuple[Intent, ...]
    reasons: tuple[str, ...]
    worth: float
    doubt: float = 0.0
    """How many of its utterances the model is likely to understand wrongly."""
    nearest: tuple[Near, ...] = ()
    """The training examples closest to the first."""
    proposal: Proposal | None = None
    """A new intent, where several customers asked about something that the model does not know."""
    same: int = 1
    """So many at the beginning are the first one's words."""
    close: int = 1
    """And so many are close to it, whatever the model thinks of them."""
    known: Sequence[str] = ()
    """The model's intents."""
    asked: frozenset[str] = frozenset()
    """Who has said already what it means, without its being settled; they are not asked again."""

    @property
    def number(self) -> int:
        """Names the item."""
        return self.utterances[0].id

    @property
    def texts(self) -> tuple[str, ...]:
        """The different ones."""
        return tuple(dict.fromkeys(utterance.text for utterance in self.utterances))

    @property
    def said(self) -> str:
        """How many messages it stands for; empty for one."""
        if (count := len(self.utterances)) == 1:
            return ""
        return f"said {count} times" if len(self.texts) == 1 else f"{count} messages"

    @property
    def new(self) -> str:
        """The name of the proposed intent."""
        return self.proposal.name if self.proposal else ""

    @property
    def group(self) -> Group:
        likely = self.guesses[0].name if self.guesses else ""
        return Group(tuple(one.id for one in self.utterances), self.same, self.close, likely)

    def meant(self, label: str | None) -> tuple[Utterance, ...]:
        """Those that a decision on the first one labels."""
        return self.utterances[: len(self.group.meant(label, self.known))]

    def to_json(self) -> dict[str, Any]:
        return {
            "ids": [utterance.id for utterance in self.utterances],
            "texts": list(self.texts),
            "said": len(self.utterances),
            "guesses": [{"name": guess.name, "confidence": round(guess.confidence, 4)} for guess in self.guesses],
            "because": list(self.reasons),
            "nearest": [near.to_json() for near in self.nearest],
            "worth": round(self.worth, 3),
            **({"new": self.new} if self.new else {}),
        }


@dataclass(frozen=True, slots=True)
class Queue:
    items: tuple[Item, ...] = ()
    waiting: int = 0
    """Utterances in it on which nobody has decided yet."""

    def of(self, reviewer: str) -> Queue:
        """What one reviewer is asked."""
        return replace(self, items=tuple(item for item in self.items if person(reviewer) not in item.asked))

    def still(self, reviewer: str, words: Mapping[int, Opinions]) -> Queue:
        """What is left to ask one reviewer after what people said since: `words` on the first utterance of each."""
        items = []
        for item in self.items:
            said = words.get(item.number)
            if said and said.asks(reviewer):
                items.append(replace(item, asked=said.people))
        return replace(self, items=tuple(items))

    @property
    def new(self) -> tuple[Item, ...]:
        """Those about which nobody was asked yet."""
        return tuple(item for item in self.items if not item.asked)

    def points(self, first: int) -> float:
        """Share of the waiting utterances, in per cent, that the model is likely to understand wrongly and that a
        decision on each of the first items would settle."""
        return 100 * sum(item.doubt for item in self.new[:first]) / max(1, self.waiting)

    @property
    def pays(self) -> bool:
        """Whether somebody should be asked: a second opinion always pays."""
        second = len(self.new) < len(self.items)
        return second or (bool(self.items) and self.points(ROUND) >= PAYING)

    def advice(self) -> str:
        """How many labels are worth somebody's time, in a sentence."""
        if not self.items:
            return "There is nothing to review."
        if not self.new:
            return "Only second opinions are asked for."
        asked = min(len(self.new), ROUND)
        points = self.points(asked)
        if points < PAYING:
            return f"Labels hardly pay any more: the next {asked} would settle {points:.1f} % of the messages."
        return f"Label these {asked}: about + {points:.1f} points on the messages that wait."


async def open_queue(journal: Journal, model: Model, settings: Settings, begin: Callable[[str], Tell]) -> Queue:
    """`begin` is told what is read next, and gives whom to tell how far that is."""
    again = asked_again(opinions(await journal.opinions(), settings.second_opinion))
    known = known_to(model, settings, begin(EXAMPLES))
    look = partial(looked, tell=begin(SAID))
    return shared_queue(await journal.unreviewed(NEWEST), again, model, known, look)


async def words_on(journal: Journal, ids: Collection[int], share: float) -> dict[int, Opinions]:
    """What was said until now, by anybody and anywhere, of those of the utterances that are there; `share`: of what a
    second opinion is asked for."""
    found = await journal.words_on(ids)
    return {one.id: Opinions(one, tuple(words), is_drawn(one.text, share)) for one, words in found}


def shared_queue(
    utterances: Sequence[Utterance],
    again: Mapping[frozenset[str], Sequence[Utterance]],
    model: Model,
    known: Nearest | None = None,
    look: Look = looked,
) -> Queue:
    """For several reviewers. What waits for a second opinion (`again`, by who has spoken) is asked first."""
    new = queue_of(utterances, model, known, look)
    second = [
        replace(item, asked=people)
        for people, group in again.items()
        for item in queue_of(group, model, known, look).items
    ]
    return replace(new, items=(*second, *new.items))


def known_to(model: Model, settings: Settings, tell: Tell = untold) -> Nearest | None:
    """The data folder's examples as the model sees them; None if the folder cannot be read just now."""
    from nlu.nearest import nearest

    with suppress(DataError, OSError):
        return nearest(model, read_training_data(settings.data), settings.home / EXPLAINED, tell)
    return None


def queue_of(utterances: Sequence[Utterance], model: Model, known: Nearest | None = None, look: Look = looked) -> Queue:
    """In the order of what a decision is worth; with the nearest of the `known` examples."""
    same = _same_words(utterances)
    if not same:
        return Queue()
    firsts = [group[0] for group in same]
    seen = look([one.text for one in firsts], model)
    worth = Worth.of(seen)
    signalled = np.array([sum(weight for weight, _ in _signals(group)) for group in same])
    frequent = 1 + np.log([len(group) for group in same])
    total = ((worth.total + signalled) * frequent).astype(np.float32)
    together = seen.together
    rows = clusters(together, total, seen.likely.argmax(1).tolist())
    others = [example.text for example in known.examples] if known is not None else []
    proposed = proposals([one.text for one in firsts], [len(group) for group in same], seen, others)
    nearest = known.find(seen.points) if known is not None else [()] * len(same)
    judged = _Judged(same, seen, together, worth, total, model.manifest.intents, nearest, proposed)
    return Queue(tuple(_topic_by_topic([judged.item(cluster) for cluster in rows])), len(utterances))


def _topic_by_topic(items: Sequence[Item]) -> Iterator[Item]:
    """Those of one proposed intent after the first of them: who made up their mind need not do so again."""
    of_topic: dict[Proposal, list[Item]] = defaultdict(list)
    for item in items:
        if item.proposal:
            of_topic[item.proposal].append(item)
    for item in items:
        if item.proposal is None:
            yield item
        else:
            yield from of_topic.pop(item.proposal, ())


def _same_words(utterances: Iterable[Utterance]) -> list[list[Utterance]]:
    groups: dict[str, list[Utterance]] = defaultdict(list)
    for utterance in utterances:
        groups[same_text(utterance.text)].append(utterance)
    return list(groups.values())


def _signals(group: Sequence[Utterance]) -> list[tuple[float, str]]:
    """Each that any of them has, once."""
    names = {name for one in group for name in one.signals if name in SIGNALS}
    disliked = any(one.signals.get("rating") == "down" for one in group)
    return [DISLIKED] * disliked + [SIGNALS[name] for name in SIGNALS if name in names]


@dataclass(frozen=True, slots=True)
class _Judged:
    same: Sequence[Sequence[Utterance]]
    seen: Insight
    together: Any
    worth: Worth
    total: Any
    names: Sequence[str]
    nearest: Sequence[tuple[Near, ...]]
    proposed: Mapping[int, Proposal] = field(default_factory=dict)
    """By row."""

    def item(self, rows: Sequence[int]) -> Item:
        members = [utterance for row in rows for utterance in self.same[row]]
        first = rows[0]
        alike = self.together[list(rows)] @ self.together[first]
        sizes = [len(self.same[row]) for row in rows]
        best = np.argsort(-self.seen.likely[first], kind="stable")[:_GUESSES].tolist()
        guesses = tuple(Intent(self.names[number], float(self.seen.likely[first, number])) for number in best)
        return Item(
            utterances=tuple(members),
            guesses=guesses,
            reasons=self._reasons(first, members),
            worth=float(self.total[first]),
            doubt=float(sum((1 - self.seen.likely[row].max()) * len(self.same[row]) for row in rows)),
            nearest=self.nearest[first][:_NEAREST],
            proposal=self.proposed.get(first),
            same=sizes[0],
            close=sum(size for size, like in zip(sizes, alike.tolist(), strict=True) if like >= CLOSE),
            known=self.names,
        )

    def _reasons(self, first: int, members: Sequence[Utterance]) -> tuple[str, ...]:
        told = [words for _, words in _signals(members)]
        pressed = Counter(str(one.signals["pressed"]) for one in members if one.signals.get("pressed"))
        told += [f"pressed {name}" + (f" {count} times" if count > 1 else "") for name, count in pressed.most_common(2)]
        picked = Counter(name for one in members if (name := chosen(one, self.names)) is not None)
        told += [f"labelled {name} by those who took over" for name, _ in picked.most_common(2)]
        if self.worth.outside[first] >= _STRANGE:
            told.append(UNLIKE)
        if self.worth.disagreement[first] >= _APART:
            told.append(DISPUTED)
        if not told and members[0].verdict not in (None, Verdict.SURE):
            told.append("unsure")
        return tuple(told)
