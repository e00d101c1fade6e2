"""The breaker: when it refuses, and how it comes back."""

from __future__ import annotations

import pytest

from bot.breaker import Breaker, BreakerOpen


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: Breaker, error: type[Exception] = OSError) -> None:
    with pytest.raises(error), breaker.guard():
        raise error


def opened(clock: Clock) -> Breaker:
    breaker = Breaker(2, 10.0, (OSError,), clock)
    fail(breaker)
    fail(breaker)
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(2, 10.0, (OSError,), Clock())
    fail(breaker)
    with breaker.guard():
        pass
    fail(breaker)
    assert not breaker.is_open
    fail(breaker)
    assert breaker.is_open
    with pytest.raises(BreakerOpen) as refused, breaker.guard():
        pass
    assert refused.value.retry_after == 10.0


def test_an_answer_that_is_an_error_is_an_answer() -> None:
    breaker = Breaker(2, 10.0, (OSError,), Clock())
    fail(breaker)
    fail(breaker, ValueError)
    fail(breaker)
    assert not breaker.is_open


def test_after_the_pause_one_call_tries() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 10.0
    with breaker.guard(), pytest.raises(BreakerOpen), breaker.guard():
        pass
    assert not breaker.is_open


def test_a_trial_that_fails_opens_it_again() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now = 10.0
    fail(breaker)
    clock.now = 19.9
    with pytest.raises(BreakerOpen), breaker.guard():
        pass
