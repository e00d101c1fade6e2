"""An action server over HTTP that can be made to misbehave: it speaks rasa-sdk's webhook."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from pathlib import Path

from aiohttp import web

from tests.chaos.processes import PROCESSES
from tests.chaos.stub import leave_trace, mark, trace_name

MODES = ("error", "half", "twice", "hang")
HANG_SECONDS = 10.0


def main(listener: socket.socket, effects: Path, mode: Path) -> None:
    asyncio.run(_serve(listener, effects, mode))


async def _serve(listener: socket.socket, effects: Path, mode: Path) -> None:
    async def webhook(request: web.Request) -> web.StreamResponse:
        call = await request.json()
        behaviour = mode.read_text() if mode.exists() else "well"
        if behaviour == "error":
            return web.Response(status=500, text="no")
        body = _act(call, effects)
        if behaviour == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if behaviour in ("half", "twice"):
            return await _misspeak(request, body, behaviour)
        return web.Response(body=body, content_type="application/json")

    app = web.Application(client_max_size=8 * 1024 * 1024)
    app.add_routes([web.post("/webhook", webhook)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


def _act(call: dict[str, object], effects: Path) -> bytes:
    tracker = call["tracker"]
    assert isinstance(tracker, dict)
    about = tracker["latest_message"]["metadata"]
    name = trace_name(str(call["sender_id"]), about["idempotency_key"])
    leave_trace(str(effects), str(call["next_action"]).removeprefix("action_"), name)
    count = int(tracker["slots"].get("count") or 0) + 1
    text = f"{mark(str(call['sender_id']), about['message_id'])} {count}"
    events = [{"event": "slot", "timestamp": None, "name": "count", "value": count}]
    return json.dumps({"events": events, "responses": [{"text": text}]}).encode()


async def _misspeak(request: web.Request, body: bytes, behaviour: str) -> web.StreamResponse:
    """Half an answer, or the same one twice."""
    transport = request.transport
    assert transport is not None
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    whole = head + body
    transport.write(whole[: len(whole) - len(body) // 2] if behaviour == "half" else whole + whole)
    await asyncio.sleep(0.05)
    transport.abort()
    return web.Response()


class ActionServer:
    """The process; its listener outlives it."""

    def __init__(self, effects: Path, mode: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._effects, self._mode = effects, mode
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/webhook"

    def behave(self, mode: str) -> None:
        new = self._mode.with_suffix(f".{os.getpid()}")
        new.write_text(mode)
        new.rename(self._mode)

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def start(self) -> None:
        arguments = (self._listener, self._effects, self._mode)
        self._process = PROCESSES.Process(target=main, args=arguments, daemon=True)
        self._process.start()

    def close(self) -> None:
        self.kill()
        self._listener.close()
