"""The outbox's rows, on SQLite and on PostgreSQL: in order, claimed by one, taken over from the dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from bot.journal.deliveries import Claimant
from bot.journal.journal import Journal
from bot.journal.values import DeliveryState, Settled, Whose
from bot.messages import Author, Inbound, Outbound, Owner, Turn

ME = Claimant("me", ("signed",), 60, 86400)
OTHER = Claimant("other", ("signed",), 60, 86400)
DELIVERED = Settled(DeliveryState.DELIVERED)


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def journal(database_url: str, clock: Clock) -> AsyncIterator[Journal]:
    async with await Journal.open(database_url, clock) as opened:
        yield opened


async def answered(journal: Journal, conversation: str, *replies: str, message: str = "m1", fence: int = 0) -> None:
    inbound = Inbound(conversation, message, "hello", "signed", 1.0, address={"to": conversation})
    accepted = await journal.accept(inbound)
    await journal.commit(Turn(inbound, accepted.seq, (), tuple(map(Outbound, replies)), Owner.BOT), fence)


async def claimed(journal: Journal, claimant: Claimant = ME, limit: int = 10) -> list[str]:
    return [delivery.entry.message.text for delivery in await journal.claim(claimant, limit)]


async def test_what_is_said_in_a_conversation_with_an_address_is_to_be_delivered(journal: Journal) -> None:
    told: list[bool] = []
    journal.on_delivery = lambda: told.append(True)
    await journal.begin("web", "web")
    await journal.append("web", Outbound("seen by the widget"))
    assert not told

    await answered(journal, "c1", "one", "two")
    await journal.append("c1", Outbound("three", author=Author.AGENT))
    assert len(told) == 2
    inbound = Inbound("c1", "m2", "again", "signed", 2.0)
    seq = (await journal.accept(inbound)).seq
    await journal.bury("c1", seq, "crash", Outbound("sorry"), 0)

    found = await journal.deliveries()
    assert [(d.channel, d.address, d.entry.seq, d.entry.message.text, d.attempts) for d in found] == [
        ("signed", {"to": "c1"}, 2, "one", 0),
        ("signed", {"to": "c1"}, 3, "two", 0),
        ("signed", {"to": "c1"}, 4, "three", 0),
        ("signed", {"to": "c1"}, 6, "sorry", 0),
    ]
    assert len({d.epoch for d in found}) == 1
    assert (await journal.counts()).undelivered == 4


async def test_the_second_of_a_conversation_comes_after_the_first(journal: Journal) -> None:
    await answered(journal, "c1", "one", "two", "three")
    await answered(journal, "c2", "uno", "due")

    first = await journal.claim(ME, 10)
    assert [d.entry.message.text for d in first] == ["one", "uno"]
    assert await claimed(journal) == []
    assert await journal.settle(first[0].id, ME, DELIVERED)
    assert await claimed(journal) == ["two"]
    assert await journal.settle(first[1].id, ME, Settled(DeliveryState.GIVEN_UP, error="it is closed"))
    assert await claimed(journal) == ["due"]


async def test_one_that_pauses_keeps_the_next_ones_of_its_conversation_back(journal: Journal, clock: Clock) -> None:
    await answered(journal, "c1", "one", "two")
    (one,) = await journal.claim(ME, 10)
    await journal.settle(one.id, ME, Settled(DeliveryState.WAITING, due_at=clock.now + 30, error="busy"))

    assert await claimed(journal) == []
    assert not await journal.any_due(ME)
    clock.now += 30
    assert await journal.any_due(ME)
    (again,) = await journal.claim(ME, 10)
    assert (again.entry.message.text, again.attempts, again.error, again.doubt) == ("one", 2, "busy", False)


async def test_of_many_that_claim_at_once_one_gets_each(journal: Journal) -> None:
    for number in range(12):
        await answered(journal, f"c{number}", f"reply {number}")
    claimants = [Claimant(f"process {n}", ("signed",), 60, 86400) for n in range(6)]

    async def take(claimant: Claimant) -> list[str]:
        return [text for _ in range(4) for text in await claimed(journal, claimant, limit=3)]

    taken = await asyncio.gather(*map(take, claimants))
    assert sorted(text for some in taken for text in some) == sorted(f"reply {n}" for n in range(12))


async def test_no_more_is_claimed_than_asked_for_and_only_of_own_channels(journal: Journal) -> None:
    for number in range(5):
        await answered(journal, f"c{number}", f"reply {number}")

    assert await claimed(journal, Claimant("else", ("telegram",), 60, 86400)) == []
    assert await claimed(journal, limit=2) == ["reply 0", "reply 1"]


async def test_a_claim_that_a_crash_left_is_taken_over_in_doubt(journal: Journal, clock: Clock) -> None:
    await answered(journal, "c1", "one")
    (mine,) = await journal.claim(ME, 10)
    assert not mine.doubt

    clock.now += 59
    assert await claimed(journal, OTHER) == []
    clock.now += 1
    (taken,) = await journal.claim(OTHER, 10)
    assert (taken.id, taken.doubt, taken.attempts) == (mine.id, True, 2)
    assert not await journal.settle(mine.id, ME, DELIVERED), "the first one is too late"
    assert await journal.settle(mine.id, OTHER, DELIVERED)


async def test_a_part_that_arrived_lengthens_the_claim(journal: Journal, clock: Clock) -> None:
    await answered(journal, "c1", "one")
    (mine,) = await journal.claim(ME, 10)
    clock.now += 50
    assert await journal.settle(mine.id, ME, Settled(DeliveryState.WAITING, parts=1, provider_ids=("p1",)))

    clock.now += 50
    assert await claimed(journal, OTHER) == []
    clock.now += 10
    (taken,) = await journal.claim(OTHER, 10)
    assert (taken.parts, taken.provider_ids) == (1, ("p1",))


async def test_whoever_sends_an_erased_one_settles_none_that_came_since(journal: Journal) -> None:
    await answered(journal, "c1", "one")
    (erased,) = await journal.claim(ME, 10)
    await journal.erase(Whose(("c1",)))
    await answered(journal, "c2", "uno", fence=1)
    assert await claimed(journal) == ["uno"]

    assert not await journal.settle(erased.id, ME, DELIVERED)
    assert [d.state for d in await journal.deliveries()] == [DeliveryState.WAITING]


async def test_what_a_lost_answer_claimed_is_free_again(journal: Journal) -> None:
    for number in range(2):
        await answered(journal, f"c{number}", f"reply {number}")
    kept, _ = await journal.claim(ME, 10)
    await journal.unclaim(ME, [kept.id])

    (free,) = await journal.claim(OTHER, 10)
    assert (free.entry.message.text, free.doubt, free.attempts) == ("reply 1", False, 1)


async def test_a_claim_is_respected_by_who_asked_before_it_was_made(journal: Journal, clock: Clock) -> None:
    await answered(journal, "c1", "one")
    clock.now += 5
    assert await claimed(journal) == ["one"]

    clock.now -= 5  # the other's request waited for the database for so long, or its clock is late
    assert await claimed(journal, OTHER) == []


async def test_a_clock_put_back_keeps_nothing_waiting(journal: Journal, clock: Clock) -> None:
    await answered(journal, "c1", "one")
    await answered(journal, "c2", "two")
    (one,) = await journal.claim(ME, 1)
    assert one.entry.message.text == "one"

    clock.now -= 10 * 86400
    assert sorted(await claimed(journal, OTHER)) == ["one", "two"]


async def test_a_person_decides_about_dead_letters(journal: Journal, clock: Clock) -> None:
    for name, state in (("c1", DeliveryState.GIVEN_UP), ("c2", DeliveryState.UNKNOWN), ("c3", None)):
        await answered(journal, name, name)
        (delivery,) = await journal.claim(ME, 1)
        await journal.settle(
            delivery.id, ME, Settled(state, error="no", doubt=True) if state else Settled(DeliveryState.WAITING, 2e6)
        )
    one, two, three = await journal.deliveries()
    assert await journal.delivery_counts() == {
        DeliveryState.WAITING: 1,
        DeliveryState.GIVEN_UP: 1,
        DeliveryState.UNKNOWN: 1,
    }
    assert (await journal.counts()).undeliverable == 2

    assert await journal.drop([one.id, 999]) == [one.id]
    assert await journal.offer_again(None) == [two.id], "all dead letters, and no dropped one"
    assert await journal.offer_again([three.id]) == [three.id], "one that waits need not wait"
    again = await journal.claim(ME, 10)
    assert [(d.id, d.attempts, d.doubt) for d in again] == [(two.id, 1, False), (three.id, 1, False)]
    assert await journal.drop([two.id]) == [], "it is under way"
    clock.now += 60
    assert await journal.drop([two.id]) == [two.id]
    assert not await journal.settle(two.id, ME, DELIVERED)
