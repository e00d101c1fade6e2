"""Each invariant sees the damage it is there for, and a sound story passes them all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.chaos.invariants import Story, check, unanswered
from tests.chaos.stub import BACK, FAILED, GIVEN_UP, HANDED_OVER, INTERRUPTED, RESUMED, WAITING, mark

Json = dict[str, Any]
NAME = "web-1"


def customer(seq: int, name: str, text: str = "tell") -> Json:
    return {"seq": seq, "author": "user", "id": name, "text": text, "reply_to": None, "part": 0}


def bot(seq: int, name: str, reply_to: int, count: int) -> Json:
    return {"seq": seq, "author": "bot", "text": f"{mark(NAME, name)} {count}", "reply_to": reply_to, "part": 0}


def told(history: list[Json], **more: Any) -> Story:
    return Story(
        **{
            "conversation": NAME,
            "said": [{"id": "a", "kind": "tell"}, {"id": "b", "kind": "pay"}],
            "acked": {"a": {1}, "b": {2}},
            "seen": history,
            "history": history,
            "pages": history,
            "owner": "bot",
            "effects": [{"kind": "tell", "key": f"{NAME}:1:0"}, {"kind": "pay", "key": f"{NAME}:2:0"}],
            **more,
        }
    )


SOUND = [customer(1, "a"), customer(2, "b", "pay"), bot(3, "a", 1, 1), bot(4, "b", 2, 2)]


def test_a_sound_story_passes() -> None:
    assert check(told(SOUND)) == []


SAID = told(SOUND).said
EFFECTS = told(SOUND).effects
THIRD = {"id": "c", "kind": "tell"}
FOREIGN = [customer(5, "x"), bot(6, "x", 5, 3)]
DAMAGES: list[tuple[str, Callable[[], Story]]] = [
    ("I1", lambda: told([customer(1, "a"), bot(2, "a", 1, 1)])),
    ("I1", lambda: told(SOUND, acked={"a": {1, 3}, "b": {2}})),
    ("I2", lambda: told([*SOUND, customer(5, "a"), bot(6, "a", 5, 3)])),
    ("I2", lambda: told([*SOUND, bot(5, "b", 2, 3)])),
    ("I2", lambda: told([*SOUND, {**bot(5, "b", 2, 3), "part": 1}])),
    ("I3", lambda: told(SOUND[:3])),
    ("I3", lambda: told(SOUND, said=[*SAID, THIRD])),
    ("I4", lambda: told(SOUND, said=SAID[::-1])),
    ("I4", lambda: told([*SOUND[:2], {**bot(3, "b", 2, 1)}, bot(4, "a", 1, 2)])),
    ("I5", lambda: told([*SOUND[:3], {**SOUND[3], "seq": 5}])),
    ("I5", lambda: told(SOUND, seen=SOUND[:3])),
    ("I5", lambda: told(SOUND, pages=SOUND[:3])),
    ("I5", lambda: told(SOUND, odd=[{"what": "gap"}])),
    ("I6", lambda: told([*SOUND[:3], bot(4, "a", 2, 2)])),
    ("I7", lambda: told(SOUND, effects=[*EFFECTS, {"kind": "pay", "key": f"{NAME}:2:0"}])),
    ("I7", lambda: told(SOUND, effects=[])),
    ("I7", lambda: told([*SOUND[:2], {**SOUND[2], "text": FAILED}, bot(4, "b", 2, 1)])),
    ("I7", lambda: told([*SOUND[:3], {**SOUND[3], "text": FAILED}], may_fail=True)),
    ("I8", lambda: told([*SOUND, *FOREIGN], effects=[*EFFECTS, {"kind": "tell", "key": f"{NAME}:5:0"}])),
    ("I9", lambda: told([*SOUND[:3], bot(4, "b", 2, 1)])),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "damaged"), DAMAGES)
def test_an_invariant_sees_its_damage(invariant: str, damaged: Callable[[], Story]) -> None:
    assert invariant in {violation.invariant for violation in check(damaged())}


def said(seq: int, reply_to: int, text: str, part: int = 0) -> Json:
    return {"seq": seq, "author": "bot", "text": text, "reply_to": reply_to, "part": part}


def test_an_interrupted_payment_goes_to_a_person() -> None:
    passed_on = [*SOUND[:3], said(4, 2, INTERRUPTED), said(5, 2, HANDED_OVER, part=1)]
    assert check(told(passed_on)) == []


def test_a_message_that_is_given_up_is_counted() -> None:
    given_up = told([*SOUND[:3], said(4, 2, GIVEN_UP)])
    assert check(given_up) == []
    assert given_up.given_up == 1


def test_who_was_told_that_a_person_comes_is_told_once() -> None:
    handed_over = [customer(1, "a"), said(2, 1, GIVEN_UP), customer(3, "b", "pay")]
    assert unanswered(handed_over) == [3]
    waiting = [*handed_over, said(4, 3, WAITING), customer(5, "c")]
    assert unanswered(waiting) == []
    assert unanswered([*waiting, customer(6, "d", BACK), said(7, 6, RESUMED), customer(8, "e")]) == [8]


def test_nobody_is_told_to_wait_who_was_not_passed_on() -> None:
    assert {each.invariant for each in check(told([*SOUND[:3], said(4, 2, WAITING)]))} == {"I7"}
