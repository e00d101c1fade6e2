"""Tokens that providers lend, when they are slow to lend them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import time
from typing import Any

import pytest

from bot.channels.connector import Token
from bot.channels.verdict import Answer, Call, Outcome
from bot.grants import Grants, NoToken


@dataclass
class Lender:
    """A connector and its provider: lends for a hundred seconds, says no, or nothing until it is told to."""

    name: str = "lender"
    status: int = 200
    asked: int = 0
    now: float = field(default_factory=time)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def grant(self, now: float) -> Call:
        return Call("token")

    def token(self, answer: Answer) -> Token | None:
        return Token(f"t{self.asked}", self.now + 100) if answer.status == 200 else None

    async def call(self, call: Call) -> Outcome:
        self.asked += 1
        await self.answers.wait()
        return Answer(self.status, {}, b"", self.now)


async def test_all_who_wait_for_a_token_hear_of_one_failure() -> None:
    """One after the other they would wait until their deliveries are others'."""
    lender: Any = Lender(status=503)
    grants = Grants(lender.call, lambda: lender.now)
    waiting = [asyncio.create_task(grants.token(lender)) for _ in range(20)]
    await asyncio.sleep(0.01)
    lender.answers.set()
    failed = await asyncio.gather(*waiting, return_exceptions=True)

    assert {type(failure) for failure in failed} == {NoToken}
    assert lender.asked == 1
    with pytest.raises(NoToken):  # who comes later asks anew
        await grants.token(lender)
    assert lender.asked == 2


async def test_a_token_is_used_to_its_end_if_there_is_no_new_one() -> None:
    lender: Any = Lender()
    lender.answers.set()
    grants = Grants(lender.call, lambda: lender.now)
    assert await grants.token(lender) == "t1"
    lender.status, lender.now = 503, lender.now + 90
    assert [await grants.token(lender) for _ in range(3)] == ["t1"] * 3
    assert lender.asked == 2, "it is not asked for with every call"
    lender.now += 11
    with pytest.raises(NoToken):
        await grants.token(lender)
