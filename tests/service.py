"""A running service for tests: everything real but, where a test wants it so, the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import aiohttp

from bot.app import Service, serving
from bot.config import Settings
from bot.console.model_page import ModelPage
from bot.dialogue.assistant import Assistant
from bot.language import Language
from nlu.types import Intent, Understanding, Verdict

Json = dict[str, Any]

ECHO_DOMAIN = """
version: "3.1"
intents: [ask, slow, break]
actions: [action_slow, action_break]
responses:
  utter_answer:
  - text: "answer"
    buttons: [{title: "Again", payload: "/ask"}, {title: "A person", payload: "/human"}]
rules:
- rule: answer
  steps: [{intent: ask}, {action: utter_answer}]
"""


class KeywordUnderstander:
    """Takes the first word that is an intent for the meaning. For tests of what is around the model."""

    model = "keywords"

    def __init__(
        self, intents: Sequence[str] = ("ask",), before: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        self.intents, self.before = intents, before

    async def understand(
        self, texts: Sequence[str], without_articles: frozenset[str] = frozenset()
    ) -> list[Understanding]:
        return [await self._one(text) for text in texts]

    async def _one(self, text: str) -> Understanding:
        if self.before:
            await self.before(text)
        name = next((word for word in text.split() if word in self.intents), None)
        intent = Intent(name or "nothing", 1.0 if name else 0.0)
        verdict = Verdict.SURE if name else Verdict.UNSURE
        return Understanding(text, intent, (intent,), verdict, model=self.model)


def echo_assistant(folder: Path, domain: str = ECHO_DOMAIN) -> Assistant:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "domain.yml").write_text(domain)
    return Assistant.load(folder)


@asynccontextmanager
async def running(home: Path, understander: Any = None, **settings: Any) -> AsyncIterator[Service]:
    """A service on a free port with an assistant that answers `ask` with "answer"."""
    home.mkdir(parents=True, exist_ok=True)
    read = Settings(**{"home": home, "port": 0, "actions": "actions", "rate": 1000.0, "burst": 1000, **settings})
    language = Language(understander or KeywordUnderstander(), ModelPage("keywords", (), None), {})
    async with serving(read, echo_assistant(home / "assistant"), language) as service:
        yield service


class Widget:
    """A client of docs/protocol.md."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.welcome: Json = {}
        self.entries: list[Json] = []
        self.answers: dict[int | None, list[Json]] = {}
        self.frames: list[Json] = []
        self.typings: list[Json] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, origin: str | None = None, **hello: Any) -> AsyncIterator[Self]:
        headers = {"Origin": origin} if origin else {}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/widget/ws", headers=headers) as socket,
        ):
            widget = cls(socket)
            await widget.send(type="hello", **{"token": None, "epoch": None, "last_seq": 0, **hello})
            widget.welcome = await widget.until("welcome")
            yield widget

    async def send(self, **frame: Any) -> None:
        await self.socket.send_json(frame)

    async def say(self, text: str, message_id: str | None = None) -> Json:
        """Sends a text and returns its acknowledgement or error."""
        return await self._message(message_id, text=text)

    async def press(self, seq: int, button: int, message_id: str | None = None) -> Json:
        return await self._message(message_id, press={"seq": seq, "button": button})

    async def command(self, name: str) -> Json:
        return await self._message(None, command=name)

    async def _message(self, message_id: str | None, **content: Any) -> Json:
        message_id = message_id or str(uuid4())
        await self.send(type="message", id=message_id, **content)
        return await self._next(lambda f: f["type"] in ("ack", "error") and f.get("id") == message_id)

    async def until(self, kind: str) -> Json:
        return await self._next(lambda frame: frame["type"] == kind)

    async def typing(self) -> Json:
        if not self.typings:
            await self.until("typing")
        return self.typings.pop(0)

    async def replies(self, seq: int, count: int = 1) -> list[Json]:
        """The first `count` replies to the message with that number."""
        while len(self.answers.get(seq, ())) < count:
            await self.until("entries")
        return self.answers[seq]

    async def ask(self, text: str, count: int = 1) -> list[Json]:
        acknowledged = await self.say(text)
        return await self.replies(acknowledged["seq"], count)

    async def _next(self, wanted: Callable[[Json], bool]) -> Json:
        async with asyncio.timeout(300):
            while True:
                for number, frame in enumerate(self.frames):
                    if wanted(frame):
                        return self.frames.pop(number)
                message = await self.socket.receive()
                if message.type is not aiohttp.WSMsgType.TEXT:
                    raise ConnectionResetError(f"closed with {self.socket.close_code}")
                come: Json = message.json()
                if come["type"] == "entries":
                    self.entries += come["entries"]
                    for entry in come["entries"]:
                        self.answers.setdefault(entry["reply_to"], []).append(entry)
                if come["type"] == "typing":
                    self.typings.append(come)
                if wanted(come):
                    return come
                if come["type"] not in ("entries", "typing"):
                    self.frames.append(come)
