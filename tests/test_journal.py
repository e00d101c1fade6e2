"""What the journal promises, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from bot.journal.errors import (
    AlreadyProcessed,
    BadId,
    CannotOpen,
    IdConflict,
    NotFound,
    OutOfOrder,
    StaleFence,
)
from bot.journal.journal import Journal
from bot.journal.schema import STEPS
from bot.journal.tables import VERSION
from bot.journal.values import ActionStatus, Attached, Step
from bot.messages import Author, Button, Card, Event, Inbound, Outbound, Owner, Source, Turn


def said(text: str = "where is my order?", message: str = "m1", conversation: str = "c1", **more: Any) -> Inbound:
    return Inbound(conversation, message, text, "web", 1000.0, **more)


def turn(inbound: Inbound, seq: int, *replies: str, **more: Any) -> Turn:
    more = {"events": (), "owner": Owner.BOT} | more
    return Turn(inbound, seq, replies=tuple(Outbound(text) for text in replies or ("here",)), **more)


async def answered(journal: Journal, inbound: Inbound, *replies: str, fence: int = 0, **more: Any) -> int:
    accepted = await journal.accept(inbound)
    await journal.commit(turn(inbound, accepted.seq, *replies, **more), fence)
    return accepted.seq


async def texts(journal: Journal, conversation: str = "c1") -> list[str]:
    return [entry.message.text for entry in await journal.entries(conversation)]


# Accepting


async def test_a_message_gets_the_next_number_and_waits(journal: Journal) -> None:
    first = await journal.accept(said("one", "m1"))
    second = await journal.accept(said("two", "m2", payload="/two", metadata={"page": "/lamps"}))

    assert (first.seq, first.duplicate, second.seq) == (1, False, 2)
    waiting = await journal.waiting("c1")
    assert [w.seq for w in waiting] == [1, 2]
    assert waiting[1].inbound == said("two", "m2", payload="/two", metadata={"page": "/lamps"})
    assert second.entry == await journal.entry("c1", 2)
    assert second.entry.message_id == "m2"


async def test_what_came_with_messages_is_found_by_their_numbers(journal: Journal) -> None:
    picture = {"kind": "image", "reference": "7", "type": "", "name": 'a "quoted" name', "size": None}
    await journal.accept(said('"attachments": [1]', "m1", metadata={"page": '"attachments":'}))
    await journal.accept(said("look", "m2", metadata={"attachments": [picture, 7, picture]}))
    await journal.accept(said("look", "m3", metadata={"attachments": "x"}))
    await journal.accept(said("look", "m4", metadata={"attachments": [picture]}))
    await journal.accept(said("look", "m1", "c2", metadata={"attachments": [picture]}))

    both = Attached("web", [picture, picture])
    assert await journal.attached("c1", 0, 9) == {2: both, 4: Attached("web", [picture])}
    assert await journal.attached("c1", 1, 2) == {2: both}
    assert await journal.attached("c1", 2, 3) == {}


async def test_a_message_sent_again_is_the_same_message(journal: Journal) -> None:
    first = await journal.accept(said("hello"))
    await journal.accept(said("other", "m2"))
    again = await journal.accept(replace(said("hello"), at=2000.0, metadata={"try": 2}))

    assert (again.seq, again.duplicate, again.entry) == (first.seq, True, first.entry)
    assert await texts(journal) == ["hello", "other"]


async def test_a_message_is_the_same_even_after_its_answer(journal: Journal) -> None:
    await answered(journal, said())

    assert (await journal.accept(said())).duplicate
    assert await journal.waiting("c1") == []


@pytest.mark.parametrize("other", [said("bye"), said("hello", payload="/bye")])
async def test_another_message_under_the_same_id_is_refused(journal: Journal, other: Inbound) -> None:
    await journal.accept(said("hello"))

    with pytest.raises(IdConflict):
        await journal.accept(other)
    assert await texts(journal) == ["hello"]


async def test_the_same_id_in_another_conversation_is_another_message(journal: Journal) -> None:
    await journal.accept(said("hello", conversation="c1"))

    assert not (await journal.accept(said("bye", conversation="c2"))).duplicate


async def test_copies_that_arrive_at_once_are_stored_once(journal: Journal) -> None:
    copies = await asyncio.gather(*(journal.accept(said(f"text {n % 5}", f"m{n % 5}")) for n in range(50)))

    assert sum(not copy.duplicate for copy in copies) == 5
    assert sorted({copy.seq for copy in copies}) == [1, 2, 3, 4, 5]
    assert len(await journal.entries("c1")) == 5


@pytest.mark.parametrize("bad", ["", "x" * 256])
async def test_ids_have_a_sensible_length(journal: Journal, bad: str) -> None:
    with pytest.raises(BadId):
        await journal.accept(said(message=bad))
    with pytest.raises(BadId):
        await journal.begin(bad, "web")


NASTY = [
    ("a\0b", "a\ufffdb"),
    ("lone \ud800 surrogate", "lone \ufffd surrogate"),
    ("split \ud83d\ude00 pair", "split \U0001f600 pair"),
    ("你好 \u202e مرحبا 👩‍👩‍👧", "你好 \u202e مرحبا 👩‍👩‍👧"),
    ("'; DROP TABLE entries; -- \\u0000 %s :x {0}", "'; DROP TABLE entries; -- \\u0000 %s :x {0}"),
    ("", ""),
    ("0" * 1_000_000, "0" * 1_000_000),
]


@pytest.mark.parametrize(("text", "stored"), NASTY)
async def test_any_text_is_stored_and_recognised_again(journal: Journal, text: str, stored: str) -> None:
    hostile = said(text, payload=text, metadata={"page": text, text: [text]})
    await journal.accept(hostile)

    assert (await journal.accept(hostile)).duplicate
    (waiting,) = await journal.waiting("c1")
    assert (waiting.inbound.text, waiting.inbound.payload) == (stored, stored)
    assert waiting.inbound.metadata["page"].replace("\ufffd", "") == stored.replace("\ufffd", "")
    await journal.commit(turn(hostile, 1, text, events=(Event("user", 1.0, {"text": text}),), state={"t": text}), 0)
    assert await texts(journal) == [stored, stored]
    assert (await journal.events("c1"))[0].data == {"text": stored}


async def test_values_json_cannot_say_are_stored_as_text(journal: Journal) -> None:
    odd: Any = {"huge": 10**30, 5: "five", "when": {1}, "deep": "\0"}
    await journal.begin("c1", "web", odd)

    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert conversation.metadata == {"huge": str(10**30), "5": "five", "when": "{1}", "deep": "\ufffd"}


# Conversations


async def test_a_conversation_begins_once(journal: Journal) -> None:
    first = await journal.begin("c1", "web", {"locale": "en"})
    again = await journal.begin("c1", "rest", {"locale": "zh"})

    assert first == again == await journal.conversation("c1")
    assert (first.channel, first.metadata, first.last_seq, first.owner) == ("web", {"locale": "en"}, 0, Owner.BOT)
    assert await journal.conversation("c2") is None


async def test_a_conversation_that_many_begin_at_once_begins_once(journal: Journal) -> None:
    begun = await asyncio.gather(*(journal.begin("c1", "web") for _ in range(20)))

    assert len({conversation.epoch for conversation in begun}) == 1


async def test_a_first_message_begins_its_conversation(journal: Journal) -> None:
    await journal.accept(said())

    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert (conversation.channel, conversation.last_seq) == ("web", 1)


# Committing


async def test_a_commit_writes_everything_at_once(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)
    reply = Outbound(
        "**Which** one?",
        buttons=(Button("LW-1", '/pick{"order": "LW-1"}'),),
        image="/lamp.png",
        cards=(Card("Lamp", "brass", url="/lamps/1", buttons=(Button("Buy", "/buy"),)),),
        source=Source("Shipping", "/kb/shipping", "shipping"),
        custom={"kind": "picker"},
        rateable=True,
        response="utter_which",
    )
    events = (Event("user", 1.0, {"text": "where"}), Event("slot", 2.0, {"name": "order", "value": None}))
    done = Turn(inbound, 1, events, (reply, Outbound("or?")), Owner.QUEUE, {"slots": {"order": None}}, "asked for it")

    written = await journal.commit(done, 3)

    assert written == tuple(await journal.entries("c1", after=1))
    assert [(e.seq, e.reply_to, e.part, e.message) for e in written] == [(2, 1, 0, reply), (3, 1, 1, Outbound("or?"))]
    assert tuple(await journal.events("c1")) == events
    assert await journal.waiting("c1") == []
    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert (conversation.state, conversation.version, conversation.fence) == ({"slots": {"order": None}}, 1, 3)
    assert (conversation.owner, conversation.reason, conversation.last_seq) == (Owner.QUEUE, "asked for it", 3)


async def test_a_message_is_answered_once(journal: Journal) -> None:
    inbound = said()
    await answered(journal, inbound, "first")

    with pytest.raises(AlreadyProcessed):
        await journal.commit(turn(inbound, 1, "second", state={"wrong": True}), 9)
    assert await texts(journal) == ["where is my order?", "first"]
    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert (conversation.fence, conversation.state, conversation.last_seq) == (0, {}, 2)


async def test_of_many_that_answer_at_once_one_does(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)

    outcomes = await asyncio.gather(
        *(journal.commit(turn(inbound, 1, f"answer {n}"), 1) for n in range(20)), return_exceptions=True
    )

    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyProcessed) for outcome in outcomes) == 19
    assert len(await journal.entries("c1")) == 2


async def test_who_lost_the_conversation_cannot_commit(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)
    old = await journal.fence("c1")
    new = await journal.fence("c1")

    with pytest.raises(StaleFence):
        await journal.commit(turn(inbound, 1, "stale"), old)
    assert await texts(journal) == ["where is my order?"]
    assert len(await journal.waiting("c1")) == 1
    await journal.commit(turn(inbound, 1, "fresh"), new)
    assert await texts(journal) == ["where is my order?", "fresh"]


async def test_a_commit_shuts_out_lower_fences(journal: Journal) -> None:
    await answered(journal, said("one", "m1"), fence=7)
    inbound = said("two", "m2")
    await journal.accept(inbound)

    with pytest.raises(StaleFence):
        await journal.commit(turn(inbound, 3), 6)


async def test_messages_are_answered_in_order(journal: Journal) -> None:
    first, second = said("one", "m1"), said("two", "m2")
    await journal.accept(first)
    await journal.accept(second)

    with pytest.raises(OutOfOrder):
        await journal.commit(turn(second, 2), 0)
    await journal.commit(turn(first, 1), 0)
    await journal.commit(turn(second, 2), 0)


@pytest.mark.parametrize(("conversation", "seq"), [("c1", 2), ("c2", 1)])
async def test_nothing_answers_a_message_that_is_not_there(journal: Journal, conversation: str, seq: int) -> None:
    await journal.accept(said())

    with pytest.raises(NotFound):
        await journal.commit(turn(said(conversation=conversation), seq), 0)


async def test_one_that_fails_does_not_fail_its_neighbours(journal: Journal) -> None:
    inbounds = [said(conversation=f"c{n}") for n in range(30)]
    for inbound in inbounds:
        await journal.accept(inbound)
    await journal.commit(turn(inbounds[7], 1), 0)

    outcomes = await asyncio.gather(*(journal.commit(turn(i, 1), 0) for i in inbounds), return_exceptions=True)

    failed = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, tuple)]
    assert failed == [7]
    assert (await journal.counts()).unanswered == 0


async def test_numbers_have_no_holes(journal: Journal) -> None:
    for n in range(5):
        await answered(journal, said(f"text {n}", f"m{n}"), *["reply"] * n)
        with pytest.raises(IdConflict):
            await journal.accept(said("other", f"m{n}"))
        await journal.append("c1", Outbound("a person", author=Author.AGENT))

    seqs = [entry.seq for entry in await journal.entries("c1")]
    assert seqs == list(range(1, len(seqs) + 1))


async def test_a_turn_may_say_nothing(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)

    assert await journal.commit(Turn(inbound, 1, (), (), Owner.AGENT), 0) == ()
    assert await journal.waiting("c1") == []


# The state's version


async def test_the_version_names_the_message_whose_state_it_is(journal: Journal) -> None:
    await answered(journal, said("one", "m1"), state={"n": 1})
    seq = await answered(journal, said("two", "m2"), state={"n": 2})

    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert (conversation.version, conversation.state) == (seq, {"n": 2})


async def test_no_version_fits_a_state_older_than_a_notice(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)
    notice = await journal.append("c1", Outbound("Mara is here"), owner=Owner.AGENT, state={"from": "notice"})
    fence = await journal.fence("c1")
    assert (await state(journal)) == (notice.seq, {"from": "notice"})

    await journal.commit(Turn(inbound, 1, (), (), Owner.AGENT, {"from": "turn"}), fence)

    assert (await state(journal)) == (0, {"from": "turn"})


async def state(journal: Journal) -> tuple[int, Any]:
    conversation = await journal.conversation("c1")
    assert conversation is not None
    return conversation.version, conversation.state


# Notices


async def test_an_agents_message_is_an_entry_like_any_other(journal: Journal) -> None:
    await answered(journal, said())
    entry = await journal.append("c1", Outbound("I am Mara.", author=Author.AGENT), events=(Event("agent", 5.0),))

    assert (entry.seq, entry.author, entry.reply_to) == (3, Author.AGENT, None)
    assert (await journal.entries("c1"))[-1] == entry
    assert [event.name for event in await journal.events("c1")] == ["agent"]
    with pytest.raises(NotFound):
        await journal.append("nobody", Outbound("hello?"))


async def test_a_turn_under_way_cannot_undo_a_take_over(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)
    fence = await journal.fence("c1")
    await journal.append("c1", Outbound("Mara is here", author=Author.SYSTEM), owner=Owner.AGENT)

    with pytest.raises(StaleFence):
        await journal.commit(turn(inbound, 1, "I am a bot"), fence)
    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert conversation.owner is Owner.AGENT


async def test_an_agents_message_does_not_disturb_a_turn(journal: Journal) -> None:
    inbound = said()
    await journal.accept(inbound)
    fence = await journal.fence("c1")
    await journal.append("c1", Outbound("one moment", author=Author.AGENT))

    await journal.commit(turn(inbound, 1, "here"), fence)

    assert await texts(journal) == ["where is my order?", "one moment", "here"]


async def test_a_notice_with_a_stale_fence_is_refused(journal: Journal) -> None:
    await journal.begin("c1", "web")
    fence = await journal.fence("c1")
    await journal.append("c1", Outbound("fine"), state={"n": 1}, fence=fence)
    await journal.fence("c1")

    with pytest.raises(StaleFence):
        await journal.append("c1", Outbound("late"), state={"n": 0}, fence=fence)
    assert await texts(journal) == ["fine"]
    assert (await state(journal))[1] == {"n": 1}


# Waiting for a person


async def test_the_queue_is_served_in_order(journal: Journal) -> None:
    for name in ("c1", "c2", "c3"):
        await answered(journal, said(conversation=name), owner=Owner.QUEUE, reason="asked")
    await answered(journal, said("hello?", "m2", "c1"), owner=Owner.QUEUE)

    assert [await journal.queue_position(name) for name in ("c1", "c2", "c3", "c4")] == [1, 2, 3, 0]
    queued = await journal.conversation("c1")
    assert queued is not None
    assert queued.reason == "asked"

    await journal.append("c1", Outbound("Mara is here"), owner=Owner.AGENT)
    assert [await journal.queue_position(name) for name in ("c1", "c2", "c3")] == [0, 1, 2]
    await journal.append("c1", Outbound("The bot is back"), owner=Owner.BOT)
    back = await journal.conversation("c1")
    assert back is not None
    assert (back.owner, back.reason, back.queued_at) == (Owner.BOT, None, None)


async def test_a_message_given_up_gets_an_apology_and_a_person(journal: Journal) -> None:
    await journal.accept(said())
    assert [await journal.attempt("c1", 1) for _ in range(3)] == [1, 2, 3]

    (apology,) = await journal.bury("c1", 1, "it failed three times", Outbound("Sorry; a person will help."), 1)

    assert (apology.reply_to, apology.seq) == (1, 2)
    assert await journal.waiting("c1") == []
    conversation = await journal.conversation("c1")
    assert conversation is not None
    assert (conversation.owner, conversation.reason) == (Owner.QUEUE, "it failed three times")
    assert (await journal.counts()).dead == 1
    with pytest.raises(AlreadyProcessed):
        await journal.bury("c1", 1, "again", Outbound("Sorry!"), 1)
    with pytest.raises(AlreadyProcessed):
        await journal.attempt("c1", 1)


async def test_burying_keeps_the_state(journal: Journal) -> None:
    await answered(journal, said("one", "m1"), state={"n": 1})
    await journal.accept(said("two", "m2"))
    await journal.bury("c1", 3, "broken", Outbound("Sorry."), 0)

    assert await state(journal) == (3, {"n": 1})


# Finding work


async def test_messages_nobody_answers_are_found(database_url: str) -> None:
    now = 1000.0
    async with await Journal.open(database_url, clock=lambda: now) as journal:
        await journal.accept(said("one", "m1", "old"))
        await answered(journal, said(conversation="done"))
        now = 1010.0
        await journal.accept(said("one", "m1", "new"))

        assert await journal.orphans(before=1005.0) == ["old"]
        assert await journal.orphans(before=1011.0) == ["new", "old"]
        now = 900.0  # somebody put the clock back: nothing may wait for it
        assert await journal.orphans(before=895.0) == ["new", "old"]


# Actions

FIRST = Step("c1", 1, 0)


async def test_an_action_is_started_once(journal: Journal) -> None:
    await journal.accept(said())
    first = await journal.start_action(FIRST, "action_cancel", 0)
    again = await journal.start_action(FIRST, "action_cancel", 0)
    await journal.finish_action(FIRST, {"events": [], "responses": [{"text": "done"}]})
    done = await journal.start_action(FIRST, "action_cancel", 0)

    assert [run.status for run in (first, again, done)] == [
        ActionStatus.NEW,
        ActionStatus.STARTED_BEFORE,
        ActionStatus.DONE,
    ]
    assert done.result == {"events": [], "responses": [{"text": "done"}]}
    assert (await journal.start_action(Step("c1", 1, 1), "action_pay", 0)).status is ActionStatus.NEW
    assert [(run.name, run.status) for run in await journal.action_runs("c1", 1)] == [
        ("action_cancel", ActionStatus.DONE),
        ("action_pay", ActionStatus.STARTED_BEFORE),
    ]


async def test_another_actions_result_is_never_used(journal: Journal) -> None:
    await journal.accept(said())
    await journal.start_action(FIRST, "action_refund", 0)
    await journal.finish_action(FIRST, {"paid": True})

    run = await journal.start_action(FIRST, "action_cancel", 0)

    assert (run.status, run.name, run.result) == (ActionStatus.STARTED_BEFORE, "action_refund", None)


async def test_of_many_that_start_an_action_at_once_one_does(journal: Journal) -> None:
    await journal.accept(said())
    runs = await asyncio.gather(*(journal.start_action(FIRST, "action_cancel", 0) for _ in range(20)))

    assert sum(run.status is ActionStatus.NEW for run in runs) == 1


async def test_who_could_not_commit_starts_no_action(journal: Journal) -> None:
    with pytest.raises(NotFound):
        await journal.start_action(FIRST, "action_cancel", 0)
    await answered(journal, said())
    with pytest.raises(AlreadyProcessed):
        await journal.start_action(FIRST, "action_cancel", 0)
    await journal.accept(said("two", "m2"))
    await journal.fence("c1")
    with pytest.raises(StaleFence):
        await journal.start_action(Step("c1", 3, 0), "action_cancel", 0)

    assert (await journal.start_action(Step("c1", 3, 0), "action_cancel", 1)).status is ActionStatus.NEW


async def test_only_a_started_action_ends(journal: Journal) -> None:
    with pytest.raises(NotFound):
        await journal.finish_action(FIRST, {})


# Reading


async def test_entries_come_in_pages(journal: Journal) -> None:
    await journal.begin("c1", "web")
    for n in range(1, 11):
        await journal.append("c1", Outbound(str(n)))

    async def page(**which: int) -> list[int]:
        return [entry.seq for entry in await journal.entries("c1", **which)]

    assert await page(after=7) == [8, 9, 10]
    assert await page(after=2, limit=3) == [3, 4, 5]
    assert await page(before=6, limit=2) == [4, 5]
    assert await page(after=4, before=6) == [5]
    assert await journal.entry("c1", 11) is None


async def test_the_last_events_come_in_order(journal: Journal) -> None:
    for n in range(4):
        events = tuple(Event("user", float(n), {"part": part}) for part in range(n))
        await answered(journal, said(f"text {n}", f"m{n}"), events=events)

    assert [(e.at, e.data["part"]) for e in await journal.events("c1")] == [
        (1, 0),
        (2, 0),
        (2, 1),
        (3, 0),
        (3, 1),
        (3, 2),
    ]
    assert [(e.at, e.data["part"]) for e in await journal.events("c1", limit=4)] == [(2, 1), (3, 0), (3, 1), (3, 2)]
    assert await journal.events("c1", limit=0) == []


async def test_thumbs_can_be_taken_back(journal: Journal) -> None:
    await answered(journal, said(), "one", "two")
    await journal.rate("c1", 2, "up")
    await journal.rate("c1", 3, "down")
    await journal.rate("c1", 2, "none")

    assert await journal.ratings("c1") == {3: "down"}
    assert [entry.rating for entry in await journal.entries("c1")] == [None, None, "down"]
    with pytest.raises(NotFound):
        await journal.rate("c1", 9, "up")


async def test_the_console_sees_the_newest_first(database_url: str) -> None:
    now = 0.0
    async with await Journal.open(database_url, clock=lambda: now) as journal:
        for n in range(1, 6):
            now = float(n)
            owner = Owner.QUEUE if n % 2 else Owner.BOT
            await answered(journal, said(f"text {n}", conversation=f"c{n}"), f"reply {n}", owner=owner)
        await journal.accept(said("and?", "m2", "c5"))

        newest = await journal.conversations(limit=2)
        older = await journal.conversations(limit=2, before=newest[-1].last_at)
        queued = await journal.conversations(owner=Owner.QUEUE)

    assert [s.conversation_id for s in newest + older] == ["c5", "c4", "c3", "c2"]
    assert [s.conversation_id for s in queued] == ["c5", "c3", "c1"]
    five = newest[0]
    assert (five.last_text, five.last_author, five.entries, five.unanswered) == ("and?", Author.USER, 3, 1)
    assert (newest[1].last_text, newest[1].last_author, newest[1].queued_at) == ("reply 4", Author.BOT, None)
    assert queued[1].queued_at == 3.0


async def test_counts_count(journal: Journal) -> None:
    await answered(journal, said(conversation="c1"), owner=Owner.QUEUE)
    await journal.accept(said(conversation="c2"))

    counts = await journal.counts()
    assert (counts.turns, counts.unanswered, counts.queued) == (1, 1, 1)


# The database itself


async def test_what_was_accepted_is_there_after_opening_again(database_url: str) -> None:
    async with await Journal.open(database_url) as journal:
        name = journal.name
        await journal.accept(said())
    async with await Journal.open(database_url) as journal:
        assert journal.name == name
        assert len(await journal.waiting("c1")) == 1
        await journal.ping()


async def test_a_database_of_a_newer_frontdesk_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("bot.journal.schema.VERSION", 99)
        await (await Journal.open(database_url)).close()

    with pytest.raises(CannotOpen, match="newer Frontdesk"):
        await Journal.open(database_url)


async def test_an_older_database_is_brought_up_to_date(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import Connection, text

    def step(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE conversations ADD COLUMN mood TEXT"))

    await (await Journal.open(database_url)).close()
    monkeypatch.setattr("bot.journal.schema.VERSION", VERSION + 1)
    monkeypatch.setattr("bot.journal.schema.STEPS", (*STEPS, step))
    for _ in range(2):  # the second time there is nothing to do
        async with await Journal.open(database_url) as journal:
            await journal.accept(said())


async def test_two_that_open_a_new_database_at_once_make_it_once(database_url: str) -> None:
    journals = await asyncio.gather(*(Journal.open(database_url) for _ in range(4)))

    assert len({journal.name for journal in journals}) == 1
    await asyncio.gather(*(journal.accept(said(f"from {n}", f"m{n}")) for n, journal in enumerate(journals)))
    assert sorted(await texts(journals[0])) == [f"from {n}" for n in range(4)]
    for journal in journals:
        await journal.close()


async def test_of_many_that_use_a_link_at_once_one_gets_in(journal: Journal) -> None:
    until = time.time() + 60
    assert sorted(await asyncio.gather(*(journal.spend("link", until) for _ in range(8)))) == [False] * 7 + [True]
    assert await journal.spend("another", until)
    assert not await journal.spend("link", until)


async def test_an_action_of_a_later_message_waits_for_the_earlier_one(journal: Journal) -> None:
    await journal.accept(said(message="m1"))
    await journal.accept(said(message="m2"))

    with pytest.raises(OutOfOrder):
        await journal.start_action(Step("c1", 2, 0), "action_cancel", 0)
    assert (await journal.start_action(FIRST, "action_cancel", 0)).status is ActionStatus.NEW


# Holds


async def test_a_conversation_that_is_held_is_free_again_after_its_time(database_url: str) -> None:
    now = 1000.0
    async with await Journal.open(database_url, clock=lambda: now) as journal:
        await journal.accept(said())
        first = await journal.take_free("c1", 2)
        assert first is not None
        assert await journal.take_free("c1", 2) is None
        now += 1.5
        await journal.keep("c1", first.fence, 2)
        now += 1.5
        assert await journal.take_free("c1", 2) is None
        now += 1
        second = await journal.take_free("c1", 2)
        assert second is not None
        assert second.fence > first.fence
        await journal.keep("c1", first.fence, 0)  # of somebody who has lost it
        assert await journal.take_free("c1", 2) is None
        await journal.keep("c1", second.fence, 0)
        assert await journal.take_free("c1", 2) is not None
        with pytest.raises(NotFound):
            await journal.take_free("nobody", 2)


async def test_a_hold_of_a_clock_that_was_ahead_binds_nobody(database_url: str) -> None:
    now = 1000.0 + 3600
    async with await Journal.open(database_url, clock=lambda: now) as journal:
        await journal.accept(said())
        await journal.take_free("c1", 2)
        now -= 3600
        assert await journal.take_free("c1", 2) is not None


async def test_an_overtaken_turn_is_taken_back(journal: Journal) -> None:
    await journal.accept(said())
    for _ in range(3):
        assert await journal.attempt("c1", 1) == 1
        await journal.forgive("c1", 1)
