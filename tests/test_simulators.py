"""A conversation over each channel, with its provider played by the simulator that people can try too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.config import channels
from bot.simulators.all import simulator
from bot.simulators.provider import Provider
from tests.service import running

PUBLIC = "https://chat.example.com"
CUSTOMER = "4915112345678"


@asynccontextmanager
async def talking(home: Path, name: str, *plan: str) -> AsyncIterator[tuple[Provider, Any]]:
    """The provider of a channel, and a running service with the settings that its simulator suggests."""
    kind = simulator(name)
    provider = kind.of(channels()[name].model_validate(kind.sample("http://127.0.0.1:9")))
    async with provider.open():
        provider.plan.extend(plan)
        settings = {name: kind.sample(provider.url), "public_url": PUBLIC}
        async with running(home, **settings) as service:
            provider.webhook = f"{service.url}/webhooks/{name}"
            yield provider, service


@pytest.mark.parametrize("name", channels())
async def test_a_customer_is_answered(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, _):
        assert 200 <= await provider.say(CUSTOMER, "ask") < 300
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"])
        assert 200 <= await provider.say(CUSTOMER, "ask") < 300
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"] * 2)


@pytest.mark.parametrize("name", channels())
async def test_a_message_that_comes_again_is_answered_once(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        event = provider.said(CUSTOMER, "ask")
        assert {await provider.post(event) // 100 for _ in range(3)} == {2}
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: len(provider.texts(CUSTOMER)) == 2)
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 4


@pytest.mark.parametrize("name", channels())
async def test_an_answer_that_did_not_arrive_is_sent_again(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name, "429") as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"])
        assert provider.calls == ["429", "ok"]


@pytest.mark.parametrize("fault", ["late 500", "cut"])
@pytest.mark.parametrize("name", channels())
async def test_an_answer_that_may_have_arrived_is_not_shown_twice(name: str, fault: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name, fault) as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: bool(provider.calls))
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: provider.texts(CUSTOMER) == ["answer"] * 2)


@pytest.mark.parametrize("name", channels())
async def test_a_stranger_is_told_nothing(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        event = provider.said(CUSTOMER, "ask")
        forged = type(event)(event.body + b" ", {}, event.method, event.query)
        assert await provider.exchange(forged) == (401, b"")
        assert await service.journal.conversations() == []
