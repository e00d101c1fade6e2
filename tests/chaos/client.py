"""A customer's client, written from docs/protocol.md alone; light enough for a thousand of them in one process.

async with open_session() as session:
    async with Client(session, "http://127.0.0.1:8080") as client:
        message = client.say("where is my order?")
        await message.acknowledged                        # its number
        await client.until(lambda: message.seq in client.answers)
        client.cut(away=2.0)                              # torn off the network for two seconds
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import aiohttp
import orjson

Json = dict[str, Any]
Watch = Callable[..., None]
"""Called with what happened, its client and its fields: `watch("acked", client, id=..., seq=...)`."""

ACK_SECONDS = 15.0
DEAD_SECONDS = 10.0
HELLO_SECONDS = 15.0
HISTORY_PAGE = 200
_LOST = (aiohttp.ClientError, OSError, TimeoutError, ConnectionError)


class Socket(aiohttp.ClientWebSocketResponse):
    """A socket that can be torn off, as a phone in a tunnel is: nothing is said to the other side."""

    def abort(self) -> None:
        transport = self._conn.transport if self._conn is not None else None
        if transport is not None:
            transport.abort()


def open_session() -> aiohttp.ClientSession:
    """For any number of clients."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=HELLO_SECONDS, sock_read=None),
        ws_response_class=Socket,
    )


class Refused(Exception):
    """The message was not taken and never will be: `code` is the protocol's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Gone(Exception):
    """The socket is of no use any more."""


@dataclass(slots=True, eq=False)
class Message:
    """One message of the customer; its id is made before it is first sent."""

    body: Json
    sockets: int = 1
    """2: it is sent on a second socket in the same moment."""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seq: int | None = None
    sent_at: float = 0.0
    """First, by the loop's clock."""
    acked_at: float = 0.0
    acknowledged: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Its number, once the server has it. Raises Refused."""

    @property
    def frame(self) -> Json:
        return {"type": "message", "id": self.id, **self.body}


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client behaves where the protocol leaves it the choice; the defaults are the protocol's advice."""

    shortest_spread: float = 2.0
    longest_spread: float = 15.0
    """Seconds: the pause before coming back is drawn between 0 and half of the time since the connection was lost, and
    that half is at least and at most so long."""
    patience: float = 25.0
    """Seconds of silence before a ping; the server's `ping` if that is less."""
    dead: float = DEAD_SECONDS
    acknowledge: float = ACK_SECONDS
    window: int = 1
    """Messages that may be under way at once. With more than one, a refusal may change their order."""
    insists: bool = True
    """Sends again what was refused for the moment. Without it that is Refused like the rest."""
    keep: bool = True
    """Remember entries. Without it only the last number is known: enough for an idle client."""


def _unwatched(what: str, client: Client, **fields: Any) -> None:
    """Nobody looks."""


