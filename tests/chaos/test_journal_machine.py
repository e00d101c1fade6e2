"""Any sequence of calls against a model of dictionaries, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.journal.errors import AlreadyProcessed, IdConflict, OutOfOrder, StaleFence
from bot.journal.journal import Journal
from bot.messages import Author, Inbound, Outbound, Owner, Turn

NAMES = st.sampled_from(["red", "green"])
OWNERS = st.sampled_from(Owner)


@dataclass
class Model:
    """One conversation as it should be."""

    entries: list[tuple[Author, str, int | None]] = field(default_factory=list)
    inbounds: dict[str, tuple[int, Inbound]] = field(default_factory=dict)
    pending: list[int] = field(default_factory=list)
    fence: int = 0
    version: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    owner: Owner = Owner.BOT

    def add(self, author: Author, text: str, reply_to: int | None = None) -> int:
        self.entries.append((author, text, reply_to))
        return len(self.entries)

    def refusal(self, seq: int, fence: int) -> type[Exception] | None:
        """What an answer to that message should meet with."""
        if fence < self.fence:
            return StaleFence
        if seq not in self.pending:
            return AlreadyProcessed
        return OutOfOrder if seq != self.pending[0] else None


class JournalMachine(RuleBasedStateMachine):
    """Its conversations are new to a database that all runs share."""

    runner: asyncio.Runner
    url: str
    runs = count()
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.run = next(self.runs)
        self.numbers = count(1)
        self.models: dict[str, Model] = {}
        self.journal = self.runner.run(Journal.open(self.url))

    def teardown(self) -> None:
        self.runner.run(self.journal.close())

    def conversation(self, name: str) -> str:
        return f"{name}-{self.run}"

    def meets(self, call: Any, refusal: type[Exception] | None) -> Any:
        if refusal is None:
            return self.runner.run(call)
        with pytest.raises(refusal):
            self.runner.run(call)
        return None

    @rule(target=sent, name=NAMES, text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5))
    def send(self, name: str, text: str) -> tuple[str, Inbound]:
        inbound = Inbound(self.conversation(name), f"m{next(self.numbers)}", text, "web", 1.0)
        model = self.models.setdefault(name, Model())
        seq = model.add(Author.USER, text)
        model.inbounds[inbound.message_id] = seq, inbound
        model.pending.append(seq)
        accepted = self.runner.run(self.journal.accept(inbound))
        assert (accepted.seq, accepted.duplicate) == (seq, False)
        return name, inbound

    @rule(message=sent)
    def send_again(self, message: tuple[str, Inbound]) -> None:
        name, inbound = message
        accepted = self.runner.run(self.journal.accept(inbound))
        assert (accepted.seq, accepted.duplicate) == (self.models[name].inbounds[inbound.message_id][0], True)

    @rule(message=sent)
    def send_another_under_its_id(self, message: tuple[str, Inbound]) -> None:
        _, inbound = message
        self.meets(self.journal.accept(replace(inbound, text=inbound.text + "!")), IdConflict)

    @rule(message=sent, lead=st.integers(-1, 2), replies=st.lists(st.text("ab", max_size=3), max_size=3), owner=OWNERS)
    def answer(self, message: tuple[str, Inbound], lead: int, replies: list[str], owner: Owner) -> None:
        name, inbound = message
        model = self.models[name]
        seq, fence, state = model.inbounds[inbound.message_id][0], model.fence + lead, {"n": next(self.numbers)}
        turn = Turn(inbound, seq, (), tuple(map(Outbound, replies)), owner, state)
        refusal = model.refusal(seq, fence)
        written = self.meets(self.journal.commit(turn, fence), refusal)
        if refusal is None:
            self.answered(model, seq, fence, replies, owner)
            model.state = state
            assert [entry.seq for entry in written] == list(range(len(model.entries) + 1))[
                -len(replies) :
            ] or not replies

    @rule(message=sent, lead=st.integers(-1, 1))
    def give_up(self, message: tuple[str, Inbound], lead: int) -> None:
        name, inbound = message
        model = self.models[name]
        seq, fence = model.inbounds[inbound.message_id][0], model.fence + lead
        refusal = model.refusal(seq, fence)
        self.meets(self.journal.bury(inbound.conversation_id, seq, "broken", Outbound("sorry"), fence), refusal)
        if refusal is None:
            self.answered(model, seq, fence, ["sorry"], Owner.QUEUE)

    def answered(self, model: Model, seq: int, fence: int, replies: list[str], owner: Owner) -> None:
        model.pending.remove(seq)
        model.fence, model.owner = fence, owner
        model.version = seq if seq > model.version else 0
        for text in replies:
            model.add(Author.BOT, text, seq)

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def take_over(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.models)))
        self.models[name].fence += 1
        assert self.runner.run(self.journal.fence(self.conversation(name))) == self.models[name].fence

    @precondition(lambda self: self.models)
    @rule(data=st.data(), owner=st.none() | OWNERS, changes_state=st.booleans(), lead=st.none() | st.integers(-1, 1))
    def notice(self, data: st.DataObject, owner: Owner | None, changes_state: bool, lead: int | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.models)))
        model = self.models[name]
        state = {"n": next(self.numbers)} if changes_state else None
        fence = None if lead is None else model.fence + lead
        refusal = StaleFence if fence is not None and fence < model.fence else None
        words = Outbound("an agent", author=Author.AGENT)
        self.meets(self.journal.append(self.conversation(name), words, owner=owner, state=state, fence=fence), refusal)
        if refusal is not None:
            return
        seq = model.add(Author.AGENT, "an agent")
        if state is not None:
            model.state, model.version = state, seq
        model.owner = owner or model.owner
        if fence is not None:
            model.fence = fence
        elif owner is not None or state is not None:
            model.fence += 1

    @rule()
    def open_again(self) -> None:
        self.runner.run(self.journal.close())
        self.journal = self.runner.run(Journal.open(self.url))

    @invariant()
    def the_journal_is_as_the_model(self) -> None:
        for name, model in self.models.items():
            self.runner.run(self.compare(self.conversation(name), model))

    async def compare(self, conversation_id: str, model: Model) -> None:
        entries = await self.journal.entries(conversation_id)
        assert [entry.seq for entry in entries] == list(range(1, len(model.entries) + 1))
        assert [(e.author, e.message.text, e.reply_to) for e in entries] == model.entries
        assert [waiting.seq for waiting in await self.journal.waiting(conversation_id)] == model.pending
        held = await self.journal.conversation(conversation_id)
        assert held is not None
        assert (held.last_seq, held.fence, held.version) == (len(model.entries), model.fence, model.version)
        assert (held.state, held.owner) == (model.state, model.owner)


def test_any_sequence_of_calls_leaves_the_journal_as_the_model(database_url: str) -> None:
    with asyncio.Runner() as runner:

        class Machine(JournalMachine):
            pass

        Machine.runner, Machine.url = runner, database_url
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=25,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
