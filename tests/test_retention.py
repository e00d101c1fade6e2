"""What is older than it may be kept is removed by the service; what is open or young stays."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.erasing import retention
from bot.erasing.receipt import Receipt
from bot.erasing.retention import DAY, Periods, Retention, remove_receipts
from bot.fanout import ERASED, Fanout
from bot.hub import Follower, Hub
from bot.journal.deliveries import Claimant
from bot.journal.errors import StaleFence
from bot.journal.journal import Journal
from bot.journal.values import DeliveryState, Expired, Kind, Review, Settled, Utterance, Whose
from bot.learning.forgetting import learnt_from
from bot.messages import Author, Inbound, Outbound, Owner, Turn
from bot.sessions import Sessions
from nlu.lineage import lineage_key, write_lineage
from nlu.manifest import read_manifest, write_manifest
from nlu.registry import Registry
from tests.command import Frontdesk
from tests.service import running
from tests.test_nlu_registry import added, model

NOW = 1_800_000_000.0
ME = Claimant("me", ("signed",), 60, 86400)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(database_url: str, clock: Clock) -> AsyncIterator[Journal]:
    async with await Journal.open(database_url, clock) as opened:
        yield opened


@pytest.fixture
async def sessions(valkey_url: str) -> AsyncIterator[Sessions]:
    async with Sessions(valkey_url, "test") as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PAUSE_SECONDS", 0.0)


def keeps(journal: Journal, sessions: Sessions, home: Path, **days: int) -> Retention:
    periods = Periods(**{kind: number * DAY for kind, number in days.items()})
    return Retention(journal, Fanout(Hub(), sessions, journal), periods, home)


async def asked(journal: Journal, conversation: str, clock: Clock, *, address: bool = False) -> int:
    to = {"conversation": conversation} if address else None
    return (await journal.accept(Inbound(conversation, "m1", "hello", "signed", clock(), address=to))).seq


async def answered(journal: Journal, conversation: str, clock: Clock, *, address: bool = False) -> None:
    seq = await asked(journal, conversation, clock, address=address)
    inbound = Inbound(conversation, "m1", "hello", "signed", clock())
    await journal.commit(Turn(inbound, seq, (), (Outbound("hi"),), Owner.BOT), (await journal.take(conversation)).fence)


async def test_only_conversations_that_are_old_and_over_go(
    journal: Journal, clock: Clock, sessions: Sessions, tmp_path: Path
) -> None:
    for number in range(retention.BATCH + 3):
        await answered(journal, f"old-{number}", clock)
    for owner in (Owner.QUEUE, Owner.AGENT):
        await answered(journal, owner.value, clock)
        await journal.append(owner.value, Outbound("a person", author=Author.SYSTEM), owner=owner)
    await asked(journal, "unanswered", clock)
    await answered(journal, "undelivered", clock, address=True)
    await journal.keep_utterances([Utterance("journal", "old-1", "1", "hello", at=clock())])
    clock.now += 8 * DAY
    await answered(journal, "young", clock)
    keeper, follower = keeps(journal, sessions, tmp_path, conversations=7), Follower()

    assert await journal.expired(7 * DAY, 9 * DAY, 9 * DAY) == Expired(conversations=retention.BATCH + 3)
    with keeper.fanout.hub.follow("old-3", follower):
        await keeper.look()

    left = {one.conversation_id for one in await journal.conversations()}
    assert left == {"queue", "agent", "unanswered", "undelivered", "young"}
    assert await journal.entries("old-3") == []
    assert follower.news.signals == [ERASED]
    assert len(await journal.newest_utterances()) == 1


async def test_who_had_an_old_conversation_in_hand_cannot_commit_to_its_successor(
    journal: Journal, clock: Clock
) -> None:
    await answered(journal, "old", clock)
    hold = await journal.take("old")
    clock.now += 8 * DAY
    assert await journal.expire_conversations(7 * DAY, 5) == ["old"]

    seq = await asked(journal, "old", clock)
    late = Turn(Inbound("old", "m1", "hello", "signed", clock()), seq, (), (), Owner.BOT)
    with pytest.raises(StaleFence):
        await journal.commit(late, hold.fence)


async def test_what_was_said_in_a_conversation_that_is_gone_is_another_ones_than_what_is_said_anew(
    journal: Journal, clock: Clock, tmp_path: Path
) -> None:
    """And is erased with its customer, and known to the models that learnt from it before."""
    say = Utterance("journal", "old", "1", "hello", customer="old", at=clock())
    await answered(journal, "old", clock)
    await journal.keep_utterances([say, replace(say, conversation="older", customer="older")])
    clock.now += 8 * DAY
    await journal.expire_conversations(7 * DAY, 5)
    await answered(journal, "old", clock)

    assert await journal.keep_utterances([replace(say, text="hello again")]) == 1
    named = {one.conversation: one.customer for one in await journal.newest_utterances()}
    apart = next(name for name in named if "@" in name)
    assert named == {"older": "older", "old": "old", apart: apart}

    registry = Registry(tmp_path)
    added(registry, learnt(tmp_path / "made", lineage_key("journal", "old", "1")))
    gone = await journal.erase(Whose(("old",)))
    assert {key[1] for key in gone.utterances} == {"old", apart}
    assert learnt_from(tmp_path, [("journal", apart, "1")]) == ["m1"]


def learnt(folder: Path, *keys: str) -> Path:
    directory = model(folder, "m1")
    write_lineage(directory, keys)
    write_manifest(directory, read_manifest(directory))
    return directory


async def test_old_utterances_go_with_what_people_decided_about_them(
    journal: Journal, clock: Clock, sessions: Sessions, tmp_path: Path
) -> None:
    days = [0, 3, None]
    ages = [None if age is None else clock() + age * DAY for age in days]
    await journal.keep_utterances([Utterance("mail", "t", str(day), "hello", at=at) for day, at in enumerate(ages)])
    every = await journal.newest_utterances()
    await journal.decide([Review(one.id, Kind.INTENT, "greet", "ada") for one in every])
    clock.now += 8 * DAY

    await keeps(journal, sessions, tmp_path, utterances=7).look()
    assert sorted(one.message for one in await journal.newest_utterances()) == ["1", "2"]
    assert len(await journal.reviewed()) == 2


async def test_what_was_given_up_is_dropped_in_the_end(
    journal: Journal, clock: Clock, sessions: Sessions, tmp_path: Path
) -> None:
    for day in range(2):
        seq = await asked(journal, f"dead-{day}", clock)
        await journal.bury(f"dead-{day}", seq, "crash", Outbound("sorry"), 0)
        await answered(journal, f"c{day}", clock, address=True)
        (delivery,) = await journal.claim(ME, 1)
        await journal.settle(delivery.id, ME, Settled(DeliveryState.GIVEN_UP, error="404"))
        clock.now += 5 * DAY

    await keeps(journal, sessions, tmp_path, dead_letters=7).look()
    assert [letter.entry.conversation_id for letter in await journal.dead_letters()] == ["dead-1"]
    assert [delivery.entry.conversation_id for delivery in await journal.deliveries()] == ["c1"]
    assert await journal.entries("dead-0")


async def test_nothing_goes_without_a_period(
    journal: Journal, clock: Clock, sessions: Sessions, tmp_path: Path
) -> None:
    await answered(journal, "old", clock)
    clock.now += 10_000 * DAY
    await keeps(journal, sessions, tmp_path).look()
    assert await journal.conversation("old")


def test_old_receipts_go(tmp_path: Path) -> None:
    rewritten = {"database_rewritten": True, "redis_rewritten": True}
    receipts = [Receipt(datetime.now(UTC), digest * 32, {}, 0, (), **rewritten) for digest in "ab"]
    paths = [receipt.write(tmp_path) for receipt in receipts]
    long_ago = time.time() - 8 * DAY
    os.utime(paths[0], (long_ago, long_ago))
    assert remove_receipts(tmp_path, 7 * DAY) == 1
    assert [path.exists() for path in paths] == [False, True]


async def test_a_running_service_removes_what_is_too_old(tmp_path: Path) -> None:
    home = tmp_path / "home"
    clock = Clock()
    clock.now = time.time() - 3 * DAY
    async with await Journal.open(home / "frontdesk.db", clock) as before:
        await answered(before, "old", clock)
    async with running(home, keep_conversations=2) as service, asyncio.timeout(60):
        while await service.journal.conversation("old"):
            await asyncio.sleep(0.01)


def test_the_command_shows_what_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path))
    monkeypatch.setenv("FRONTDESK_KEEP_CONVERSATIONS", "2")
    clock = Clock()
    clock.now = time.time() - 3 * DAY

    async def write() -> None:
        async with await Journal.open(tmp_path / "frontdesk.db", clock) as journal:
            await answered(journal, "old", clock)

    asyncio.run(write())
    frontdesk = Frontdesk(monkeypatch, capfdbinary)
    assert json.loads(frontdesk("retention", "--json").out)["conversations"] == {"days": 2, "expired": 1}
    assert "utterances     ever    0" in frontdesk("retention").out