class Client:
    """One conversation. `async with` connects it and keeps it connected; `say` sends; `entries` is what it saw."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        *,
        watch: Watch = _unwatched,
        manners: Manners | None = None,
        rng: Random | None = None,
        token: str | None = None,
    ) -> None:
        self.url, self.manners, self.token = url, manners or Manners(), token
        self._session, self._watch, self._rng = session, watch, rng or Random()
        self.conversation = ""
        self.epoch: str | None = None
        self.owner = ""
        self.last_seq = 0
        self.newest = 0
        """The conversation's last number, as the last welcome told it."""
        self.entries: list[Json] = []
        self.answers: dict[int, list[Json]] = {}
        self.messages: dict[str, Message] = {}
        self.connected = False
        self.welcomes = 0
        self.drained = 0
        self._outbox: list[Message] = []
        self._under_way: dict[str, Message] = {}
        self._wanted = asyncio.Event()
        self._changed = asyncio.Event()
        self._asked: asyncio.Future[Json] | None = None
        self._socket: Socket | None = None
        self._away_until = 0.0
        self._return_in: float | None = None
        self._not_before = 0.0
        self._beside: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._back = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live())
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [task for task in (self._task, *self._beside) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # What a customer does

    def say(self, text: str, *, sockets: int = 1) -> Message:
        """Queues a text; it is sent until it is acknowledged, in the order of the calls."""
        return self.send({"text": text}, sockets=sockets)

    def send(self, body: Json, *, sockets: int = 1) -> Message:
        """As `say`, for `press` and `command` too."""
        message = Message(body, sockets)
        self.messages[message.id] = message
        self._outbox.append(message)
        self._wanted.set()
        return message

    async def again(self, message: Message) -> bool:
        """Sends it once more, whatever became of it. False if there is no socket."""
        if self._socket is None or not self.connected:
            return False
        with suppress(*_LOST):
            await self._socket.send_str(_written(message.frame))
            return True
        return False

    def cut(self, away: float = 0.0) -> None:
        """Tears the socket off; the client comes back after `away` seconds, and then as a client does."""
        self._away_until = asyncio.get_running_loop().time() + away
        if self._socket is not None:
            self._socket.abort()

    async def history(self) -> list[Json]:
        """The whole log, page by page from its end, as `history` frames give it. Raises Gone without a socket."""
        found: list[Json] = []
        before, more = self.newest + 1, True
        while more and before > 1:
            page = await self._ask({"type": "history", "before": before, "limit": HISTORY_PAGE})
            found = [*page["entries"], *found]
            more = page["more"] and bool(page["entries"])
            before = found[0]["seq"] if found else 1
        return found

    async def until(self, holds: Callable[[], object]) -> None:
        """Returns when it holds; looks after each frame, acknowledgement and connection."""
        while not holds():
            await self._changed.wait()

    @property
    def unacknowledged(self) -> int:
        return len(self._outbox) + len(self._under_way)

    # The connection

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        lost = loop.time()
        while True:
            began = loop.time()
            try:
                await self._connect()
            except (*_LOST, Gone) as problem:
                self._watch("lost", self, why=str(problem) or type(problem).__name__)
            if self.connected and loop.time() - began > 5:
                lost = loop.time()
            self._forget_socket()
            await asyncio.sleep(self._pause(loop.time() - lost))

    def _pause(self, lost: float) -> float:
        """Seconds until the next attempt, `lost` seconds after the connection was."""
        away = max(0.0, self._away_until - asyncio.get_running_loop().time())
        if self._return_in is not None:
            pause, self._return_in = self._return_in, None
            return max(pause, away)
        if away:
            return away
        spread = min(max(lost / 2, self.manners.shortest_spread), self.manners.longest_spread)
        return self._rng.uniform(0, spread)

    def _forget_socket(self) -> None:
        self.connected = False
        self._socket, self._not_before = None, 0.0
        # In the order it was written: what was under way goes first.
        self._outbox = [*self._under_way.values(), *self._outbox]
        self._under_way.clear()
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(Gone("the socket closed"))
        self._tell()

    async def _connect(self) -> None:
        async with self._session.ws_connect(f"{self.url}/widget/ws", max_msg_size=0) as socket:
            assert isinstance(socket, Socket)
            self._socket = socket
            await self._greet(socket, self.last_seq)
            sender: asyncio.Task[None] | None = None
            try:
                while True:
                    frame = await self._receive(socket)
                    await self._heard(frame)
                    if frame["type"] == "welcome" and sender is None:
                        sender = asyncio.create_task(self._deliver(socket))
            finally:
                if sender:
                    sender.cancel()
                    await asyncio.gather(sender, return_exceptions=True)

    async def _greet(self, socket: Socket, last_seq: int) -> None:
        hello = {"type": "hello", "token": self.token, "epoch": self.epoch, "last_seq": last_seq, "locale": "en"}
        await socket.send_str(_written(hello))

    async def _receive(self, socket: Socket) -> Json:
        """The next frame. After a silence it asks; after another the socket counts as dead. Raises Gone."""
        try:
            return _read(await socket.receive(self.manners.patience if self.connected else HELLO_SECONDS))
        except TimeoutError:
            if not self.connected:
                socket.abort()
                raise
        await socket.send_str('{"type": "ping"}')
        try:
            return _read(await socket.receive(self.manners.dead))
        except TimeoutError:
            socket.abort()
            raise

    # What the server says

    async def _heard(self, frame: Json) -> None:
        handler = self._handlers.get(frame["type"])
        if handler is None:
            self._watch("odd", self, frame=frame)
        else:
            handler(self, frame)
        self._tell()

    def _on_welcome(self, frame: Json) -> None:
        if self.epoch is not None and (frame["epoch"] != self.epoch or frame["seq"] < self.last_seq):
            self._watch("epoch", self, before=self.epoch, after=frame["epoch"])
            self.entries, self.answers, self.last_seq, self.epoch = [], {}, 0, None
            self._return_in = 0.0
            raise Gone("another log")
        self.token, self.epoch, self.conversation = frame["token"], frame["epoch"], frame["conversation"]
        self.owner, self.newest = frame["owner"], frame["seq"]
        self.connected = True
        self.welcomes += 1
        self._watch("welcome", self, seq=frame["seq"])

    def _on_entries(self, frame: Json) -> None:
        for entry in frame["entries"]:
            self._on_entry(entry)

    def _on_entry(self, entry: Json) -> None:
        seq = entry["seq"]
        if seq <= self.last_seq:
            if self.manners.keep and self.entries[seq - 1] != entry:
                self._watch("changed", self, before=self.entries[seq - 1], after=entry)
            return
        if seq > self.last_seq + 1:
            self._watch("gap", self, after=self.last_seq, seq=seq)
            self._return_in = 0.0
            raise Gone("entries are missing")
        self.last_seq = seq
        self.newest = max(self.newest, seq)
        if self.manners.keep:
            self.entries.append(entry)
            if entry["reply_to"] is not None:
                self.answers.setdefault(entry["reply_to"], []).append(entry)
        if entry["author"] == "user" and entry["id"] in self.messages:
            self._acknowledge(self.messages[entry["id"]], seq)
        self._watch("entry", self, entry=entry)

    def _on_ack(self, frame: Json) -> None:
        message = self.messages.get(frame["id"])
        if message is None:
            self._watch("odd", self, frame=frame)
            return
        self._watch("acked", self, id=message.id, seq=frame["seq"])
        self._acknowledge(message, frame["seq"])

    def _acknowledge(self, message: Message, seq: int) -> None:
        self._under_way.pop(message.id, None)
        if message in self._outbox:
            self._outbox.remove(message)
        self._wanted.set()
        if not message.acknowledged.done():
            message.seq, message.acked_at = seq, asyncio.get_running_loop().time()
            message.acknowledged.set_result(seq)

    def _on_error(self, frame: Json) -> None:
        code, wait, message = frame["code"], frame.get("retry_after"), self._under_way.get(frame.get("id", ""))
        self._watch("refused", self, code=code, id=frame.get("id"))
        if code == "bad_token":
            self._watch("odd", self, frame=frame)
            self.token, self.epoch, self.last_seq, self.entries, self.answers = None, None, 0, [], {}
            self._return_in = 0.0
            raise Gone(code)
        if wait is not None and code != "too_many" and (self.manners.insists or message is None):
            self._later(wait, message)
        elif message is not None:
            del self._under_way[message.id]
            message.acknowledged.set_exception(Refused(code))
            self._wanted.set()
        else:
            self._watch("odd", self, frame=frame)

    def _later(self, wait: float, message: Message | None) -> None:
        """Not yet: the same once more, and nothing before it. Others were told to wait as long."""
        wait *= self._rng.uniform(1, 1.5)
        if not self.connected:
            self._return_in = wait
            raise Gone("not yet")
        if message is not None:
            self._outbox.insert(0, self._under_way.pop(message.id))
        self._not_before = asyncio.get_running_loop().time() + wait
        self._wanted.set()

    def _on_owner(self, frame: Json) -> None:
        self.owner = frame["owner"]

    def _on_drain(self, frame: Json) -> None:
        """Nothing is sent any more; back when it asked for, also if it closes the socket before."""
        self.drained += 1
        self._watch("drain", self)
        self._not_before = math.inf
        loop, socket = asyncio.get_running_loop(), self._socket
        self._away_until = loop.time() + frame["reconnect_in"]
        self._return_in = 0.0
        if socket is not None:
            loop.call_later(frame["reconnect_in"], socket.abort)

    def _on_history(self, frame: Json) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_result(frame)

    def _ignore(self, frame: Json) -> None:
        """Typing, thumbs and pongs change nothing here."""

    _handlers: dict[str, Callable[[Client, Json], None]] = {  # noqa: RUF012  nobody changes it
        "welcome": _on_welcome,
        "entries": _on_entries,
        "ack": _on_ack,
        "error": _on_error,
        "owner": _on_owner,
        "drain": _on_drain,
        "history": _on_history,
        "typing": _ignore,
        "noted": _ignore,
        "pong": _ignore,
    }

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _ask(self, frame: Json) -> Json:
        if self._socket is None or not self.connected:
            raise Gone("there is no socket")
        self._asked = asyncio.get_running_loop().create_future()
        await self._socket.send_str(_written(frame))
        async with asyncio.timeout(self.manners.acknowledge):
            return await self._asked

    # What goes out: the next message after the acknowledgement of the one before, so that their order is the customer's

    async def _deliver(self, socket: Socket) -> None:
        while True:
            late = await self._until_there_is_room()
            if late:
                socket.abort()
                return
            message = self._outbox.pop(0)
            self._under_way[message.id] = message
            now = asyncio.get_running_loop().time()
            message.sent_at = message.sent_at or now
            self._watch("sent", self, id=message.id, body=message.body)
            with suppress(*_LOST):
                await self._put(socket, message)

    async def _until_there_is_room(self) -> bool:
        """True when what is under way was not acknowledged in time."""
        loop = asyncio.get_running_loop()
        while True:
            self._wanted.clear()
            pause = self._not_before - loop.time()
            if pause > 0:
                await asyncio.sleep(min(pause, 3600))
            elif self._outbox and len(self._under_way) < self.manners.window:
                return False
            elif self._under_way:
                try:
                    async with asyncio.timeout(self.manners.acknowledge):
                        await self._wanted.wait()
                except TimeoutError:
                    return True
            else:
                await self._wanted.wait()

    async def _put(self, socket: Socket, message: Message) -> None:
        text = _written(message.frame)
        if message.sockets == 1:
            await socket.send_str(text)
            return
        ready, go = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(self._second(message, text, ready, go))
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        message.sockets = 1  # once; a repetition goes the usual way
        await ready.wait()
        go.set()
        await socket.send_str(text)

    async def _second(self, message: Message, text: str, ready: asyncio.Event, go: asyncio.Event) -> None:
        """The same customer's other tab, which sends the same message in the same moment."""
        try:
            async with self._other_socket() as socket:
                ready.set()
                await go.wait()
                await socket.send_str(text)
                while True:
                    frame = _read(await socket.receive(self.manners.acknowledge))
                    if frame["type"] == "ack" and frame["id"] == message.id:
                        self._on_ack(frame)
                        return
                    if frame["type"] == "error":
                        return
        except (*_LOST, Gone):
            return
        finally:
            ready.set()

    @asynccontextmanager
    async def _other_socket(self) -> AsyncIterator[Socket]:
        async with asyncio.timeout(self.manners.acknowledge):
            socket = await self._session.ws_connect(f"{self.url}/widget/ws", max_msg_size=0)
        assert isinstance(socket, Socket)
        try:
            await self._greet(socket, self.last_seq)
            while (frame := _read(await socket.receive(HELLO_SECONDS)))["type"] != "welcome":
                if frame["type"] == "error":
                    raise Gone(frame["code"])
            yield socket
        finally:
            socket.abort()


def _written(frame: Json) -> str:
    return orjson.dumps(frame).decode()


def _read(message: aiohttp.WSMessage) -> Json:
    if message.type is not aiohttp.WSMsgType.TEXT:
        raise Gone(f"closed ({message.type.name}, {message.data})")
    frame: Json = orjson.loads(message.data)
    return frame
