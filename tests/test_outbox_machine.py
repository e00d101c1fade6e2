"""Any sequence of commits, claims, outcomes, crashes and people's decisions, against a model; on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from bot.journal.deliveries import DEAD, OPEN, Claimant
from bot.journal.journal import Journal
from bot.journal.values import DeliveryState, Settled
from bot.messages import Outbound

SECONDS = 60.0
SENDERS = st.sampled_from(["red", "blue"])
ENDS = st.sampled_from([DeliveryState.DELIVERED, *DEAD])


@dataclass
class Letter:
    """One delivery as it should be."""

    id: int
    conversation: str
    seq: int
    state: DeliveryState = DeliveryState.WAITING
    due: float = 0.0
    holder: str | None = None
    until: float = 0.0
    doubt: bool = False
    attempts: int = 0
    parts: int = 0


class OutboxMachine(RuleBasedStateMachine):
    """Its channel is new to a database that all runs share."""

    runner: asyncio.Runner
    url: str
    runs = count()

    def __init__(self) -> None:
        super().__init__()
        self.channel = f"run {next(self.runs)}"
        self.now = 1_000_000.0
        self.letters: list[Letter] = []
        self.journal = self.run(Journal.open(self.url, lambda: self.now))

    def teardown(self) -> None:
        self.run(self.journal.close())

    def run(self, call: Any) -> Any:
        return self.runner.run(call)

    def claimant(self, name: str) -> Claimant:
        return Claimant(f"{name} {self.channel}", (self.channel,), SECONDS, 86400.0)

    def held(self, name: str) -> list[Letter]:
        """What a sender believes that it has in hand: also what was taken from it meanwhile."""
        return [letter for letter in self.letters if letter.holder == name]

    def due(self) -> list[Letter]:
        heads: dict[str, Letter] = {}
        for letter in sorted(self.letters, key=lambda letter: letter.seq):
            if letter.state is DeliveryState.WAITING:
                heads.setdefault(letter.conversation, letter)
        free = [one for one in heads.values() if one.due <= self.now and (not one.holder or one.until <= self.now)]
        return sorted(free, key=lambda letter: (letter.due, letter.id))

    @rule(conversation=st.sampled_from(["a", "b", "c"]))
    def say(self, conversation: str) -> None:
        name = f"{conversation} {self.channel}"
        self.run(self.journal.begin(name, self.channel, address={"to": name}))
        entry = self.run(self.journal.append(name, Outbound("hello")))
        newest = max(delivery.id for delivery in self.run(self.journal.deliveries()))
        self.letters.append(Letter(newest, name, entry.seq, due=self.now))

    @rule(seconds=st.sampled_from([1.0, 30.0, SECONDS]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(sender=SENDERS, limit=st.integers(1, 4))
    def claim(self, sender: str, limit: int) -> None:
        expected = self.due()[:limit]
        assert self.run(self.journal.any_due(self.claimant(sender))) == bool(expected)
        claimed = self.run(self.journal.claim(self.claimant(sender), limit))
        assert [delivery.id for delivery in claimed] == sorted(letter.id for letter in expected)
        for letter in expected:
            letter.doubt = letter.doubt or letter.holder is not None
            letter.holder, letter.until, letter.attempts = sender, self.now + SECONDS, letter.attempts + 1
        for delivery in claimed:
            (letter,) = [letter for letter in expected if letter.id == delivery.id]
            assert (delivery.doubt, delivery.attempts, delivery.parts) == (letter.doubt, letter.attempts, letter.parts)

    def settle(self, data: st.DataObject, sender: str, settled: Settled) -> Letter | None:
        """What a sender reports of any letter there is; None if it was not its own."""
        letter = data.draw(st.sampled_from(self.letters))
        mine = letter.holder == sender and letter.state is DeliveryState.WAITING
        assert self.run(self.journal.settle(letter.id, self.claimant(sender), settled)) is mine
        return letter if mine else None

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), sender=SENDERS, state=ENDS)
    def end(self, data: st.DataObject, sender: str, state: DeliveryState) -> None:
        if letter := self.settle(data, sender, Settled(state, doubt=True, parts=1)):
            letter.state, letter.holder, letter.doubt, letter.parts = state, None, True, 1

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), sender=SENDERS, pause=st.sampled_from([0.0, 10.0, 100.0]), doubt=st.booleans())
    def pause(self, data: st.DataObject, sender: str, pause: float, doubt: bool) -> None:
        if letter := self.settle(data, sender, Settled(DeliveryState.WAITING, self.now + pause, doubt)):
            letter.due, letter.doubt, letter.holder, letter.parts = self.now + pause, doubt, None, 0

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), sender=SENDERS, parts=st.integers(1, 3))
    def arrive_in_part(self, data: st.DataObject, sender: str, parts: int) -> None:
        if letter := self.settle(data, sender, Settled(DeliveryState.WAITING, parts=parts)):
            letter.parts, letter.doubt, letter.until = parts, False, self.now + SECONDS

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), sender=SENDERS)
    def lose_an_answer(self, data: st.DataObject, sender: str) -> None:
        held = self.held(sender)
        kept = data.draw(st.lists(st.sampled_from(held), unique_by=id)) if held else []
        self.run(self.journal.unclaim(self.claimant(sender), [letter.id for letter in kept]))
        for letter in held:
            if letter not in kept:
                letter.holder, letter.attempts = None, letter.attempts - 1

    @precondition(lambda self: self.letters)
    @rule(data=st.data(), again=st.booleans())
    def decide(self, data: st.DataObject, again: bool) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.letters), unique_by=id))
        may = [one for one in chosen if one.state in OPEN and (not one.holder or one.until <= self.now)]
        change = self.journal.offer_again if again else self.journal.drop
        assert self.run(change([letter.id for letter in chosen])) == sorted(letter.id for letter in may)
        for letter in may:
            letter.holder = None
            letter.state = DeliveryState.WAITING if again else DeliveryState.DROPPED
            if again:
                letter.due, letter.doubt, letter.attempts = self.now, False, 0

    @invariant()
    def the_journal_is_as_the_model(self) -> None:
        found = {one.id: one for one in self.run(self.journal.deliveries(tuple(DeliveryState)))}
        for letter in self.letters:
            one = found[letter.id]
            assert (one.state, one.doubt, one.attempts, one.parts) == (
                letter.state,
                letter.doubt,
                letter.attempts,
                letter.parts,
            )
            assert (one.entry.conversation_id, one.entry.seq) == (letter.conversation, letter.seq)


def test_any_sequence_leaves_the_outbox_as_the_model(database_url: str) -> None:
    with asyncio.Runner() as runner:

        class Machine(OutboxMachine):
            pass

        Machine.runner, Machine.url = runner, database_url
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
