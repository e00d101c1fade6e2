"""What comes next: the rule, or else the story, that fits what happened best."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.dialogue.history import Loop, Move
from bot.dialogue.rules import Done, Gap, Hard, Path, Said, SlotIs
from bot.dialogue.tracker import Tracker
from nlu.types import family

Key = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Prediction:
    """`action` None means to listen."""

    action: str | None
    path: Path
    length: int
    """Steps of the path that have happened."""

    @property
    def goes_on(self) -> bool:
        """Whether the path expects an answer next."""
        return self.length < len(self.path.steps) and self.action is None

    @property
    def particular(self) -> bool:
        """Whether the path wants more than what was said and done: an entity, a slot, a loop."""
        return self.path.weight(self.length) > 0

    @property
    def turns(self) -> int:
        """Messages of the customer that it has followed."""
        return sum(isinstance(step, Said) for step in self.path.steps[: self.length])


@dataclass(frozen=True, slots=True)
class _Candidate:
    rank: tuple[bool, int, int, int]
    """Of those that fit, the highest is taken: rules before stories, long and particular ones, the first written."""
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Policy:
    """Paths, found by the last thing that happened."""

    index: Mapping[Key, Sequence[_Candidate]] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Sequence[Path]) -> Policy:
        index: dict[Key, list[_Candidate]] = {}
        for order, path in enumerate(paths):
            for length in range(1, len(path.steps) + path.waits):
                rank = (path.is_rule, length, path.weight(length), -order)
                index.setdefault(_key(path.steps[length - 1]), []).append(_Candidate(rank, _next(path, length)))
        return cls(index)

    def predict(self, tracker: Tracker, without: frozenset[str] = frozenset()) -> Prediction | None:
        """None when no rule and no story knows this situation. `without`: actions that refused to run."""
        fitting = [
            one
            for one in self._candidates(tracker)
            if one.prediction.action not in without and fits(one.prediction.path, one.prediction.length, tracker)
        ]
        return max(fitting, key=lambda one: one.rank).prediction if fitting else None

    def _candidates(self, tracker: Tracker) -> Iterator[_Candidate]:
        last = next((move for move in reversed(tracker.moves) if move.hard), None)
        if last is None:
            return
        for key in _keys(last):
            yield from self.index.get(key, ())


def fits(path: Path, length: int, tracker: Tracker) -> bool:
    """Whether the first `length` steps of the path are the last things that happened."""
    past = _Past(tracker)
    for number in range(length, 0, -1):
        if not past.holds(path.gaps[number]) or not past.take(path.steps[number - 1]):
            return False
    return past.holds(path.gaps[0]) and (not path.at_start or past.at_start())


class _Past:
    """The conversation, walked backwards: each move that is passed is taken back."""

    def __init__(self, tracker: Tracker) -> None:
        self._moves = tracker.moves
        self._place = len(tracker.moves)
        self._slots = dict(tracker.slots)
        self._loop = tracker.loop.name if tracker.loop else None
        self._begun = tracker.begun

    def holds(self, gap: Gap) -> bool:
        """Slots and the last loop as they are here; the loops before it somewhere on the way back to the last step."""
        if gap.slots and not all(_has(self._slots, slot) for slot in gap.slots):  # most gaps want nothing
            return False
        if not gap.loops:
            return True
        for place, loop in enumerate(reversed(gap.loops)):
            while loop != self._loop:
                if place == 0 or not self._soft_step():
                    return False
        return True

    def take(self, step: Hard) -> bool:
        while self._soft_step():
            pass
        if self._place == 0 or not _is(step, self._moves[self._place - 1]):
            return False
        self._place -= 1
        return True

    def at_start(self) -> bool:
        while self._soft_step():
            pass
        return self._place == 0 and self._begun

    def _soft_step(self) -> bool:
        if self._place == 0 or self._moves[self._place - 1].hard:
            return False
        self._place -= 1
        move = self._moves[self._place]
        if move.kind == "slot" and move.name is not None:
            self._slots[move.name] = move.before
        elif move.kind == "loop":
            self._loop = Loop.from_json(move.before).name if move.before else None
        return True


def _next(path: Path, length: int) -> Prediction:
    step = path.steps[length] if length < len(path.steps) else None
    return Prediction(step.action if isinstance(step, Done) else None, path, length)


def _key(step: Hard) -> Key:
    if isinstance(step, Done):
        return ("done", step.action)
    return ("text", None) if step.intent is None else ("said", step.intent)


def _keys(move: Move) -> list[Key]:
    if move.kind == "done":
        return [("done", move.name)]
    base = family(move.name or "")
    return [("text", None), *dict.fromkeys((("said", move.name), ("said", base)))]


def _is(step: Hard, move: Move) -> bool:
    if isinstance(step, Done):
        return move.kind == "done" and move.name == step.action
    if move.kind != "said":
        return False
    if step.intent is None:
        return step.text is not None and step.text.casefold() == move.text.strip().casefold()
    meant = step.intent in (move.name, family(move.name or ""))
    return meant and all(_mentioned(entity, move) for entity in step.entities)


def _mentioned(entity: tuple[str, str | None, str | None], move: Move) -> bool:
    name, role, group = entity
    return any(found[0] == name and role in (None, found[1]) and group in (None, found[2]) for found in move.entities)


def _has(slots: Mapping[str, Any], wanted: SlotIs) -> bool:
    value = slots.get(wanted.name)
    if wanted.given:
        return value is not None
    if isinstance(value, str) and isinstance(wanted.value, str):
        return value.casefold() == wanted.value.casefold()
    # In YAML `1` and `true` are different things; in Python they are equal.
    return bool(value == wanted.value) and isinstance(value, bool) == isinstance(wanted.value, bool)
