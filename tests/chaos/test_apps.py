"""Each invariant of the messaging apps sees the damage it is there for, and a sound story passes them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot.journal.values import Delivery, DeliveryState
from bot.messages import Author, Entry, Outbound
from tests.chaos.apps import AppStory, check
from tests.chaos.stub import mark

NAME = "signed-1"


def message(seq: int, number: int) -> Entry:
    return Entry(NAME, seq, Author.USER, 1.0, Outbound("tell", author=Author.USER), message_id=f"msg_{number}")


def answer(seq: int, to: int, number: int, count: int) -> Entry:
    return Entry(NAME, seq, Author.BOT, 1.0, Outbound(f"{mark(NAME, f'msg_{number}')} {count}"), reply_to=to)


def delivery(entry: Entry, state: DeliveryState = DeliveryState.DELIVERED) -> Delivery:
    return Delivery(entry.seq, "signed", entry, "epoch", {}, state, 1.0, 1.0, 1, False, 1, (), None)


ENTRIES = (message(1, 1), message(2, 2), answer(3, 1, 1, 1), answer(4, 2, 2, 2))
FIRST, SECOND = (entry.message.text for entry in ENTRIES[2:])
SOUND = AppStory(NAME, 2, (FIRST, SECOND), ENTRIES, tuple(map(delivery, ENTRIES[2:])))
UNKNOWN = (delivery(ENTRIES[2], DeliveryState.UNKNOWN), delivery(ENTRIES[3]))


def test_a_sound_story_passes() -> None:
    assert check(SOUND) == []


@pytest.mark.parametrize("seen", [(FIRST, SECOND), (SECOND,)])
def test_where_keys_are_not_known_an_answer_may_be_missing_if_a_dead_letter_says_so(seen: tuple[str, ...]) -> None:
    assert check(replace(SOUND, seen=seen, deliveries=UNKNOWN, knows_keys=False)) == []


DAMAGES: dict[str, tuple[str, Callable[[], AppStory]]] = {
    "an event is not in the log": ("I1", lambda: replace(SOUND, said=3)),
    "an event is in the log twice": ("I2", lambda: replace(SOUND, said=1)),
    "a message has two answers": ("I2", lambda: replace(SOUND, entries=(*ENTRIES, answer(5, 2, 2, 3)))),
    "an answer is shown twice": ("I2", lambda: replace(SOUND, seen=(FIRST, SECOND, SECOND))),
    "a message has no answer": ("I3", lambda: replace(SOUND, entries=ENTRIES[:3])),
    "messages stand in another order": ("I4", lambda: replace(SOUND, entries=(message(1, 2), message(2, 1)))),
    "an answer is another message's": ("I6", lambda: replace(SOUND, entries=(*ENTRIES[:3], answer(4, 2, 1, 2)))),
    "an answer is of an old state": ("I6", lambda: replace(SOUND, entries=(*ENTRIES[:3], answer(4, 2, 2, 1)))),
    "an answer is not shown": ("I11", lambda: replace(SOUND, seen=(FIRST,))),
    "answers are shown in another order": ("I11", lambda: replace(SOUND, seen=(SECOND, FIRST))),
    "nobody knows, though keys are known": ("I11", lambda: replace(SOUND, deliveries=UNKNOWN)),
    "a delivery is missing": ("I11", lambda: replace(SOUND, deliveries=SOUND.deliveries[:1])),
    "a delivery still waits": (
        "I11",
        lambda: replace(SOUND, deliveries=(delivery(ENTRIES[2]), delivery(ENTRIES[3], DeliveryState.WAITING))),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_seen(name: str) -> None:
    invariant, damaged = DAMAGES[name]
    assert invariant in {violation.invariant for violation in check(damaged())}
