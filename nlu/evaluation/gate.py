"""Whether a new model may take the old one's place: one that is worse in anything that counts is held, and why is said.

Asked are texts that neither model was trained on, the canaries, and customers' last messages.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Self

from nlu.data.examples import Example
from nlu.evaluation import rules
from nlu.evaluation.compare import Comparison, compare
from nlu.evaluation.entities import Pairs
from nlu.evaluation.knowledge import ranks_of
from nlu.evaluation.measure import NOTHING_SAID, Answers, Texts, asked_whole, understood
from nlu.evaluation.replay import Replay, replayed
from nlu.evaluation.rules import ACCURACY, PHRASE, Reason
from nlu.evaluation.signs import Steps
from nlu.learning.triggers import Taught
from nlu.source import in_line
from nlu.understand import Model

NO_TEXTS = Texts(())
NOT_SAID = Taught()


@dataclass(frozen=True, slots=True)
class Evidence:
    held_out: Texts
    """That no training touches."""
    canaries: Texts = NO_TEXTS
    """Questions that must be understood whatever else changes."""
    turns: Sequence[str] = ()
    """What customers wrote last."""
    taught: Taught = NOT_SAID
    """What the new model learnt."""
    said: Answers = field(default_factory=dict)
    """What the new model said of some of the texts already."""
    unanswered: Collection[str] = ()
    """Intents that no rule answers: the articles do, or a person."""


@dataclass(frozen=True, slots=True)
class Both:
    """The same examples as the two models understood them."""

    before: Pairs = ()
    after: Pairs = ()

    @classmethod
    def of(cls, before: Model, after: Model, examples: Sequence[Example], said: Answers) -> Self:
        return cls(understood(before, examples), understood(after, examples, said))


@dataclass(frozen=True, slots=True)
class Decision:
    before: str
    after: str
    reasons: tuple[Reason, ...]
    """Why the new model is held; none: it may be promoted."""
    notes: tuple[str, ...]
    comparison: Comparison | None
    replay: Replay | None
    held_out: Both = Both()
    """Without those that a model was trained on."""
    canaries: Both = Both()

    @property
    def held(self) -> bool:
        return bool(self.reasons)

    @property
    def inaccurate(self) -> bool:
        """Whether the accuracy speaks against the new model: then nobody should read beside it that it may be luck."""
        return any(reason.what == ACCURACY for reason in self.reasons)

    def unquoted(self) -> Self:
        """Without a word that customers said."""
        reasons = tuple(replace(one, texts=()) if one.what == PHRASE else one for one in self.reasons)
        return replace(self, reasons=reasons, replay=self.replay.unquoted() if self.replay else None)

    def to_json(self) -> dict[str, Any]:
        return {
            "before": self.before,
            "after": self.after,
            "held": self.held,
            "reasons": [asdict(reason) for reason in self.reasons],
            "notes": list(self.notes),
            "comparison": self.comparison.to_json() if self.comparison else None,
            "replay": self.replay.to_json() if self.replay else None,
        }

    def to_text(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.after} against {self.before}: {'held' if self.held else 'may be promoted'}"
        for reason in self.reasons:
            yield f"  {reason.what}: {reason.sentence}"
            yield from (f"      {in_line(text)}" for text in reason.texts)
        yield from (f"  {note}" for note in self.notes)
        if self.comparison is not None:
            yield self.comparison.to_text(judged=not self.inaccurate)
        if self.replay is not None:
            yield self.replay.to_text()


def gate(before: Model, after: Model, evidence: Evidence) -> Decision:
    said = evidence.said
    examples, leaked = _unseen(evidence.held_out.examples, (before, after))
    held_out, canaries = (Both.of(before, after, asked, said) for asked in (examples, evidence.canaries.examples))
    old, new = held_out.before, held_out.after
    replay = replayed(before, after, evidence.turns, said, evidence.unanswered) if evidence.turns else None
    trusted, found_first = evidence.canaries.questions, partial(_article_steps, before, after, said)
    reasons = [
        *rules.leaks(leaked, len(evidence.held_out.examples)),
        *rules.too_few(examples),
        *rules.worse_answers(old, new),
        *rules.sacrificed(old, new),
        *rules.doubting(old, new),
        *rules.canaries(canaries.before, canaries.after, trusted, found_first(trusted)),
        *rules.articles(evidence.held_out.questions, found_first(evidence.held_out.questions)),
        *(rules.turned_away(replay) if replay is not None else ()),
        *rules.planted(before, after, evidence.taught, examples),
    ]
    notes = [f"{len(leaked)} held-out texts are left out: a model was trained on them."] if leaked else []
    comparison = compare(old, new)
    return Decision(before.id, after.id, tuple(reasons), tuple(notes), comparison, replay, held_out, canaries)


def _unseen(examples: Sequence[Example], models: Iterable[Model]) -> tuple[list[Example], list[Example]]:
    """And those that a model was trained on, word for word."""
    known = [any(example.text in model.remembered for model in models) for example in examples]
    parts: tuple[list[Example], list[Example]] = [], []
    for example, leaked in zip(examples, known, strict=True):
        parts[leaked].append(example)
    return parts


def _article_steps(before: Model, after: Model, said: Answers, questions: Sequence[tuple[str, str]]) -> Steps:
    return Steps.of(_found_first(before, questions, NOTHING_SAID), _found_first(after, questions, said))


def _found_first(model: Model, questions: Sequence[tuple[str, str]], said: Answers) -> list[bool]:
    found = asked_whole(model, [text for text, _ in questions], said)
    return [rank == 1 for rank in ranks_of(list(zip(questions, found, strict=True))).tolist()]
