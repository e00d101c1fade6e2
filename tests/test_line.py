"""Which message is next, against a journal that several servers write to."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.journal.values import Backlog, Waiting
from bot.line import Line, Tally
from bot.messages import Inbound


def waiting(seq: int) -> Waiting:
    return Waiting(seq, Inbound("c", f"m{seq}", "text", "web", 0.0))


class Log:
    """A conversation: its last number and which numbers wait for an answer."""

    def __init__(self) -> None:
        self.last, self.pending = 0, set[int]()

    def write(self, *, waits: bool) -> int:
        self.last += 1
        if waits:
            self.pending.add(self.last)
        return self.last

    def backlog(self) -> Backlog:
        return Backlog(self.last, [waiting(seq) for seq in sorted(self.pending)])


ACTS = st.lists(
    st.sampled_from(["accepted here", "accepted elsewhere", "a notice", "a turn", "a silent turn", "taken anew"]),
    max_size=40,
)


@given(ACTS)
@settings(max_examples=400, deadline=None)
def test_no_message_overtakes_an_earlier_one(acts: list[str]) -> None:
    log, line = Log(), Line()
    for act in acts:
        if act == "accepted here":
            line.accepted(waiting(log.write(waits=True)))
        elif act == "accepted elsewhere":
            log.write(waits=True)
        elif act == "a notice":
            log.write(waits=False)
        elif act == "taken anew":
            line.begin(min(log.pending, default=log.last + 1) - 1)
        elif (found := line.next()) is not None:
            assert found.seq == min(log.pending)
            log.pending.remove(found.seq)
            line.settle(found.seq, found.seq)
            if act == "a turn":
                first, last = log.write(waits=False), log.write(waits=False)
                line.settle(first, last)
    line.read(log.backlog())
    while (found := line.next()) is not None:
        assert found.seq == min(log.pending)
        log.pending.remove(found.seq)
        line.settle(found.seq, found.seq)
    assert not log.pending
    assert len(line) == 0


def test_as_long_as_nobody_else_writes_the_journal_is_not_asked() -> None:
    log, line = Log(), Line()
    for _ in range(5):
        line.accepted(waiting(log.write(waits=True)))
        line.accepted(waiting(log.write(waits=True)))
        for _ in range(2):
            found = line.next()
            assert found is not None
            line.settle(found.seq, found.seq)
            reply = log.write(waits=False)
            line.settle(reply, reply)
        assert line.next() is None
        assert not line.unsure


def test_a_message_behind_an_unknown_number_waits_for_the_journal() -> None:
    line = Line()
    line.accepted(waiting(2))
    assert line.next() is None
    assert line.unsure
    line.read(Backlog(2, [waiting(1), waiting(2)]))
    assert line.next() == waiting(1)


def test_what_was_accepted_after_the_journal_was_read_is_kept() -> None:
    line = Line()
    line.accepted(waiting(2))
    line.read(Backlog(1, [waiting(1)]))
    line.settle(1, 1)
    assert line.next() == waiting(2)


def test_no_more_are_kept_in_hand_than_may_wait_and_the_journal_tells_of_the_others() -> None:
    tally = Tally()
    line = Line(tally, most=2)
    for seq in range(1, 6):
        line.accepted(waiting(seq))
    assert (len(line), tally.waiting) == (2, 2)
    assert line.next() is None
    assert line.unsure
    line.read(Backlog(5, [waiting(4), waiting(5)], over=3))
    assert (line.next(), tally.waiting) == (waiting(4), 2)


def test_a_message_of_another_process_is_taken_up_once() -> None:
    line = Line()
    line.accepted(waiting(1))
    assert [line.take_up(1), line.take_up(2), line.take_up(2)] == [False, True, False]
