"""What a server takes on, and when it asks to come back later."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bot.admission import ALWAYS, HICCUP_SECONDS, LONGEST, SHORTEST, TIMES, WAIT_SECONDS, Admission, Busy
from bot.line import Tally


@dataclass(slots=True)
class Service:
    """Answers `pace` messages a second while any wait."""

    pace: float
    most: int = 1000
    now: float = 0.0
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.admission = Admission(self.most, self.most, self.most, Tally(), clock=lambda: self.now)

    def go_on(self, seconds: float) -> None:
        """In steps of ten milliseconds; somebody tries to come in at each."""
        owed = 0.0
        for _ in range(round(seconds * 100)):
            self.now += 0.01
            owed += self.pace * 0.01
            while owed >= 1:
                owed -= 1
                self.admission.tally.waiting -= 1
                self.admission.answered()
            self.offer(10_000)

    def offer(self, count: int) -> int:
        """How many of them are taken."""
        for taken in range(count):
            try:
                with self.admission.entering("c"):
                    pass
            except Busy:
                return taken
            self.admission.tally.waiting += 1
        return count


@pytest.mark.parametrize(("pace", "waiting"), [(100, ALWAYS), (2000, 2000 * WAIT_SECONDS), (50_000, 1000)])
def test_in_a_flood_as_many_wait_as_are_answered_soon(pace: int, waiting: float) -> None:
    service = Service(pace)
    service.go_on(12)

    assert service.admission.tally.waiting == pytest.approx(waiting, rel=0.05)


def test_a_hiccup_is_no_flood_until_it_lasts() -> None:
    service = Service(100)
    service.go_on(1.2)  # now the pace is known
    service.admission.tally.waiting = 0
    service.offer(0)
    assert service.offer(10_000) == TIMES * ALWAYS
    service.now += HICCUP_SECONDS / 2
    service.admission.tally.waiting -= 50
    assert service.offer(10_000) == 50
    service.now += HICCUP_SECONDS
    service.admission.tally.waiting -= 100
    assert service.offer(10_000) == 0
    service.admission.tally.waiting = 0
    assert service.offer(10_000) == TIMES * ALWAYS, "those before were answered"


def test_before_anything_was_answered_and_after_a_quiet_time_a_burst_may_come() -> None:
    service = Service(2000)
    assert service.offer(5000) == 1000
    service.go_on(3)
    service.admission.tally.waiting = 0
    service.now += 60

    assert service.offer(5000) == 1000


def test_who_is_being_stored_counts() -> None:
    admission = Admission(2, 3, 2)
    with admission.entering("c"), admission.entering("c"), pytest.raises(Busy), admission.entering("c"):
        pass
    with admission.entering("c"):
        pass


def test_who_can_wait_is_taken_whatever_the_pace_is_and_is_in_nobodys_way() -> None:
    service = Service(100)
    service.go_on(12)
    admission = service.admission
    with pytest.raises(Busy), admission.entering("c"):
        pass
    admission.patient.waiting = 999
    with admission.entering_patient(), pytest.raises(Busy) as full, admission.entering_patient():
        pass
    assert full.value.retry_after == LONGEST
    service.go_on(2)
    assert admission.tally.waiting == pytest.approx(ALWAYS, rel=0.05), "as many of the others are taken as before"


def test_the_more_are_refused_the_later_they_are_asked_to_come_back() -> None:
    service = Service(1000)
    service.go_on(2)
    with pytest.raises(Busy) as few, service.admission.entering("c"):
        pass
    for _ in range(20_000):
        service.offer(1)
    service.go_on(0.6)  # the window ends in it
    with pytest.raises(Busy) as many, service.admission.entering("c"):
        pass

    assert SHORTEST < few.value.retry_after < 3
    assert few.value.retry_after + 10 < many.value.retry_after <= LONGEST
