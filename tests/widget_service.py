"""A service that speaks docs/protocol.md and nothing more.

Written from the protocol alone, and strict: whatever a client must not send is a violation, and a test with one fails.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from bot.widget.serve import demo_files, demo_page, routes

Json = dict[str, Any]

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
SHOP = """<!doctype html><html lang="{lang}"><head><meta charset="utf-8"><title>A shop</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script type="module" src="/widget/frontdesk.js"></script></head>
<body><main><h1>A shop</h1><p><a href="#one">A link</a> <button id="before">A button</button></p></main>
{element}</body></html>"""
STRICT = (
    "default-src 'none'; script-src 'self'; connect-src 'self' ws:; img-src 'self' data: https:; "
    "require-trusted-types-for 'script'"
)


@dataclass
class Conversation:
    """A log, and what each message id stood for."""

    token: str
    id: str
    epoch: str = "epoch-1"
    log: list[Json] = field(default_factory=list)
    ids: dict[str, tuple[Json, int]] = field(default_factory=dict)
    owner: str = "bot"
    position: int = 0


@dataclass(eq=False)
class Peer:
    """One socket of a client."""

    socket: web.WebSocketResponse
    request: web.Request
    received: list[Json] = field(default_factory=list)
    conversation: Conversation | None = None

    async def send(self, frame: Json) -> None:
        if not self.socket.closed:
            with suppress(ConnectionError):  # cut, and not yet told so
                await self.socket.send_json(frame)

    def cut(self) -> None:
        """As a tunnel does: no goodbye."""
        transport = self.request.transport
        if transport is not None:
            transport.abort()


class FakeService:
    """Its behaviour is a handful of switches; `received` is every frame in the order it came."""

    def __init__(self) -> None:
        self.url = ""
        self.conversations: dict[str, Conversation] = {}
        self.peers: list[Peer] = []
        self.sockets = 0
        self.received: list[Json] = []
        self.violations: list[str] = []
        self.welcome: Json = {"name": "Larkwood Home", "ping": 25, "limits": {"text": 4000}}
        self.refusals: list[Json] = []
        """Errors for the next messages, each used once."""
        self.away = False
        """No socket is accepted."""
        self.cut_at: str | None = None
        """`arrival`: the socket is lost before a message is kept; `commit`: after it, before the ack. Used once."""
        self.deaf = False
        """Frames arrive and nothing is answered."""
        self.mute = False
        """The next message is acknowledged, and its entry told to nobody. Used once."""
        self.admits = True
        self.answer: Callable[[str], list[Json]] | None = None
        self._changed = asyncio.Condition()

    # -- what tests do with it

    @property
    def conversation(self) -> Conversation:
        (only,) = self.conversations.values()
        return only

    @property
    def log(self) -> list[Json]:
        return self.conversation.log

    def sent(self, kind: str) -> list[Json]:
        return [frame for frame in self.received if frame["type"] == kind]

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(60), self._changed:
            await self._changed.wait_for(holds)

    async def say(self, text: str = "", **more: Any) -> Json:
        """The bot (or `author`) speaks in the only conversation, and every socket of it hears."""
        entry = self._append(self.conversation, {"author": "bot", "text": text, **more})
        await self.tell({"type": "entries", "entries": [entry], "more": False})
        return entry

    def note(self, text: str, **more: Any) -> Json:
        """An entry that nobody is told of."""
        return self._append(self.conversation, {"author": "bot", "text": text, **more})

    async def tell(self, frame: Json) -> None:
        for peer in list(self.peers):
            if peer.conversation is not None:
                await peer.send(frame)

    def cut(self) -> None:
        for peer in list(self.peers):
            peer.cut()

    # -- the protocol

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/widget/ws", self.connect),
            web.get("/shop", _shop),
            web.get("/shop/{lang}", _shop),
            web.get("/elsewhere", self.elsewhere),
        ]

    async def elsewhere(self, _request: web.Request) -> web.Response:
        page = f'<!doctype html><html lang="en"><body><script type="module" src="{self.url}/widget/frontdesk.js">'
        return web.Response(text=f"{page}</script></body></html>", content_type="text/html")

    async def connect(self, request: web.Request) -> web.StreamResponse:
        if request.query_string:
            self.violations.append(f"something in the URL: {request.query_string}")
        if self.away:
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        peer = Peer(socket, request)
        self.peers.append(peer)
        self.sockets += 1
        await self._notify()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._frame(peer, message.json())
        finally:
            self.peers.remove(peer)
            await self._notify()
        return socket

    async def _frame(self, peer: Peer, frame: Json) -> None:
        problem = _problem(frame, peer)
        if problem:
            self.violations.append(f"{problem}: {frame}")
        peer.received.append(frame)
        self.received.append(frame)
        if not self.deaf:
            await getattr(self, f"_on_{frame['type']}")(peer, frame)
        await self._notify()

    async def _on_hello(self, peer: Peer, frame: Json) -> None:
        if not self.admits:
            await peer.send({"type": "error", "code": "too_many", "message": "Too many.", "retry_after": 60})
            await peer.socket.close(code=1008)
            return
        token = frame["token"]
        if token is not None and token not in self.conversations:
            await peer.send({"type": "error", "code": "bad_token", "message": "This token is not valid here."})
            return
        conversation = self.conversations[token] if token else self._begin()
        peer.conversation = conversation
        seen = frame["last_seq"] if frame["epoch"] == conversation.epoch else 0
        if seen > len(conversation.log):
            self.violations.append(f"has seen what was never said: {frame}")
        await peer.send(
            {
                "type": "welcome",
                "token": conversation.token,
                "conversation": conversation.id,
                "epoch": conversation.epoch,
                "seq": len(conversation.log),
                "owner": conversation.owner,
                "position": conversation.position,
                **({"ratings": _ratings(conversation.log)} if seen else {}),
                **self.welcome,
            }
        )
        missed = conversation.log[seen:]
        for start in range(0, len(missed), 200):
            page = missed[start : start + 200]
            await peer.send({"type": "entries", "entries": page, "more": start + 200 < len(missed)})

    async def _on_message(self, peer: Peer, frame: Json) -> None:
        if self._loses(peer, "arrival"):
            return
        if self.refusals:
            await peer.send({"type": "error", "message": "No.", "id": frame["id"], **self.refusals.pop(0)})
            return
        conversation = self._of(peer)
        body: Json = {name: frame[name] for name in ("text", "press", "command") if name in frame}
        known = conversation.ids.get(frame["id"])
        if known is None:
            entry = self._append(
                conversation, {"author": "user", "id": frame["id"], "text": self._words(conversation, frame)}
            )
            conversation.ids[frame["id"]] = (body, entry["seq"])
            if self._loses(peer, "commit"):
                return
            await peer.send({"type": "ack", "id": frame["id"], "seq": entry["seq"]})
            if self.mute:
                self.mute = False
                return
            await self._spread(conversation, entry)
            for reply in self.answer(entry["text"]) if self.answer else []:
                await self._spread(conversation, self._append(conversation, {"author": "bot", **reply}))
            return
        if known[0] != body:
            self.violations.append(f"one id, two messages: {known[0]} and {body}")
        await peer.send({"type": "ack", "id": frame["id"], "seq": known[1]})

    async def _on_feedback(self, peer: Peer, frame: Json) -> None:
        value = frame["value"]
        self._of(peer).log[frame["seq"] - 1]["rating"] = None if value == "none" else value
        await self.tell({"type": "noted", "seq": frame["seq"], "value": value})

    async def _on_history(self, peer: Peer, frame: Json) -> None:
        older = self._of(peer).log[: frame["before"] - 1]
        page = older[-frame["limit"] :]
        await peer.send({"type": "history", "entries": page, "more": len(older) > len(page)})

    async def _on_ping(self, peer: Peer, _frame: Json) -> None:
        await peer.send({"type": "pong"})

    def _begin(self) -> Conversation:
        number = len(self.conversations) + 1
        conversation = Conversation(token=f"token-{number}", id=f"web-{number}")
        self.conversations[conversation.token] = conversation
        return conversation

    def _of(self, peer: Peer) -> Conversation:
        assert peer.conversation is not None
        return peer.conversation

    def _words(self, conversation: Conversation, frame: Json) -> str:
        if "press" not in frame:
            return str(frame.get("text") or f"/{frame['command']}")
        press = frame["press"]
        entry = conversation.log[press["seq"] - 1]
        holder = entry["cards"][press["card"]] if "card" in press else entry
        return str(holder["buttons"][press["button"]])

    def _append(self, conversation: Conversation, entry: Json) -> Json:
        whole = {
            "seq": len(conversation.log) + 1, "at": time.time(), "reply_to": None, "part": 0, "text": "",
            "buttons": [], "image": "", "cards": [], "source": None, "rateable": False, "rating": None, **entry,
        }  # fmt: skip
        conversation.log.append(whole)
        return whole

    async def _spread(self, conversation: Conversation, entry: Json) -> None:
        for peer in list(self.peers):
            if peer.conversation is conversation:
                await peer.send({"type": "entries", "entries": [entry], "more": False})

    def _loses(self, peer: Peer, moment: str) -> bool:
        if self.cut_at != moment:
            return False
        self.cut_at = None
        peer.cut()
        return True

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _ratings(log: list[Json]) -> Json:
    return {str(entry["seq"]): entry["rating"] for entry in log if entry["rating"]}


def _problem(frame: Json, peer: Peer) -> str | None:
    """What is wrong with a client's frame, by the protocol."""
    kind = frame.get("type")
    if kind == "hello":
        fields = {"type", "token", "epoch", "last_seq", "locale", "page", "customer"}
        if set(frame) != fields or not isinstance(frame["last_seq"], int):
            return "not a hello"
        return "a second hello" if peer.conversation else None
    if peer.conversation is None:
        return "before hello"
    checks = {"message": _message_problem, "feedback": _feedback_problem, "history": _history_problem}
    if kind in checks:
        return checks[kind](frame, peer.conversation)
    return None if frame == {"type": "ping"} else "an unknown frame"


