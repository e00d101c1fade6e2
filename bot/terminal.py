"""A conversation in the terminal: a small client of the widget protocol."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
from rich.console import Console
from rich.markdown import Markdown

from bot.config import Settings, address
from bot.typed import clean, lines
from nlu.source import Mendable

Json = dict[str, Any]

OPEN_SECONDS = 10
ANSWER_SECONDS = 15
PERSON_SECONDS = 1
"""Once a person has the conversation, an answer may come now, much later or never."""
SILENT_SECONDS = 1
"""An answer is there by then, once the bot has stopped to type."""
_HELP = "Write and press Enter; a number presses a button; /human, /restart, /quit."


class CannotChat(Mendable):
    """There is no conversation to be had; the sentence says what to do."""


class NobodyThere(CannotChat):
    """Nothing listens at the address."""


def chat(settings: Settings, url: str) -> None:
    """Talks to the service at `url`; without one, to the one of the settings, started if it does not run."""
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise CannotChat(f"{url} is not an address such as http://127.0.0.1:8080.")
    asyncio.run(_chat(settings, url.rstrip("/")))


async def _chat(settings: Settings, url: str) -> None:
    try:
        await talk(url or address(settings.host, settings.port))
    except NobodyThere:
        if url:
            raise
        from bot.start import alone  # the model's libraries take seconds to import

        async with alone(settings) as own:
            await talk(own)


async def talk(url: str) -> None:
    """Talks to the service at `url` until the person leaves. Raises CannotChat."""
    async with aiohttp.ClientSession() as session:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                socket = await session.ws_connect(f"{url}/widget/ws", heartbeat=25)
        except aiohttp.ClientConnectorError:
            raise NobodyThere(f"Nobody answers at {url}; start the service with `frontdesk run`.") from None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            raise CannotChat(f"What answers at {url} is not a Frontdesk service; correct the address.") from None
        async with socket:
            await Terminal(socket, Console(highlight=False, soft_wrap=True)).run()


@dataclass(slots=True)
class Terminal:
    socket: aiohttp.ClientWebSocketResponse
    console: Console
    options: list[Json] = field(default_factory=list)
    """What the numbers of the last reply press."""
    waiting_for: str | None = None
    """The id of the message that was sent last, until it is answered."""
    seq: int | None = None
    """Its number, once it is acknowledged."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    with_person: bool = False

    async def run(self) -> None:
        await self._open()
        reader = asyncio.create_task(self._read())
        writer = asyncio.create_task(self._write())
        try:
            await asyncio.wait((reader, writer), return_when=asyncio.FIRST_COMPLETED)
            if not writer.done():
                raise CannotChat("The service went away; nothing is lost. Start it again with `frontdesk run`.")
            writer.result()
        finally:
            reader.cancel()
            writer.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _open(self) -> None:
        await self.socket.send_json({"type": "hello", "token": None, "epoch": None, "last_seq": 0})
        async with asyncio.timeout(OPEN_SECONDS):
            message = await self.socket.receive()
        frame = message.json() if message.type is aiohttp.WSMsgType.TEXT else {}
        if frame.get("type") != "welcome":
            raise CannotChat(frame.get("message") or "The service hung up; try again.")
        self.with_person = frame["owner"] != "bot"
        if self.console.is_terminal:
            self.console.print(clean(frame["name"]), style="bold", end="  ", markup=False)
            self.console.print(_HELP, style="dim")

    # -- what the person says

    async def _write(self) -> None:
        self._prompt()
        async for line in lines():
            if line.strip() == "/quit":
                return
            if line.strip():
                await self._send(line.strip())
                await self._settle()
            self._prompt()

    def _prompt(self) -> None:
        if self.console.is_terminal and sys.stdin.isatty():
            self.console.print("> ", end="")

    async def _send(self, line: str) -> None:
        self.answered.clear()
        self.waiting_for, self.seq = str(uuid4()), None
        try:
            await self.socket.send_json({"type": "message", "id": self.waiting_for, **self._said(line)})
        except ConnectionError:
            await asyncio.Event().wait()  # the reader sees the same and ends the conversation

    def _said(self, line: str) -> Json:
        if line in ("/human", "/restart"):
            return {"command": line[1:]}
        if line.isdecimal() and 1 <= int(line) <= len(self.options):
            return {"press": self.options[int(line) - 1]}
        return {"text": line}

    async def _settle(self) -> None:
        """Waits for the answer, but not for ever: a person may take longer."""
        try:
            async with asyncio.timeout(PERSON_SECONDS if self.with_person else ANSWER_SECONDS):
                await self.answered.wait()
        except TimeoutError:
            if not self.with_person:
                self.console.print("No answer yet; you can go on writing.", style="dim")

    # -- what the service says

    async def _read(self) -> None:
        async for message in self.socket:
            frame = message.json()
            match frame.get("type"):
                case "entries":
                    for entry in frame["entries"]:
                        self._show(entry)
                case "ack" if frame["id"] == self.waiting_for:
                    self.seq = frame["seq"]
                case "typing" if not frame["on"]:
                    asyncio.get_running_loop().call_later(SILENT_SECONDS, self._silent, self.waiting_for)
                case "owner":
                    self.with_person = frame["owner"] != "bot"
                case "error":
                    self.console.print(clean(frame["message"]), style="red", markup=False)
                    self.answered.set()

    def _silent(self, message: str | None) -> None:
        """Not every message has an answer."""
        if message == self.waiting_for:
            self.answered.set()

    def _show(self, entry: Json) -> None:
        if entry["author"] == "user":
            return
        self.options = []
        self.console.print(entry["author"], style="bold green", end=" ")
        self._text(entry["text"])
        self._offer(entry["seq"], entry["buttons"], {})
        for number, card in enumerate(entry["cards"]):
            self._line(f"  {card['title']} {card['subtitle']}")
            self._offer(entry["seq"], card["buttons"], {"card": number})
        if entry["source"]:
            self._line(f"  Source: {entry['source']['title']} ({entry['source']['url']})", "dim")
        if self.seq is not None and entry["reply_to"] is not None and entry["reply_to"] >= self.seq:
            self.answered.set()

    def _text(self, text: str) -> None:
        if self.console.is_terminal:
            self.console.print(Markdown(clean(text)), soft_wrap=False)
        else:
            self._line(text)

    def _offer(self, seq: int, titles: list[str], place: Json) -> None:
        for number, title in enumerate(titles):
            self.options.append({"seq": seq, "button": number, **place})
            self.console.print(f"  {len(self.options)} ", style="cyan", end="")
            self._line(title)

    def _line(self, text: str, style: str | None = None) -> None:
        self.console.print(clean(text), style=style, markup=False)
