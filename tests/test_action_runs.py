"""A crash at any step, or a person who takes over, never repeats an action that is not idempotent, nor hides one."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.agents import Agents
from bot.app import Service, serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.dialogue.tracker import Tracker
from bot.fanout import Fanout
from bot.hub import Hub
from bot.journal.journal import Journal
from bot.language import Language
from bot.messages import Author, Event, Outbound, Owner
from tests.service import KeywordUnderstander, Widget, echo_assistant

DOMAIN = """
version: "3.1"
intents: [charge]
actions: [action_charge]
slots:
  charged: {type: bool, mappings: [{type: custom}]}
rules:
- rule: charge
  steps: [{intent: charge}, {action: action_charge}]
"""
DONE = "You are charged."
INTERRUPTED = "I was interrupted and cannot tell whether that was done. Please do not try again."


@asynccontextmanager
async def charging(home: Path, turn_timeout: float = 20.0) -> AsyncIterator[Service]:
    home.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=home, port=0, actions="tests.charging", action_timeout=15.0, turn_timeout=turn_timeout)
    language = Language(KeywordUnderstander(("charge",)), ModelPage("keywords", (), None), {})
    async with serving(settings, echo_assistant(home / "assistant", DOMAIN), language) as service:
        yield service


def charges(home: Path) -> int:
    path = home / "charges"
    return len(path.read_text().splitlines()) if path.exists() else 0


# Each step of a turn with an action, where the process is killed: before or after a call of the journal.
DOOMED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from bot.journal.journal import Journal
from bot.messages import Inbound
from tests.test_action_runs import charging

when, name = sys.argv[2:]
original = getattr(Journal, name)

async def fatal(self, *given, **more):
    if when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = await original(self, *given, **more)
    os.kill(os.getpid(), signal.SIGKILL)

setattr(Journal, name, fatal)

async def main():
    async with charging(Path(sys.argv[1])) as service:
        await service.journal.accept(Inbound("rest-u", "m1", "charge", "rest", time.time()))
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def killed(home: Path, when: str, step: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DOOMED, str(home), when, step)
    async with asyncio.timeout(90):
        assert await process.wait() == -signal.SIGKILL


async def answered(journal: Journal, conversation_id: str = "rest-u") -> None:
    async with asyncio.timeout(60):
        while await journal.waiting(conversation_id):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("when", "step", "charged", "answer"),
    [
        ("before", "start_action", 1, DONE),
        ("after", "start_action", 0, INTERRUPTED),
        ("before", "finish_action", 1, INTERRUPTED),
        ("after", "finish_action", 1, DONE),
        ("before", "commit", 1, DONE),
        ("after", "commit", 1, DONE),
    ],
)
async def test_a_crash_repeats_no_action_and_hides_none(
    tmp_path: Path, when: str, step: str, charged: int, answer: str
) -> None:
    await killed(tmp_path, when, step)

    async with charging(tmp_path) as service:
        await answered(service.journal)
        said = [entry.message.text for entry in await service.journal.entries("rest-u", after=1)]
        conversation = await service.journal.conversation("rest-u")

    assert conversation is not None
    assert charges(tmp_path) == charged
    assert said[0] == answer
    if answer == INTERRUPTED:
        assert (conversation.owner, conversation.reason) == (Owner.QUEUE, "action_interrupted")
        assert len(said) == 2, "and the hand-over is said"
    else:
        assert (conversation.owner, len(said)) == (Owner.BOT, 1)


@asynccontextmanager
async def under_way(home: Path, turn_timeout: float = 20.0) -> AsyncIterator[tuple[Service, Widget]]:
    """A turn whose action has done its work and does not come to an end before the file `wait` is gone."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "wait").touch()
    async with charging(home, turn_timeout) as service, Widget.open(service.url) as widget:
        await widget.say("charge")
        async with asyncio.timeout(60):
            while not charges(home):
                await asyncio.sleep(0.01)
        try:
            yield service, widget
        finally:
            (home / "wait").unlink(missing_ok=True)


def agents(service: Service) -> Agents:
    return Agents(service.journal, Fanout(Hub(), service.sessions, service.journal))


async def test_who_takes_over_sees_what_the_overtaken_turn_has_done(tmp_path: Path) -> None:
    async with under_way(tmp_path) as (service, widget):
        await agents(service).take(widget.welcome["conversation"], "Mara")
        (tmp_path / "wait").unlink()
        (told,) = await widget.replies(1)

        assert told["text"] == DONE
        conversation = await service.journal.conversation(widget.welcome["conversation"])
        assert conversation is not None
        assert (conversation.owner, conversation.reason) == (Owner.AGENT, None)
        assert conversation.state["slots"]["charged"] is True
        assert charges(tmp_path) == 1
        await widget.say("thank you")
        await answered(service.journal, conversation.id)
        assert [e.message.text for e in await service.journal.entries(conversation.id)].count(DONE) == 1


async def test_a_turn_that_was_overtaken_and_given_back_says_what_it_did(tmp_path: Path) -> None:
    async with under_way(tmp_path) as (service, widget):
        for _ in range(3):
            await agents(service).take(widget.welcome["conversation"], "Mara")
            await agents(service).release(widget.welcome["conversation"], "Mara")
        (tmp_path / "wait").unlink()
        (told,) = await widget.replies(1)

        assert (told["text"], charges(tmp_path)) == (DONE, 1)


async def test_who_takes_over_after_a_crash_learns_that_something_was_begun(tmp_path: Path) -> None:
    await killed(tmp_path, "before", "finish_action")
    async with await Journal.open(tmp_path / "frontdesk.db") as journal:
        await taken_on_another_server(journal)

    async with charging(tmp_path) as service:
        await answered(service.journal)
        (told,) = [entry for entry in await service.journal.entries("rest-u") if entry.reply_to == 1]
    assert (told.message.text, charges(tmp_path)) == (INTERRUPTED, 1)


async def taken_on_another_server(journal: Journal) -> None:
    event = Event("pause", 1.0, {"owner": "agent"})
    notice = Outbound("You are talking to Mara now.", author=Author.SYSTEM)
    state = Tracker("rest-u").apply(event).written()
    await journal.append("rest-u", notice, owner=Owner.AGENT, events=(event,), state=state)


async def test_an_action_that_would_outlast_its_turn_is_owned_up_to_in_time(tmp_path: Path) -> None:
    async with under_way(tmp_path, turn_timeout=1.5) as (service, widget):
        (said, *_) = await widget.replies(1)
        assert said["text"] == INTERRUPTED
        assert (await service.journal.counts()).dead == 0
