"""Which utterances a training may learn from, as what, and how much each label deserves to be believed.

What a person decided in the review counts in full. What customers said themselves, by a button or a thumb, is free and
worth less, and strangers must not be able to teach the assistant: it counts only where several agree, and of one only a
few. What people called a conversation that they took over is free too; nobody else has to say the same.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.config import Settings
from bot.desk import NoLog, with_journal
from bot.dialogue.requests import HUMAN
from bot.journal.journal import Journal
from bot.journal.values import Kind, Reviewed, Utterance
from bot.learning.articles import to_write, unwritten
from bot.learning.choice import chosen
from bot.learning.opinions import is_drawn, opinions, settled
from bot.printed import counted
from bot.transcripts.collect import Collection
from bot.transcripts.keeper import Keeper
from nlu.data.examples import OUT_OF_SCOPE, Example, TrainingData
from nlu.data.reader import same_text
from nlu.learning.learned import NOTHING, PLACE, Learned
from nlu.learning.placeholders import filled
from nlu.learning.triggers import phrases
from nlu.lineage import lineage_key
from nlu.types import Verdict

PRESSED_WEIGHT = 0.5
"""Of a button chosen after "did you mean"."""
CHOSEN_WEIGHT = 0.5
"""Of what people chose who took the conversation over: they know, but it is about the conversation, not these words."""
LIKED_WEIGHT = 0.3
"""Of a thumb up: it says that an answer was good, and little of the words."""
FINISHED_WEIGHT = 0.3
"""Of a form that was gone through to its end: nobody does that with one that they did not ask for."""
KNOWN_AGREE, STRANGERS_AGREE = 2, 3
"""So many customers must have said the same of the same words: signed-in ones, or conversations of nobody known, which
cost nothing to open."""
STRANGERS_DAYS = 2
"""On so many days, then."""
MOST_OF_ONE = 5
"""Labels that one customer may have a part in."""
MOST_OF_PHRASE = 3
"""Labels of customers that may share a word, or two or three in a row, which the data folder does not have."""
FEWEST_OF_NEW = 5
"""Examples that an intent unknown to the data folder needs before it is trained."""
_DAY = 86_400.0
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to learn."""

    learned: Learned
    decided: int
    free: int
    waiting: Mapping[str, int] = field(default_factory=dict)
    """New intents with too few examples yet, and how many they have."""
    unsettled: int = 0
    """Decisions that wait for a second opinion, or on which people differ."""
    unwritten: Mapping[str, int] = field(default_factory=dict)
    """Articles that there are not yet, and how many questions wait for them."""

    def to_json(self) -> dict[str, Any]:
        counts = {"decided": self.decided, "questions": len(self.learned.questions), "free": self.free}
        return {
            **counts,
            "waiting": dict(self.waiting),
            "unwritten": dict(self.unwritten),
            "unsettled": self.unsettled,
        }

    def to_text(self) -> str:
        people = counted(self.decided, "utterance", "utterances")
        asked = counted(len(self.learned.questions), "question", "questions")
        parts = [
            f"{people} that people decided on, {asked} that articles answer, {self.free} whose labels came for free."
        ]
        parts += [f"{name} has {count} of {FEWEST_OF_NEW} examples yet." for name, count in self.waiting.items()]
        parts += to_write(self.unwritten)
        if self.unsettled:
            count = counted(self.unsettled, "more waits", "more wait")
            parts.append(f"{count} for a second opinion: `frontdesk review status`.")
        return " ".join(parts)


def to_learn(settings: Settings, data: TrainingData) -> Found:
    """All that may be learnt from, what was said until now collected; nothing without a conversation log."""

    async def read(journal: Journal) -> Found:
        await Collection(journal, Keeper.of(settings)).collect()
        said = opinions(await journal.opinions(), settings.second_opinion)
        told, orders = await journal.answered_for(), orders_in(data, settings)
        found = labelled(settled(said), told, data, orders, settings.second_opinion)
        return replace(found, unsettled=sum(one.settled is None for one in said))

    try:
        return with_journal(read, "Nothing was trained.")
    except NoLog:
        return Found(NOTHING, 0, 0)


def labelled(
    reviewed: Sequence[Reviewed],
    answered_for: Sequence[Utterance],
    data: TrainingData,
    orders: Sequence[str] = (),
    share: float = 0.0,
) -> Found:
    """`share`: of what a second opinion is asked for."""
    known = set(data.intents)
    sure = [pair for one in reviewed if (pair := decided(one)) is not None]
    familiar = {phrase for example in data.examples for phrase in phrases(example.text)}
    told = (label for one in answered_for if (label := _said(one, known)) is not None)
    free = [label for label in _rarely_alike(_free(told, share), familiar) if label.intent in known]
    counts = Counter(intent for _, intent in {(same_text(u.text), intent) for u, intent in sure})
    waiting = {
        name: n for name, n in sorted(counts.items()) if name not in known | set(OUT_OF_SCOPE) and n < FEWEST_OF_NEW
    }
    labels = [_Label(utterance, intent, 1.0) for utterance, intent in sure if intent not in waiting]
    kept = _one_of_each([*labels, *free])
    articles = {article.id for article in data.articles}
    questions = [one for one in reviewed if one.review.kind is Kind.ARTICLE and one.review.label in articles]
    return Found(
        _as_learned(kept, questions, orders),
        sum(one.weight == 1.0 for one in kept),
        sum(one.weight < 1.0 for one in kept),
        waiting,
        unwritten=unwritten(reviewed, articles),
    )


