"""The invariants, checked against the history that the public protocol gives after a full restart.

I1 nothing acknowledged is lost   I2 nothing is there twice   I3 everything is answered   I4 order   I5 no gap
I6 no cross-talk   I7 actions   I8 what was not acknowledged is there once or not at all
I9 no answer from a stale state   I10 (in rounds.py) no call to Redis happens twice
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.chaos.stub import BACK, FAILED, GIVEN_UP, HANDED_OVER, INTERRUPTED, RESUMED, WAITING, mark

Json = dict[str, Any]
PASSED_ON = [INTERRUPTED, HANDED_OVER]
"""The one answer of two parts."""


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    conversation: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant}  {self.conversation}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Story:
    """One conversation, from both sides."""

    conversation: str
    said: Sequence[Json]
    """The customer's messages in the order they were written: `id`, `kind`."""
    acked: Mapping[str, set[int]]
    """By id: the numbers that acknowledgements told. One of them if all is well."""
    seen: Sequence[Json]
    """The entries that the customer's client was shown, in that order."""
    history: Sequence[Json]
    """The log after the restart, as `entries` frames give it."""
    pages: Sequence[Json]
    """The same as `history` frames give it."""
    owner: str
    odd: Sequence[Json] = ()
    """What the client did not expect: gaps, entries that changed, frames without sense."""
    effects: Sequence[Json] = ()
    """What actions did outside, in this conversation: `kind`, `key`."""
    may_fail: bool = False
    """The action server was out of order: any action may have failed."""

    @property
    def given_up(self) -> int:
        return sum(entry["text"] == GIVEN_UP for entry in self.history)

    def answers(self) -> Iterator[Json]:
        return (entry for entry in self.history if entry["reply_to"] is not None)


def check(story: Story) -> list[Violation]:
    return violations(
        story.conversation,
        I1=_lost(story),
        I2=_twice(story),
        I3=_unanswered(story),
        I4=_disorder(story),
        I5=_gaps(story),
        I6=_cross_talk(story),
        I7=_actions(story),
        I8=_unsent(story),
        I9=_stale(story),
    )


def violations(conversation: str, **found: Iterator[str]) -> list[Violation]:
    """Sentences by the invariant that they say is broken."""
    return [
        Violation(invariant, conversation, sentence) for invariant, sentences in found.items() for sentence in sentences
    ]


def _lost(story: Story) -> Iterator[str]:
    numbers = {entry["id"]: entry["seq"] for entry in story.history if entry["author"] == "user"}
    for message_id, told in story.acked.items():
        if told != {numbers.get(message_id)}:
            yield f"{message_id} was acknowledged as {sorted(told)} and is {numbers.get(message_id, 'not there')}"


def _twice(story: Story) -> Iterator[str]:
    ids = Counter(entry["id"] for entry in story.history if entry["author"] == "user")
    yield from (f"{name} is in the log {times} times" for name, times in ids.items() if times > 1)
    for where, entries in (("log", story.history), ("client", story.seen)):
        parts = Counter((e["reply_to"], e["part"]) for e in entries if e["reply_to"] is not None)
        yield from (
            f"part {part} of the answer to {seq} is {times} times in the {where}"
            for (seq, part), times in parts.items()
            if times > 1
        )
    answers: dict[int, list[str]] = defaultdict(list)
    for entry in story.answers():
        answers[entry["reply_to"]].append(entry["text"])
    yield from (f"{seq} has the answers {said}" for seq, said in answers.items() if len(said) > 1 and said != PASSED_ON)


def _unanswered(story: Story) -> Iterator[str]:
    sent = {entry["id"]: entry["seq"] for entry in story.history if entry["author"] == "user"}
    for message in story.said:
        if message["id"] not in sent and message["id"] not in story.acked:
            yield f"{message['id']} was never acknowledged"
    yield from (f"{seq} has no answer" for seq in unanswered(story.history))


def unanswered(entries: Sequence[Json]) -> list[int]:
    """Numbers of messages that still have to be answered. Who was told that a person comes is told once."""
    answers: dict[int, list[str]] = defaultdict(list)
    for entry in entries:
        if entry["reply_to"] is not None:
            answers[entry["reply_to"]].append(entry["text"])
    open_, told = [], False
    for entry in entries:
        if entry["author"] != "user":
            continue
        if not answers[entry["seq"]] and not told:
            open_.append(entry["seq"])
        told = (told or WAITING in answers[entry["seq"]]) and RESUMED not in answers[entry["seq"]]
    return open_


