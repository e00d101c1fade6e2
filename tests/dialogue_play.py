"""Plays dialogues written as lines: what is said, and what must come back.

    > where is it | track order=LW-1     text | intent entity=value ...          surely understood
    > hmm | ?                            not understood; `? order=LW-1` with an entity; `?de` in another language
    > the order | track / cancel         ambiguous between these
    > cancel it and where is lw-2 | cancel + track order=LW-2      two requests, in the words around "and"
    > /track{"order": "LW-1"}            a pressed button
    < Which order? [Yes] [No]            a reply: text, buttons, (source)
    ! queue customer_request             who answers afterwards, and why

Every turn is also taken from the tracker's snapshot, and must come out the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from textwrap import dedent

from bot.dialogue.assistant import Assistant
from bot.dialogue.respond import ActionCall, ActionFailure, ActionResult, Outcome, respond
from bot.dialogue.tracker import Tracker
from bot.messages import Event, Inbound, Json, Outbound
from nlu.types import Entity, Intent, Passage, Request, Understanding, Verdict

Fake = Callable[[ActionCall], ActionResult | ActionFailure]


def assistant_of(**files: str) -> Assistant:
    """An assistant from the text of its files: `domain=...`, `rules=...`."""
    with TemporaryDirectory() as folder:
        for name, text in files.items():
            Path(folder, f"{name}.yml").write_text(dedent(text), encoding="utf-8")
        return Assistant.load(Path(folder))


def slot(name: str, value: object) -> Event:
    return Event("slot", 0.0, {"name": name, "value": value})


def passage(text: str, *, sure: bool) -> Passage:
    return Passage("article-1", "Delivery", "", text, "/kb/article-1", 0.8 if sure else 0.4, sure)


def understood(text: str, meaning: str, passages: tuple[Passage, ...] = ()) -> Understanding:
    """What the model would say: `intent entity=value`, `?`, `first / second`, or `first + second` for two requests."""
    if " + " in meaning:
        whole = understood(text, meaning.partition(" + ")[0], passages)
        return replace(whole, requests=_requests(text, meaning.split(" + "), passages))
    words = [word for word in meaning.split() if "=" not in word]
    names = [word for word in words if word[0] not in "?/"]
    verdict = Verdict.UNSURE if "?" in meaning else Verdict.AMBIGUOUS if "/" in words else Verdict.SURE
    first = 0.95 if verdict is Verdict.SURE else 0.6
    chances = [first, *(round(0.4 - 0.2 * place, 2) for place in range(len(names)))]
    ranking = tuple(map(Intent, names or ["greet"], chances))
    return Understanding(
        text=text,
        intent=ranking[0],
        ranking=ranking,
        verdict=verdict,
        candidates=ranking if verdict is Verdict.AMBIGUOUS else (),
        language=next((word[1:] for word in words if word[0] == "?"), ""),
        entities=tuple(_entity(word) for word in meaning.split() if "=" in word),
        passages=passages,
    )


def _requests(text: str, meanings: Sequence[str], passages: tuple[Passage, ...]) -> tuple[Request, ...]:
    parts = text.split(" and ")
    starts = [text.index(part) for part in parts]
    meant = [understood(part, meaning, passages) for part, meaning in zip(parts, meanings, strict=True)]
    return tuple(Request(*pair) for pair in zip(starts, meant, strict=True))


def _entity(word: str) -> Entity:
    name, _, value = word.partition("=")
    name, _, role = name.partition(":")
    return Entity(name, 0, 1, value.replace("_", " "), 0.9, "fake", role or None)


def shown(reply: Outbound) -> str:
    buttons = "".join(f" [{button.title}]" for button in reply.buttons)
    source = f" ({reply.source.title})" if reply.source else ""
    return f"{reply.text}{buttons}{source}".strip()


@dataclass
class Play:
    assistant: Assistant = field(repr=False)
    actions: dict[str, Fake] = field(default_factory=dict)
    tracker: Tracker = field(default_factory=lambda: Tracker("c1"), repr=False)
    passages: tuple[Passage, ...] = ()
    channel: str = "web"
    now: float = 1000.0
    seed: int = 7
    metadata: Mapping[str, object] = field(default_factory=dict)
    calls: list[ActionCall] = field(default_factory=list, repr=False)

    def __call__(self, script: str) -> None:
        """Raises AssertionError at the first turn that goes otherwise than written."""
        told: list[str] = []
        turn: list[str] = []
        for line in [*filter(None, map(str.strip, script.splitlines())), ">"]:
            if line.startswith(">"):
                heard = self._answered(told[-1]) if told else []
                wanted = [*turn, *([] if any(w.startswith("!") for w in turn) else [w for w in heard if w[0] == "!"])]
                assert heard == wanted, f"after {told[-1]!r}"
                told.append(line[1:].strip())
                turn = []
            else:
                turn.append(line)

    def _answered(self, line: str) -> list[str]:
        outcome = self.hear(line)
        said = [f"< {shown(reply)}" for reply in outcome.replies]
        return [*said, f"! {outcome.owner.value}" + (f" {outcome.reason}" if outcome.reason else "")]

    def hear(self, line: str) -> Outcome:
        """One message, in the notation above."""
        text, _, meaning = (part.strip() for part in line.partition(" | "))
        if text.startswith("/") and not meaning:
            return self.turn(text, None, payload=text)
        return self.turn(text, understood(text, meaning or "?", self.passages))

    def turn(self, text: str, understanding: Understanding | None, payload: str | None = None) -> Outcome:
        self.now += 1
        inbound = Inbound("c1", f"m{self.now}", text, self.channel, self.now, payload, self.metadata)
        restored = Tracker.from_json(json.loads(self.tracker.written()))
        again = self._respond(restored, inbound, understanding, [])
        outcome = self._respond(self.tracker, inbound, understanding, self.calls)
        assert outcome == again, "a turn from the snapshot comes out otherwise"
        self.tracker = outcome.tracker
        return outcome

    def _respond(
        self, tracker: Tracker, inbound: Inbound, understanding: Understanding | None, calls: list[ActionCall]
    ) -> Outcome:
        turn = respond(self.assistant, tracker, inbound, understanding, now=self.now, rng=Random(self.seed))
        try:
            call = next(turn)
            while True:
                json.dumps([call.tracker, call.domain])
                calls.append(call)
                fake = self.actions.get(call.name)
                call = turn.send(fake(call) if fake else ActionFailure("unknown"))
        except StopIteration as end:
            outcome: Outcome = end.value
            return outcome

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def apply(self, *events: Event) -> None:
        self.tracker = self.tracker.apply_all(events)

    def copy(self) -> Play:
        return replace(self, calls=[])


def says(*texts: str, events: Sequence[Event] = (), **response: object) -> Fake:
    """A custom action that says this and returns these events."""
    responses: list[Json] = [{"text": text} for text in texts] + ([dict(response)] if response else [])
    return lambda call: ActionResult(events, responses)


def fails(kind: str) -> Fake:
    return lambda call: ActionFailure(kind)  # type: ignore[arg-type]  # the kinds are the tests' own