@dataclass(frozen=True, slots=True)
class _Label:
    utterance: Utterance
    intent: str
    weight: float
    by_people: bool = False
    """Of ours, who took the conversation over."""

    @property
    def words(self) -> str:
        """The same for texts that differ in punctuation and blanks."""
        return " ".join(_WORD.findall(self.utterance.text.casefold()))

    @property
    def customer(self) -> str:
        return self.utterance.customer or self.utterance.conversation

    @property
    def signed_in(self) -> bool:
        return self.utterance.customer not in (None, self.utterance.conversation)


def decided(one: Reviewed) -> tuple[Utterance, str] | None:
    """The utterance and its intent; None if the decision is about no intent."""
    if one.review.kind is Kind.OUT_OF_SCOPE:
        return one.utterance, OUT_OF_SCOPE[0]
    if one.review.kind is Kind.INTENT and one.review.label:
        return one.utterance, one.review.label
    return None


def _free(labels: Iterable[_Label], share: float) -> Iterator[_Label]:
    """Those on which enough customers agree, or that people chose, and nobody disagrees."""
    said: dict[str, list[_Label]] = defaultdict(list)
    for label in labels:
        said[label.words].append(label)
    parts: Counter[str] = Counter()
    for same in said.values():
        if len({label.intent for label in same}) > 1 or not (_vouched_for(same, share) or _agree(same)):
            continue
        customers = {label.customer for label in same}
        if all(parts[customer] < MOST_OF_ONE for customer in customers):
            parts.update(customers)
            yield max(same, key=lambda label: label.weight)


def _rarely_alike(labels: Iterable[_Label], familiar: set[str]) -> Iterator[_Label]:
    """Without those whose new words stand in enough of the others: strangers could plant them."""
    parts: Counter[str] = Counter()
    for label in labels:
        new = phrases(label.utterance.text) - familiar
        if all(parts[phrase] < MOST_OF_PHRASE for phrase in new):
            parts.update(new)
            yield label


def _said(utterance: Utterance, intents: set[str]) -> _Label | None:
    pressed, picked = utterance.signals.get("pressed"), chosen(utterance, intents)
    if isinstance(pressed, str) and pressed not in (HUMAN, *OUT_OF_SCOPE):
        return _Label(utterance, pressed, PRESSED_WEIGHT, picked is not None) if picked in (None, pressed) else None
    if picked is not None:
        return _Label(utterance, picked, CHOSEN_WEIGHT, by_people=True)
    if utterance.intent is None or utterance.verdict != Verdict.SURE:
        return None
    rating = utterance.signals.get("rating")
    if rating == "up":
        return _Label(utterance, utterance.intent, LIKED_WEIGHT)
    finished = utterance.signals.get("completed") is True and rating is None
    return _Label(utterance, utterance.intent, FINISHED_WEIGHT) if finished else None


def _vouched_for(same: Sequence[_Label], share: float) -> bool:
    """Nobody but the reviewer is asked for a second opinion: of such words one person's label is not enough."""
    return any(label.by_people and not is_drawn(label.utterance.text, share) for label in same)


def _agree(same: Sequence[_Label]) -> bool:
    if len({label.customer for label in same if label.signed_in}) >= KNOWN_AGREE:
        return True
    days = {int((label.utterance.at or 0.0) // _DAY) for label in same}
    return len({label.customer for label in same}) >= STRANGERS_AGREE and len(days) >= STRANGERS_DAYS


def _one_of_each(labels: Iterable[_Label]) -> list[_Label]:
    """Of the same words one label: what people decided last, before what customers said."""
    best: dict[str, _Label] = {}
    for label in labels:
        other = best.get(same_text(label.utterance.text))
        if other is None or label.weight == 1.0:
            best[same_text(label.utterance.text)] = label
    return list(best.values())


def _as_learned(labels: Sequence[_Label], questions: Sequence[Reviewed], orders: Sequence[str]) -> Learned:
    examples = tuple(
        Example(filled(one.utterance.text, orders), one.intent, (), PLACE, one.utterance.id, one.weight, marked=False)
        for one in labels
    )
    told = [*(one.utterance for one in labels), *(one.utterance for one in questions)]
    keys = tuple(lineage_key(*utterance.key) for utterance in told)
    asked = tuple((one.review.label or "", filled(one.utterance.text, orders)) for one in questions)
    return Learned(examples, keys, asked)


def orders_in(data: TrainingData, settings: Settings) -> tuple[str, ...]:
    """Order numbers as the examples write them."""
    if not settings.order_numbers:
        return ()
    shape = re.compile(settings.order_numbers)
    values = {e.text[a.start : a.end] for e in data.examples for a in e.annotations}
    return tuple(sorted(value for value in values if shape.fullmatch(value)))
