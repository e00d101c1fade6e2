"""The customers of the benchmarks of the whole service, and the assistant of six intents that they ask."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.beside_rasa import DATA
from benchmarks.chat_server import INTENTS
from benchmarks.rest import NoAnswer, conversations, crowd
from bot.dialogue.assistant import Assistant
from nlu.data.reader import check_enough, read_training_data
from tests.service import running


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_customers_over_rest_are_answered_side_by_side(tmp_path: Path) -> None:
    async with running(tmp_path) as service, conversations(port_of(service.url), 3) as they:
        first = json.loads(await they[0].ask("ask"))
        assert first[0]["recipient_id"] == they[0].sender
        assert first[0]["text"]
        assert await crowd(they, ["ask"], 0.2) > 0


async def test_what_is_refused_is_no_answer(tmp_path: Path) -> None:
    async with running(tmp_path) as service, conversations(port_of(service.url), 1) as (one,):
        with pytest.raises(NoAnswer, match="400"):
            await one.ask("a" * 10_000)


def test_the_assistant_of_six_intents_answers_each_of_them() -> None:
    data = read_training_data(DATA)
    check_enough(data, DATA)
    assistant = Assistant.load(DATA)
    assert {one.intent for one in data.examples} == set(INTENTS)
    assert {f"utter_{intent}" for intent in INTENTS} <= set(assistant.domain.responses)