def _message_problem(frame: Json, conversation: Conversation) -> str | None:
    bodies = set(frame) - {"type", "id"}
    if len(bodies) != 1 or not bodies <= {"text", "press", "command"}:
        return "not exactly one of text, press and command"
    if not UUID.fullmatch(str(frame["id"])):
        return "the id is no UUID"
    if "text" in frame and not str(frame["text"]).strip():
        return "an empty text"
    if "command" in frame and frame["command"] not in ("restart", "human"):
        return "an unknown command"
    press = frame.get("press")
    if press is not None and not (
        set(press) in ({"seq", "button"}, {"seq", "card", "button"}) and press["seq"] <= len(conversation.log)
    ):
        return "not a press"
    return None


def _feedback_problem(frame: Json, conversation: Conversation) -> str | None:
    well = set(frame) == {"type", "seq", "value"} and frame["value"] in ("up", "down", "none")
    return None if well and conversation.log[frame["seq"] - 1]["rateable"] else "not a feedback"


def _history_problem(frame: Json, _conversation: Conversation) -> str | None:
    well = set(frame) == {"type", "before", "limit"} and frame["before"] > 1 and 0 < frame["limit"] <= 200
    return None if well else "not a look at the history"


async def _shop(request: web.Request) -> web.Response:
    attributes = request.query.get("attributes")
    element = f"<frontdesk-chat {attributes}></frontdesk-chat>" if attributes is not None else ""
    page = SHOP.format(lang=request.match_info.get("lang", "en"), element=element)
    return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": STRICT})


class serving:  # noqa: N801
    """A context: the fake, the widget's files and the demo page on a free port."""

    def __init__(self, fake: FakeService) -> None:
        application = web.Application()
        application.add_routes([*fake.routes(), *routes(), *demo_files(), demo_page()])
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
