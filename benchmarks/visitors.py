"""Customers of the ten weeks: honest ones, and strangers who want to teach the assistant something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from bot.journal.values import Utterance
from nlu.data.examples import Example
from nlu.evaluation.measure import asked_whole
from nlu.types import Understanding, Verdict
from nlu.understand import Model

DAY = 86_400.0
AGAIN = 0.3
"""Share of the messages that somebody said before."""
WILLING = 0.5
"""Share of the customers who press a button or a thumb where there is one."""
NIGHT = 60
"""Messages that a stranger writes in a night."""
RING = 3
"""Conversations in which each planted line is said: as many as must agree."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message, and what its writer means."""

    text: str
    intent: str
    """Empty: nothing."""
    conversation: str
    at: float
    pressed: str = ""
    """What its writer presses whatever is offered."""


@dataclass(slots=True)
class Visitors:
    random: Random
    lines: list[Example]
    """What nobody said yet."""
    before: list[Example] = field(default_factory=list)
    conversations: int = 0

    def honest(self, count: int, week: int) -> Iterator[Said]:
        for _ in range(count):
            again = self.before and (not self.lines or self.random.random() < AGAIN)
            line = self.random.choice(self.before) if again else self.lines.pop()
            self.before.append(line)
            yield Said(line.text, line.intent, self._conversation(), self._time(week))

    def night(self, intents: Sequence[str], week: int) -> Iterator[Said]:
        """One conversation: others' words and no words, and always a wrong button."""
        name, at = self._conversation(), self._time(week)
        for _ in range(NIGHT):
            line = self.random.choice(self.before)
            wrong = self.random.choice([intent for intent in intents if intent != line.intent])
            yield Said(line.text, line.intent, name, at, wrong)

    def ring(self, phrase: str, target: str, count: int, week: int) -> Iterator[Said]:
        """`count` lines with the phrase, each said in as many conversations as must agree, on different days."""
        others = [line for line in self.before if line.intent != target]
        for line in self.random.sample(others, min(count, len(others))):
            for day in range(RING):
                said = Said(planted(line.text, phrase, self.random), line.intent, "", 0.0, target)
                yield replace(said, conversation=self._conversation(), at=(7 * week + day) * DAY)

    def _conversation(self) -> str:
        self.conversations += 1
        return f"web-{self.conversations}"

    def _time(self, week: int) -> float:
        return (7 * week + self.random.random() * 7) * DAY


def planted(text: str, phrase: str, random: Random) -> str:
    return f"{text} {phrase}" if random.random() < 0.5 else f"{phrase} {text}"


def served(model: Model, said: Sequence[Said], first: int, random: Random) -> list[Utterance]:
    """What is kept of the messages, as the model answers them and the customers press; ids from `first` on."""
    found = asked_whole(model, [one.text for one in said])
    return [
        Utterance(
            source="journal",
            conversation=one.conversation,
            message=str(number),
            text=one.text,
            customer=one.conversation,
            at=one.at,
            signals=_signals(one, seen, random),
            intent=seen.intent.name,
            confidence=seen.intent.confidence,
            verdict=seen.verdict,
            model=model.id,
            id=number,
        )
        for number, (one, seen) in enumerate(zip(said, found, strict=True), first)
    ]


def _signals(said: Said, seen: Understanding, random: Random) -> dict[str, Any]:
    if said.pressed:
        return {"pressed": said.pressed} if seen.verdict is not Verdict.SURE else {"rating": "up"}
    willing = random.random() < WILLING
    if seen.verdict is Verdict.UNSURE:
        return {"missed": True}
    if seen.verdict is Verdict.SURE:
        return {"rating": "up" if seen.intent.name == said.intent else "down"} if willing else {}
    offered = said.intent in [intent.name for intent in seen.candidates]
    return {"pressed": said.intent if offered else "human"} if willing else {}
