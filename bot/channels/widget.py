"""The web widget's door: one WebSocket per open widget, which follows its conversation out of the journal."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import WSCloseCode, WSMsgType, web

from bot import metrics
from bot.admission import Busy
from bot.channels import frames, presses
from bot.channels.frames import Control, Frame, Hello, Look, Message, Ping, Press, Rate, Refused, Say
from bot.channels.presses import button_of, is_over
from bot.customers import CUSTOMER, conversation_of, vouched
from bot.dispatcher import Dispatcher
from bot.doors import Doors
from bot.fanout import ERASED, QUEUE_MOVED, Fanout
from bot.hub import Follower, TooSlow
from bot.journal.errors import IdConflict, Unavailable
from bot.journal.journal import Journal
from bot.journal.values import Conversation
from bot.messages import Author, Button, Entry, Inbound, Owner
from bot.rates import Bucket
from bot.tokens import BadToken, Signer, new_conversation_id

log = logging.getLogger(__name__)

Json = dict[str, Any]

CHANNEL = "web"
_PURPOSE = "widget"
_PING_SECONDS = 25
_HEARTBEAT_SECONDS = 30  # a client that keeps the protocol pings before we would
_HELLO_SECONDS = 10
_PAGE = 200
_CATCH_UP = 40  # entries in hand at once for somebody who may read slowly
_FRAMES_PER_MESSAGE = 6  # pings, thumbs and looks into the past beside each message


class _Closed(Exception):
    """The client is gone."""


@dataclass(frozen=True, slots=True)
class WidgetLimits:
    text: int
    frame: int
    depth: int
    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class WidgetDoor:
    name: str
    journal: Journal
    dispatcher: Dispatcher
    fanout: Fanout
    doors: Doors
    signer: Signer
    limits: WidgetLimits
    open_sockets: set[web.WebSocketResponse] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/widget/ws", self.connect)]

    async def connect(self, request: web.Request) -> web.StreamResponse:
        self.doors.check_origin(request)
        address = self.doors.address(request)
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT_SECONDS, max_msg_size=self.limits.frame, compress=False)
        async with self.doors.connection(address) as admitted:
            await socket.prepare(request)
            assert request.transport is not None
            transport = request.transport
            self.open_sockets.add(socket)
            metrics.CONNECTIONS.inc()
            try:
                await _Connection(self, socket, transport, address).serve(admitted)
            except (_Closed, ConnectionError):
                pass
            finally:
                metrics.CONNECTIONS.dec()
                self.open_sockets.discard(socket)
                _let_go(transport)
        return socket

    async def drain(self, seconds: float) -> None:
        """Asks every client to come back, spread over some seconds so that they do not come all at once."""
        sockets = list(self.open_sockets)
        pauses = (seconds * number / len(sockets) for number in range(len(sockets)))
        await asyncio.gather(*map(_send_away, sockets, pauses), return_exceptions=True)


@dataclass(slots=True)
class _Connection:
    """The reader answers frames; the writer sends what the conversation has grown by."""

    door: WidgetDoor
    socket: web.WebSocketResponse
    transport: asyncio.Transport
    address: str
    conversation_id: str = ""
    position: int = 0
    """Place in the queue, as the client knows it."""
    context: Json = field(default_factory=dict)
    follower: Follower = field(default_factory=Follower)
    frames_allowed: Bucket = field(default_factory=lambda: Bucket(math.inf, time.monotonic()))
    """For frames of any kind; messages have a bucket of their own."""

    async def serve(self, admitted: bool) -> None:
        try:
            if not admitted:
                raise Refused("too_many", "Too many connections from your address.")
            await self._open()
        except Refused as refusal:
            await self._send(frames.error(refusal))
            await self.socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        with self.door.fanout.hub.follow(self.conversation_id, self.follower):
            writer = asyncio.create_task(self._write())
            try:
                await self._read()
            finally:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)

    async def _open(self) -> None:
        """Waits for a `hello` that opens a conversation. Raises Refused when none comes in time."""
        while True:
            try:
                hello = await self._greeting()
                await self._welcome(hello)  # however long the database takes
                return
            except Refused as refusal:
                if refusal.code not in ("bad_token", "bad_frame", "unavailable"):
                    raise
                await self._send(frames.error(refusal))

    async def _greeting(self) -> Frame:
        try:
            async with asyncio.timeout(_HELLO_SECONDS):
                return await self._receive()
        except TimeoutError:
            raise Refused("hello_first", "Say hello first.") from None

    async def _welcome(self, hello: Frame) -> None:
        if not isinstance(hello, Hello):
            raise Refused("hello_first", "Say hello first.")
        self.context = {"locale": hello.locale, "page": hello.page}
        if claims := vouched(self.door.signer, hello.customer, time.time()):
            self.context[CUSTOMER] = claims
        conversation = await self._conversation(hello.token, claims)
        self.conversation_id = conversation.id
        self.follower.seen = min(hello.last_seq, conversation.last_seq) if hello.epoch == conversation.epoch else 0
        self.follower.queued = conversation.owner is Owner.QUEUE
        self.position = await self._position() if self.follower.queued else 0
        thumbs = {"ratings": await self._ratings()} if self.follower.seen else {}
        await self._send(
            {
                "type": "welcome",
                "token": self.door.signer.mint(_PURPOSE, conversation.id),
                "conversation": conversation.id,
                "epoch": conversation.epoch,
                "seq": conversation.last_seq,
                "owner": conversation.owner.value,
                "position": self.position,
                "name": self.door.name,
                "ping": _PING_SECONDS,
                "limits": {"text": self.door.limits.text},
                **thumbs,
            }
        )

    async def _position(self) -> int:
        try:
            return await self.door.journal.queue_position(self.conversation_id)
        except Unavailable as away:
            raise Refused("unavailable", _AWAY, away.retry_after) from None

    async def _ratings(self) -> Json:
        """The thumbs by number: entries that the client has do not come again to tell theirs."""
        try:
            ratings = await self.door.journal.ratings(self.conversation_id)
        except Unavailable as away:
            raise Refused("unavailable", _AWAY, away.retry_after) from None
        return {str(seq): value for seq, value in ratings.items()}

    async def _conversation(self, token: str | None, claims: Mapping[str, str]) -> Conversation:
        conversation_id = self._known(token) if token is not None else await self._new(claims)
        try:
            return await self.door.journal.begin(conversation_id, CHANNEL, self.context)
        except Unavailable as away:
            raise Refused("unavailable", _AWAY, away.retry_after) from None

    def _known(self, token: str) -> str:
        try:
            return self.door.signer.read(_PURPOSE, token)
        except BadToken:
            raise Refused("bad_token", "This token is not valid here.") from None

    async def _new(self, claims: Mapping[str, str]) -> str:
        """A customer whom the shop knows by an id has one conversation, on every device."""
        wait = await self.door.doors.may_begin(self.address)
        if wait > 0:
            raise Refused("too_many", "Too many new conversations from your address.", wait)
        if customer := claims.get("id"):
            return conversation_of(self.door.signer, CHANNEL, customer)
        return new_conversation_id(CHANNEL)

    # -- reading

    async def _receive(self) -> Frame:
        message = await self.socket.receive()
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            raise _Closed
        frame = frames.parse(message.data, depth=self.door.limits.depth, longest=self.door.limits.text)
        limits = self.door.limits
        rate, burst = _FRAMES_PER_MESSAGE * limits.rate, _FRAMES_PER_MESSAGE * limits.burst
        if (wait := self.frames_allowed.take(time.monotonic(), rate, burst)) > 0:
            raise Refused("rate_limited", "Too many frames; wait a moment.", wait, getattr(frame, "id", None))
        return frame

    async def _read(self) -> None:
        """Who does not read our answers is not listened to: `send` waits."""
        while True:
            try:
                answer = await self._answer(await self._receive())
            except Unavailable as away:
                answer = frames.error(Refused("unavailable", _AWAY, away.retry_after))
            except Refused as refusal:
                metrics.REFUSED.labels(refusal.code).inc()
                answer = frames.error(refusal)
            if answer:
                await self._send(answer)

    async def _answer(self, frame: Frame) -> Json | None:
        match frame:
            case Say() | Press() | Control():
                return {"type": "ack", "id": frame.id, "seq": await self._accept(frame)}
            case Rate():
                await self._rate(frame)
                return None  # the client is told with everybody else
            case Look():
                return await self._look(frame)
            case Ping():
                return {"type": "pong"}
            case Hello():
                raise Refused("bad_frame", "You said hello already.")

    async def _accept(self, message: Message) -> int:
        limits = self.door.limits
        wait = self.door.doors.pace(self.conversation_id, limits.rate, limits.burst)
        if wait > 0:
            raise Refused("rate_limited", "Too many messages; wait a moment.", wait, message.id)
        try:
            return (await self.door.dispatcher.receive(await self._inbound(message))).seq
        except IdConflict:
            raise Refused("id_conflict", "Another message has this id.", about=message.id) from None
        except Busy as busy:
            raise Refused("busy", "Many people are writing; try again soon.", busy.retry_after, message.id) from None
        except Unavailable as away:
            raise Refused("unavailable", _AWAY, away.retry_after, message.id) from None

    async def _inbound(self, message: Message) -> Inbound:
        if isinstance(message, Say):
            text, payload = message.text, None
        elif isinstance(message, Control):
            text = payload = f"/{message.command.value}"
        else:
            button = await self._button(message)
            text, payload = button.title, button.payload
        return Inbound(
            self.conversation_id, message.id, text, CHANNEL, time.time(), payload=payload, metadata=self.context
        )

    async def _button(self, press: Press) -> Button:
        named = presses.Press(press.seq, press.button, press.card)
        journal = self.door.journal
        button = button_of(await journal.entry(self.conversation_id, press.seq), named)
        if button is None:
            raise Refused("unknown_button", "That button is not there.", about=press.id)
        if await is_over(journal, self.conversation_id, named, button, press.id):
            raise Refused("unknown_button", "That question is over.", about=press.id)
        return button

    async def _rate(self, rate: Rate) -> None:
        entry = await self.door.journal.entry(self.conversation_id, rate.seq)
        if entry is None or entry.author is Author.USER:
            raise Refused("bad_frame", "There is no such answer.")
        await self.door.journal.rate(self.conversation_id, rate.seq, rate.value)
        noted: Json = {"type": "noted", "seq": rate.seq, "value": rate.value}
        self.door.fanout.signal(self.conversation_id, noted)

    async def _look(self, look: Look) -> Json:
        first = max(0, look.before - 1 - look.limit)
        older = await self.door.journal.entries(self.conversation_id, after=first, before=look.before, limit=look.limit)
        return frames.history(older)

    # -- writing

    async def _write(self) -> None:
        try:
            while True:
                news = await self.follower.wait()
                for signal in news.signals:
                    await self._pass_on(signal)
                if not news.grown:
                    await self._send_fresh(news.entries)
                else:
                    await self._catch_up()
        except TooSlow:
            await self._leave(WSCloseCode.TRY_AGAIN_LATER)
        except (_Closed, ConnectionError):
            return
        except Unavailable:
            await self._leave(WSCloseCode.SERVICE_RESTART)
        except Exception:
            log.exception("a widget could not be written to")
            await self._leave(WSCloseCode.INTERNAL_ERROR)

    async def _leave(self, code: WSCloseCode) -> None:
        try:
            await _close(self.socket, code)
        finally:
            _let_go(self.transport)

    async def _pass_on(self, signal: Json) -> None:
        if signal == ERASED:
            await self._leave(WSCloseCode.SERVICE_RESTART)
            raise _Closed
        if signal == QUEUE_MOVED:
            before, self.position = self.position, await self.door.journal.queue_position(self.conversation_id)
            if self.position not in (0, before):
                await self._send({"type": "owner", "owner": Owner.QUEUE.value, "position": self.position})
            return
        if signal["type"] == "owner":
            self.follower.queued = signal["owner"] == Owner.QUEUE.value
            self.position = signal.get("position", 0)
        await self._send(signal)

    async def _send_fresh(self, entries: list[Entry]) -> None:
        """Entries as they were committed, if the numbers say that no other is missing; else from the journal."""
        fresh = sorted((entry for entry in entries if entry.seq > self.follower.seen), key=lambda entry: entry.seq)
        if [entry.seq for entry in fresh] == list(range(self.follower.seen + 1, self.follower.seen + 1 + len(fresh))):
            await self._send_entries(fresh, more=False)
        else:
            await self._catch_up()

    async def _catch_up(self) -> None:
        more = True
        while more:
            seen = self.follower.seen
            entries = await self.door.journal.entries(self.conversation_id, after=seen, limit=_CATCH_UP + 1)
            more = len(entries) > _CATCH_UP
            await self._send_entries(entries[:_CATCH_UP], more)

    async def _send_entries(self, entries: list[Entry], more: bool) -> None:
        for frame, last in frames.pages(entries, more):
            await self._send(frame)
            self.follower.seen = last

    async def _send(self, frame: Json) -> None:
        if self.socket.closed:
            raise _Closed
        await self.socket.send_str(orjson.dumps(frame).decode())


_AWAY = "The service cannot take messages at the moment."


_FAREWELL_SECONDS = 1.0
_FLUSH_SECONDS = 10.0


async def _send_away(socket: web.WebSocketResponse, pause: float) -> None:
    async with asyncio.timeout(_FAREWELL_SECONDS):
        await socket.send_json({"type": "drain", "reconnect_in": round(pause, 2)})
        await socket.close(code=WSCloseCode.SERVICE_RESTART)


async def _close(socket: web.WebSocketResponse, code: WSCloseCode) -> None:
    """One that does not read is not waited for."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_FAREWELL_SECONDS):
            await socket.close(code=code)


def _let_go(transport: asyncio.Transport) -> None:
    """What was written may still leave. Left alone, a closed connection keeps it for as long as nobody reads."""
    if transport.get_write_buffer_size() or not transport.is_closing():
        asyncio.get_running_loop().call_later(_FLUSH_SECONDS, transport.abort)
