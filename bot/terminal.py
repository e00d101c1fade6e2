"""A conversation in the terminal: a small client of the widget protocol."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
from rich.console import Console
from rich.markdown import Markdown

Json = dict[str, Any]

_HELP = "[dim]Write and press Enter; a number presses a button; /human, /restart, /quit.[/dim]"


@dataclass(slots=True)
class Terminal:
    socket: aiohttp.ClientWebSocketResponse
    console: Console
    options: list[Json] = field(default_factory=list)
    """What the numbers of the last reply press."""
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_for: int = 0

    async def run(self) -> None:
        await self.socket.send_json({"type": "hello", "token": None, "epoch": None, "last_seq": 0})
        welcome = await self.socket.receive_json()
        self.console.print(f"[bold]{welcome.get('name', 'Frontdesk')}[/bold]  {_HELP}")
        reader = asyncio.create_task(self._read())
        try:
            await self._write()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def _write(self) -> None:
        while (line := await asyncio.to_thread(_ask)) is not None:
            if line == "/quit":
                return
            if line:
                self.answered.clear()
                await self.socket.send_json({"type": "message", "id": str(uuid4()), **self._said(line)})
                await self._settle()

    def _said(self, line: str) -> Json:
        if line in ("/human", "/restart"):
            return {"command": line[1:]}
        if line.isdigit() and 1 <= int(line) <= len(self.options):
            return {"press": self.options[int(line) - 1]}
        return {"text": line}

    async def _settle(self) -> None:
        """Waits for the answer, but not for ever: a person may take longer."""
        try:
            async with asyncio.timeout(15):
                await self.answered.wait()
        except TimeoutError:
            self.console.print("[dim]No answer yet; you can go on writing.[/dim]")

    async def _read(self) -> None:
        async for message in self.socket:
            frame = message.json()
            kind = frame.get("type")
            if kind == "entries":
                for entry in frame["entries"]:
                    self._show(entry)
            elif kind == "error":
                self.console.print(f"[red]{frame['message']}[/red]")
                self.answered.set()
            elif kind == "typing" and not frame["on"]:
                self.answered.set()
        self.answered.set()

    def _show(self, entry: Json) -> None:
        if entry["author"] == "user":
            return
        self.options = []
        self.console.print(f"[bold green]{entry['author']}[/bold green]", end=" ")
        self.console.print(Markdown(entry["text"]))
        self._offer(entry["seq"], entry["buttons"], {})
        for number, card in enumerate(entry["cards"]):
            self.console.print(f"  [bold]{card['title']}[/bold] {card['subtitle']}")
            self._offer(entry["seq"], card["buttons"], {"card": number})
        if entry["source"]:
            self.console.print(f"  [dim]Source: {entry['source']['title']} ({entry['source']['url']})[/dim]")

    def _offer(self, seq: int, titles: list[str], place: Json) -> None:
        for number, title in enumerate(titles):
            self.options.append({"seq": seq, "button": number, **place})
            self.console.print(f"  [cyan]{len(self.options)}[/cyan] {title}")


def _ask() -> str | None:
    try:
        return input("> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return None


async def talk(url: str) -> None:
    """Talks to the service at `url` (http). Raises aiohttp.ClientError if nobody is there."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/widget/ws", heartbeat=25) as socket:
        await Terminal(socket, Console()).run()
