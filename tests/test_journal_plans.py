"""A journal of ten million conversations: no statement of a turn, of recovery or of retention reads a table through."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bot.journal.deliveries import Claimant
from bot.journal.journal import Journal
from bot.journal.values import DeliveryState, Settled, Step, Utterance
from bot.messages import Event, Inbound, Outbound, Owner, Turn

Asked = list[tuple[str, Any]]
SMALL = {
    "frontdesk",  # one row
    # Only what waits, failed, was rated or is with people is in these.
    "conversations_queued",
    "entries_pending",
    "entries_dead",
    "entries_rated",
    "deliveries_waiting",
    "deliveries_due",
    "deliveries_dead",
    # In their order, until a page is full.
    "conversations_by_last",
    "utterances_by_age",
}


@contextmanager
def heard(into: Asked) -> Iterator[None]:
    """Every statement of every database."""

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        into.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def read_through(path: Path, asked: Asked) -> set[tuple[str, str]]:
    """What is scanned that grows with the journal, and the statement that does it."""
    found = set()
    with sqlite3.connect(path) as database:
        for statement, parameters in asked:
            for *_, detail in database.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                words = detail.split()
                if words[0] == "SCAN" and words[1:] != ["CONSTANT", "ROW"] and words[-1] not in SMALL:
                    found.add((detail, statement))
    return found


async def a_turn(journal: Journal) -> None:
    inbound = Inbound("line-c1", "m1", "hello", "line", 1.0, address={"to": "c1"})
    await journal.begin("line-c1", "line", {}, {"to": "c1"})
    accepted = await journal.accept(inbound)
    await journal.accept(inbound)
    fence = await journal.fence("line-c1")
    assert await journal.take_free("line-c1", 5) is not None
    await journal.keep("line-c1", fence + 1, 5)
    await journal.attempt("line-c1", accepted.seq)
    await journal.backlog("line-c1", 20)
    step = Step("line-c1", accepted.seq, 1)
    await journal.start_action(step, "action_look", fence + 1)
    await journal.finish_action(step, {})
    slot = Event("slot", 1.0, {"name": "order", "value": "1"})
    turn = Turn(inbound, accepted.seq, (slot,), (Outbound("one"), Outbound("two")), Owner.BOT, {"n": 1})
    await journal.commit(turn, fence + 1)
    await journal.append("line-c1", Outbound("a person"), owner=Owner.AGENT)
    await journal.append("line-c1", Outbound("the bot again"), owner=Owner.BOT)


async def what_else_is_asked_often(journal: Journal) -> None:
    claimant = Claimant("me", ("line",), 30, 3600)
    await journal.orphans(0.0)
    await journal.grown(30)
    assert await journal.any_due(claimant)
    (first, *_) = await journal.claim(claimant, 10)
    await journal.settle(first.id, claimant, Settled(DeliveryState.DELIVERED))
    await journal.conversation("line-c1")
    await journal.entries("line-c1")
    await journal.entries("line-c1", before=3)
    await journal.events("line-c1", 100)
    await journal.rate("line-c1", 2, "up")
    await journal.ratings("line-c1")
    await journal.thumbs(60)
    await journal.queue_position("line-c1")


async def what_people_and_time_ask(journal: Journal) -> None:
    said = Utterance("journal", "line-c1", "1", "hello", "line-c1", 1.0)
    await journal.keep_utterances([said])
    await journal.collected()
    await journal.turns_after(0, 10)
    await journal.rated_utterances("journal", 60)
    await journal.counts()
    for owner in (None, *Owner):
        await journal.conversations(owner)
    await journal.expire_conversations(1e9, 100)
    await journal.expire_utterances(1e9, 100)
    await journal.expire_dead_letters(1e9)


async def test_what_is_asked_again_and_again_reads_no_table_through(tmp_path: Path) -> None:
    path, asked = tmp_path / "journal.db", Asked()
    async with await Journal.open(path) as journal:
        with heard(asked):
            await a_turn(journal)
            await what_else_is_asked_often(journal)
            await what_people_and_time_ask(journal)
        assert len(asked) > 50
        assert read_through(path, asked) == set()


async def test_what_reads_a_table_through_is_seen(tmp_path: Path) -> None:
    path, asked = tmp_path / "journal.db", Asked()
    async with await Journal.open(path) as journal:
        with heard(asked):
            await journal.signed_in("Anna")
        assert {detail for detail, _ in read_through(path, asked)} == {"SCAN conversations", "SCAN entries"}
