"""The scripted conversations of the demo, played through the real server with the real model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.app import Service
from bot.customers import vouch
from bot.dialogue.tracker import Tracker
from bot.journal.journal import Journal
from bot.messages import Author, Entry, Event, Owner
from nlu.source import Node, read_yaml
from tests.demo import DATA, demo_model, running_demo
from tests.service import Widget

Step = tuple[str, Any]


def _cases() -> list[Any]:
    found = []
    for path in sorted((DATA / "conversations").glob("*.yml")):
        for case in read_yaml(path).value["test_cases"].value:
            name = case.value["test_case"].value
            found.append(pytest.param(case, id=f"{path.stem}: {name}"))
    return found


def _turns(case: Node) -> list[list[tuple[Node, Step]]]:
    """The case's steps, a list a turn; each turn begins with what the customer does."""
    turns: list[list[tuple[Node, Step]]] = []
    for step in case.value["steps"].value:
        ((key, value),) = step.value.items()
        if key in ("user", "press", "command"):
            turns.append([])
        turns[-1].append((step, (key, value.plain())))
    return turns


@dataclass(slots=True)
class Player:
    """Plays the customer, and looks into the journal at what each turn did."""

    widget: Widget
    journal: Journal
    entries: list[Entry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    replies: list[Entry] = field(default_factory=list)
    seen: int = 0

    @property
    def conversation(self) -> str:
        return str(self.widget.welcome["conversation"])

    async def act(self, key: str, value: str) -> None:
        before = len(await self.journal.events(self.conversation))
        if key == "user":
            acknowledged = await self.widget.say(value)
        elif key == "command":
            acknowledged = await self.widget.command(value)
        else:
            acknowledged = await self._press(value)
        assert acknowledged["type"] == "ack", acknowledged
        while await self.journal.waiting(self.conversation):
            await asyncio.sleep(0.005)
        self.entries = await self.journal.entries(self.conversation)
        self.replies = [entry for entry in self.entries if entry.reply_to == acknowledged["seq"]]
        self.events = (await self.journal.events(self.conversation))[before:]

    async def _press(self, title: str) -> dict[str, Any]:
        for entry in reversed(self.entries):
            if entry.author is Author.USER:
                continue
            places = [(None, entry.message.buttons), *((n, card.buttons) for n, card in enumerate(entry.message.cards))]
            for card, buttons in places:
                for number, button in enumerate(buttons):
                    if button.title == title:
                        place = {"seq": entry.seq, "button": number} | ({} if card is None else {"card": card})
                        return await self.widget._message(None, press=place)
        raise AssertionError(f"there is no button {title!r}; there are {self._titles(self.entries)}")

    def _titles(self, entries: list[Entry]) -> list[str]:
        return [
            b.title for e in entries for b in (*e.message.buttons, *(b for c in e.message.cards for b in c.buttons))
        ]

    async def check(self, key: str, value: Any) -> bool:
        texts = [entry.message.text for entry in self.replies]
        full = "\n".join(
            [*texts, *(f"{c.title}\n{c.subtitle}" for entry in self.replies for c in entry.message.cards)]
        ).lower()
        slots = [(e.data["name"], e.data.get("value")) for e in self.events if e.name == "slot"]
        match key:
            case "utter":
                return any(entry.message.response == value for entry in self.replies)
            case "bot":
                return value in texts
            case "bot_contains":
                return str(value).lower() in full
            case "bot_lacks":
                return value.lower() not in full
            case "slot_was_set":
                return all(_was_set(wanted, slots) for wanted in value)
            case "slot_was_not_set":
                return not any(_was_set(wanted, slots) for wanted in value)
            case "action":
                return any(event.name == "action" and event.data.get("name") == value for event in self.events)
            case "kb_article":
                return any(entry.message.source and entry.message.source.article == value for entry in self.replies)
            case "offers":
                return set(value) <= set(self._titles(self.replies))
            case "silent":
                return not self.replies
            case "active_form" | "handed_off":
                return bool(await self._state(key) == value)
        raise AssertionError(f"unknown step {key}")

    async def _state(self, key: str) -> Any:
        conversation = await self.journal.conversation(self.conversation)
        assert conversation is not None
        if key == "handed_off":
            return conversation.owner is Owner.QUEUE
        loop = Tracker.from_json(conversation.state).loop
        return loop.name if loop else None


def _sign_in(service: Service, case: Node) -> dict[str, str]:
    """What the page's widget says of a customer that the shop has signed in."""
    if "customer" not in case.value:
        return {}
    return {"customer": vouch(service.signer, {"email": case.value["customer"].value}, time.time() + 60)}


def _was_set(wanted: Any, slots: list[tuple[str, Any]]) -> bool:
    if isinstance(wanted, str):
        return any(name == wanted and value is not None for name, value in slots)
    return all((name, value) in slots for name, value in wanted.items())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    async with running_demo(tmp_path_factory.mktemp("demo"), demo_model(request.config)) as service:
        yield service


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("case", _cases())
async def test_conversation(service: Service, case: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", f"sqlite:///{tmp_path}/shop.db")
    async with Widget.open(service.url, **_sign_in(service, case)) as widget:
        player = Player(widget, service.journal)
        for (_, act), *checks in _turns(case):
            await player.act(*act)
            for step, (key, value) in checks:
                said = [(entry.message.response, entry.message.text) for entry in player.replies]
                heard: dict[str, Any] = next((e.data["parse_data"] for e in player.events if e.name == "user"), {})
                ranked = [f"{i['name']} {i['confidence']:.2f}" for i in heard.get("intent_ranking", [])[:3]]
                assert await player.check(key, value), (
                    f"{step.path.name}:{step.line}: after {act[1]!r} expected {key}: {value!r}; said {said}; "
                    f"understood {heard.get('intent')} {heard.get('metadata', {}).get('verdict')} "
                    f"{ranked} {[(x['entity'], x['value']) for x in heard.get('entities', [])]}"
                )
