"""Second opinions: which labels wait for another person's word, on which people differ, and how far they agree."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.journal.values import Review, Reviewed, Utterance, person
from bot.printed import counted
from nlu.data.reader import same_text

Meaning = tuple[str, str | None]


def meaning(review: Review) -> Meaning:
    return review.kind.value, review.label


def named(review: Review) -> str:
    """As a person reads it."""
    return review.label or review.kind.value.replace("_", " ")


def is_drawn(text: str, share: float) -> bool:
    """Whether these words are among the share of which a second opinion is asked: the same every time, and still so
    with a larger share."""
    digest = hashlib.sha256(same_text(text).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64


@dataclass(frozen=True, slots=True)
class Opinions:
    """What people said of one utterance."""

    utterance: Utterance
    words: tuple[Review, ...]
    """In their order; somebody's later one takes the place of the one before."""
    drawn: bool = False

    @property
    def people(self) -> frozenset[str]:
        return frozenset(person(one.reviewer) for one in self.words)

    @property
    def standing(self) -> tuple[Review, ...]:
        """Each person's last word."""
        return tuple({person(one.reviewer): one for one in self.words}.values())

    @property
    def settled(self) -> Review | None:
        """What counts: the last word; of what is drawn, what two people say and more than say anything else."""
        if not self.words:
            return None
        if not self.drawn:
            return self.words[-1]
        ranked = Counter(meaning(one) for one in self.standing).most_common(2)
        if ranked[0][1] < 2 or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
            return None
        return next(one for one in reversed(self.words) if meaning(one) == ranked[0][0])

    @property
    def disputed(self) -> bool:
        return self.settled is None and len(self.people) > 1

    @property
    def blind(self) -> tuple[Meaning, Meaning] | None:
        """The first word of the first two people, who did not know of each other's."""
        first: dict[str, Review] = {}
        for one in self.words:
            first.setdefault(person(one.reviewer), one)
        pair = list(first.values())[:2]
        return (meaning(pair[0]), meaning(pair[1])) if self.drawn and len(pair) == 2 else None

    def asks(self, name: str) -> bool:
        """Whether somebody is still to be asked."""
        return self.settled is None and person(name) not in self.people


def opinions(said: Iterable[Reviewed], share: float) -> list[Opinions]:
    """`said`: every word on every utterance, in their order; `share`: of what a second opinion is asked for."""
    words: defaultdict[int, list[Reviewed]] = defaultdict(list)
    for one in said:
        words[one.utterance.id].append(one)
    return [
        Opinions(same[0].utterance, tuple(one.review for one in same), is_drawn(same[0].utterance.text, share))
        for same in words.values()
    ]


def settled(found: Iterable[Opinions]) -> list[Reviewed]:
    """What counts."""
    return [Reviewed(one.utterance, word) for one in found if (word := one.settled) is not None]


def asked_again(found: Iterable[Opinions]) -> Mapping[frozenset[str], Sequence[Utterance]]:
    """Those that wait for another person's word, by who has spoken."""
    groups: defaultdict[frozenset[str], list[Utterance]] = defaultdict(list)
    for one in found:
        if one.settled is None:
            groups[one.people].append(one.utterance)
    return groups


def disputes_of(found: Iterable[Opinions], name: str) -> list[Opinions]:
    """The disagreements in which somebody has a part; whoever has not is still to be asked, and is told nothing."""
    return [one for one in found if one.disputed and person(name) in one.people]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agree who were asked the same without knowing of each other."""

    texts: int
    """Different ones that two people were asked about."""
    agreed: int
    kappa: float | None
    """Cohen's: 1 for always, 0 for as often as by chance; None where chance alone explains all."""
    waiting: int
    """Utterances with one opinion yet."""
    disputed: int

    @classmethod
    def of(cls, found: Sequence[Opinions]) -> Agreement:
        pairs = list({same_text(one.utterance.text): one.blind for one in found if one.blind}.values())
        disputed = sum(one.disputed for one in found)
        waiting = sum(one.settled is None for one in found) - disputed
        agreed = sum(first == second for first, second in pairs)
        return cls(len(pairs), agreed, _kappa(pairs), waiting, disputed)

    def to_json(self) -> dict[str, Any]:
        kappa = None if self.kappa is None else round(self.kappa, 4)
        counts = {"waiting": self.waiting, "disputed": self.disputed}
        return {"texts": self.texts, "agreed": self.agreed, "kappa": kappa, **counts}

    def to_text(self) -> str:
        """Empty where nobody was asked for a second opinion."""
        if not (self.texts or self.waiting):
            return ""
        told = []
        if self.texts:
            kappa = "" if self.kappa is None else f" (Cohen's kappa {self.kappa:.2f})"
            told.append(f"two people agree on {self.agreed} of {counted(self.texts, 'text', 'texts')}{kappa}")
        told += [f"{counted(self.waiting, 'utterance waits', 'utterances wait')} for one"] * bool(self.waiting)
        told += [f"{self.disputed} disputed"] * bool(self.disputed)
        return f"Second opinions: {', '.join(told)}."


def _kappa(pairs: Sequence[tuple[Meaning, Meaning] | None]) -> float | None:
    known = [pair for pair in pairs if pair]
    if not known:
        return None
    firsts, seconds = (Counter(pair[side] for pair in known) for side in (0, 1))
    chance = sum(firsts[one] * seconds[one] for one in firsts) / len(known) ** 2
    observed = sum(first == second for first, second in known) / len(known)
    return None if chance == 1 else (observed - chance) / (1 - chance)
