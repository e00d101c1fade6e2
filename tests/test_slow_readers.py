"""Somebody who does not read costs little, is let go, and misses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from benchmarks.transport.processes import connected
from benchmarks.transport.slow_reader import Deaf
from bot.channels import frames, widget
from bot.messages import Author, Entry, Outbound
from tests.service import Json, Widget, running
from tests.several import until

LONG = "ask " + "長" * 3990


def entries(text: str, count: int = 300) -> list[Entry]:
    return [Entry("c", seq, Author.BOT, 1.0, Outbound(text)) for seq in range(5, 5 + count)]


def as_sent(frame: Json) -> Any:
    return orjson.loads(orjson.dumps(frame))


@pytest.mark.parametrize("text", ["hello", LONG])
def test_pages_are_of_bounded_size_and_miss_nothing(text: str) -> None:
    pages = list(frames.pages(entries(text), more=False))

    told = [as_sent(frame) for frame, _ in pages]
    assert all(len(page["entries"]) == 1 or len(orjson.dumps(page)) < 17_000 for page in told)
    assert [e["seq"] for page in told for e in page["entries"]] == list(range(5, 305))
    assert [last for _, last in pages] == [page["entries"][-1]["seq"] for page in told]
    assert [page["more"] for page in told] == [True] * (len(told) - 1) + [False]


def test_a_page_with_others_behind_it_says_so() -> None:
    assert [frame["more"] for frame, _ in frames.pages(entries("hello", 2), more=True)] == [True]
    assert list(frames.pages([], more=False)) == []


@pytest.mark.parametrize(("text", "shown"), [("hello", range(5, 205)), (LONG, range(184, 205))])
def test_a_look_into_the_past_shows_the_newest_that_fit(text: str, shown: range) -> None:
    past = as_sent(frames.history(entries(text, 200)))

    assert [e["seq"] for e in past["entries"]] == list(shown)
    assert past["more"]
    assert as_sent(frames.history([])) == {"type": "history", "entries": [], "more": False}


async def test_who_does_not_read_is_let_go_and_then_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(widget, "_HEARTBEAT_SECONDS", 1.0)
    monkeypatch.setattr(widget, "_FLUSH_SECONDS", 0.2)
    async with running(tmp_path) as service, Widget.open(service.url) as writer:
        for _ in range(60):
            await writer.ask(LONG)
        port = urlsplit(service.url).port
        assert port is not None
        async with Deaf(service.url, writer.welcome["token"]) as deaf:
            assert deaf.port in connected(port)
            await until(lambda: deaf.port not in connected(port))

        async with Widget.open(service.url, token=writer.welcome["token"]) as back:
            while len(back.entries) < 120:
                await back.until("entries")
            assert [e["seq"] for e in back.entries] == list(range(1, 121))