def _disorder(story: Story) -> Iterator[str]:
    place = {message["id"]: n for n, message in enumerate(story.said)}
    order = [place[e["id"]] for e in story.history if e["author"] == "user" and e["id"] in place]
    yield from (f"message {b} of the customer stands behind message {a}" for a, b in _falls(order))
    replies = [entry["reply_to"] for entry in story.answers()]
    yield from (f"the answer to {b} stands behind the answer to {a}" for a, b in _falls(replies))


def _falls(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    return ((a, b) for a, b in pairwise(numbers) if b < a)


def _gaps(story: Story) -> Iterator[str]:
    numbers = [entry["seq"] for entry in story.history]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"the log's numbers are {numbers}"
    if list(story.pages) != list(story.history):
        yield "`history` and `entries` tell different logs"
    if list(story.seen) != list(story.history):
        yield f"the client saw {_difference(story.seen, story.history)}"
    yield from (f"{line['what']}: {line}" for line in story.odd)


def _difference(seen: Sequence[Json], there: Sequence[Json]) -> str:
    for one, other in zip(seen, there, strict=False):
        if one != other:
            return f"{one}, and the log has {other}"
    return f"{len(seen)} entries of {len(there)}"


def _marked(story: Story) -> Iterator[tuple[Json, str, int]]:
    """The answers of the stub's actions: entry, mark, count."""
    for entry in story.answers():
        name, _, count = entry["text"].partition(" ")
        if len(name) == 16 and count.isdecimal():
            yield entry, name, int(count)


def _cross_talk(story: Story) -> Iterator[str]:
    asked = {entry["seq"]: entry for entry in story.history if entry["author"] == "user"}
    for entry, name, _ in _marked(story):
        question = asked.get(entry["reply_to"])
        if question is None or name != mark(story.conversation, question["id"]):
            yield f"the answer {entry['text']!r} to {entry['reply_to']} belongs to another message"


def _actions(story: Story) -> Iterator[str]:
    ran: dict[int, Counter[str]] = defaultdict(Counter)
    for effect in story.effects:
        ran[int(effect["key"].split(":")[-2])][effect["kind"]] += 1
    asked = {entry["seq"]: entry["text"] for entry in story.history if entry["author"] == "user"}
    answered = {entry["reply_to"] for entry, _, _ in _marked(story)}
    for seq, text in asked.items():
        times, others = ran[seq][text], +(ran[seq] - Counter({text: ran[seq][text]}))
        if others:
            yield f"{seq} ({text}) ran {dict(others)}"
        if text == "pay" and times > 1:
            yield f"{seq} paid {times} times"
        if seq in answered and times == 0:
            yield f"{seq} ({text}) has its answer and never ran"
    passed_on = False
    for entry in story.answers():
        text = asked.get(entry["reply_to"], "")
        passed_on = passed_on or entry["text"] in (HANDED_OVER, GIVEN_UP)
        if text == "pay" and entry["text"] == FAILED and ran[entry["reply_to"]]["pay"]:
            yield f"{entry['reply_to']} paid, and was told that it failed"
        if entry["reply_to"] not in answered and not _excused(story, entry["text"], text, passed_on):
            yield f"{entry['reply_to']} ({text}) was answered with {entry['text']!r}"


def _excused(story: Story, answer: str, text: str, passed_on: bool) -> bool:
    """An action that must not run twice and was interrupted goes to a person; any may fail with its server out of
    order. How many messages may be given up, the round knows."""
    return {
        FAILED: story.may_fail,
        INTERRUPTED: text == "pay",
        HANDED_OVER: text == "pay",
        GIVEN_UP: True,
        WAITING: passed_on,
        RESUMED: text == BACK,
    }.get(answer, False)


def _unsent(story: Story) -> Iterator[str]:
    ours = {message["id"] for message in story.said}
    for entry in story.history:
        if entry["author"] == "user" and entry["id"] not in ours:
            yield f"{entry['seq']} ({entry['id']}) is no message of this customer"


def _stale(story: Story) -> Iterator[str]:
    """Each answer counts those before it: one that was computed from another state than the last committed is seen."""
    counts = [count for _, _, count in _marked(story)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"the answers count {counts}"
