"""A conversation over each channel, with its provider played by the simulator that people can try too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.config import channels
from bot.messages import Button, Outbound, Owner
from bot.simulators.all import simulator
from bot.simulators.simulator import Simulator
from tests.service import running

PUBLIC = "https://chat.example.com"
CUSTOMER = "4915112345678"


@asynccontextmanager
async def talking(home: Path, name: str, *plan: str, **more: Any) -> AsyncIterator[tuple[Simulator, Any]]:
    """The provider of a channel, and a running service with the settings that its simulator suggests, and `more`."""
    kind = simulator(name)
    provider = kind.of(channels()[name].model_validate({**kind.sample("http://127.0.0.1:9"), **more}))
    async with provider.open():
        provider.plan.extend(plan)
        settings = {name: {**kind.sample(provider.url), **more}, "public_url": PUBLIC}
        async with running(home, **settings) as service:
            provider.webhook = f"{service.url}/webhooks/{name}"
            yield provider, service


def answers(provider: Simulator) -> int:
    """How many the customer saw; where there are no buttons, choices are a part of the text."""
    assert all(text.partition("\n")[0] == "answer" for text in provider.texts(CUSTOMER))
    return len(provider.texts(CUSTOMER))


@pytest.mark.parametrize("name", channels())
async def test_a_customer_is_answered(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, _):
        assert 200 <= await provider.say(CUSTOMER, "ask") < 300
        await provider.until(lambda: answers(provider) == 1)
        assert 200 <= await provider.say(CUSTOMER, "ask") < 300
        await provider.until(lambda: answers(provider) == 2)


@pytest.mark.parametrize("name", channels())
async def test_a_message_that_comes_again_is_answered_once(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        event = provider.said(CUSTOMER, "ask")
        assert {await provider.post(event) // 100 for _ in range(3)} == {2}
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 2)
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 4


@pytest.mark.parametrize("name", channels())
async def test_an_answer_that_did_not_arrive_is_sent_again(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name, "429") as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 1)
        assert provider.calls == ["429", "ok"]


@pytest.mark.parametrize("fault", ["late 500", "cut"])
@pytest.mark.parametrize("name", channels())
async def test_an_answer_that_may_have_arrived_is_not_shown_twice(name: str, fault: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name, fault) as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: bool(provider.calls))
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 2)


@pytest.mark.parametrize("name", channels())
async def test_a_stranger_is_told_nothing(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        event = provider.said(CUSTOMER, "ask")
        forged = type(event)(event.body + b" ", {}, event.method, event.query)
        assert await provider.exchange(forged) == (401, b"")
        assert await service.journal.conversations() == []


@pytest.mark.parametrize("name", channels())
async def test_a_choice_means_what_it_says_and_counts_once(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, _):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 1)
        (shown,) = provider.seen[CUSTOMER]
        if shown.choices:
            assert [choice.title for choice in shown.choices] == ["Again", "A person"]
            event = provider.pressed(CUSTOMER, shown.choices[0], shown)
        else:
            event = provider.said(CUSTOMER, "1")
        assert {await provider.post(event) // 100 for _ in range(2)} == {2}
        await provider.until(lambda: answers(provider) == 2)
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 3)


@pytest.mark.parametrize("name", ["slack", "teams", "telegram", "whatsapp"])
async def test_a_picture_with_choices_is_one_message(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 1)
        (conversation,) = await service.journal.conversations()
        buttons = (Button("Again", "/ask"), Button("A person", "/human"))
        looks = Outbound("A lamp.", buttons, image="https://shop.example/lamp.png")
        await service.journal.append(conversation.conversation_id, looks)
        await provider.until(lambda: len(provider.seen[CUSTOMER]) > 1)
        _, shown = provider.seen[CUSTOMER]
        assert (shown.text, shown.image) == ("A lamp.", "https://shop.example/lamp.png")
        assert [choice.title for choice in shown.choices] == ["Again", "A person"]
        await provider.press(CUSTOMER, "Again")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) > 2)
        assert provider.texts(CUSTOMER)[2] == "answer"


@pytest.mark.parametrize("name", channels())
async def test_a_person_is_always_to_be_had(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        await provider.until(lambda: answers(provider) == 1)
        (shown,) = provider.seen[CUSTOMER]
        if shown.choices:
            await provider.press(CUSTOMER, "A person")
        else:
            await provider.say(CUSTOMER, "2")
        await provider.until(lambda: len(provider.seen[CUSTOMER]) > 1)
        (conversation,) = await service.journal.conversations()
        assert conversation.owner is Owner.QUEUE
