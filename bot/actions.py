"""Runs custom actions: rasa-sdk in this process, or an action server over HTTP."""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
import sys
import threading
from contextlib import suppress
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias, TypeGuard

import orjson
import rasa_sdk
from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, ClientTimeout
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from yarl import URL

from bot.breaker import Breaker, BreakerOpen
from bot.dialogue.run import ActionCall, ActionFailure, ActionResult
from bot.messages import Event, Json
from nlu.source import Mendable

log = logging.getLogger(__name__)

LARGEST_ANSWER = 1024 * 1024
"""Bytes. An action that says more than this has gone wrong."""
LARGEST_CALL = 8 * 1024 * 1024
"""Bytes that our action server accepts: a tracker and a domain."""

Outcome: TypeAlias = ActionResult | ActionFailure


class ActionsUnavailable(Mendable):
    """The actions cannot be used at all: a sentence that says what to do."""


class ActionRunner(Protocol):
    async def run(self, call: ActionCall, *, conversation_id: str, seq: int, message_id: str) -> Outcome:
        """Never raises on what an action does: failing is a value."""

    async def names(self) -> set[str]:
        """The actions there are. Raises ActionsUnavailable when they cannot be asked."""

    async def close(self) -> None: ...


class InProcess:
    """Each action runs in a thread with an event loop of its own, so that a slow one holds up nobody else.

    `at_once` bounds the threads. One that outlives its timeout keeps its place until it ends, because a thread
    cannot be stopped; a daemon, it does not hold up the end of the process.
    """

    def __init__(self, package: str, timeout: float, at_once: int = 8) -> None:
        self._executor = load(package, ActionExecutor())
        self._timeout = timeout
        self._places = asyncio.Semaphore(at_once)

    async def run(self, call: ActionCall, *, conversation_id: str, seq: int, message_id: str) -> Outcome:
        key = idempotency_key(conversation_id, message_id, seq, call.n)
        body = orjson.dumps(request(call, conversation_id, message_id, key))
        begun = False
        try:
            async with asyncio.timeout(self._timeout):
                await self._places.acquire()
                begun = True
                return await self._in_thread(call.name, body)
        except TimeoutError:
            return ActionFailure("timeout" if begun else "failed")

    async def names(self) -> set[str]:
        return set(self._executor.actions)

    async def close(self) -> None:
        return None

    def _in_thread(self, name: str, body: bytes) -> asyncio.Future[Outcome]:
        loop = asyncio.get_running_loop()
        settled: asyncio.Future[Outcome] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            self._places.release()
            if not settled.done():
                settled.set_result(outcome)

        def work() -> None:
            outcome: Outcome = ActionFailure("failed")
            try:
                outcome = asyncio.run(self._perform(name, body))
            finally:
                with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    loop.call_soon_threadsafe(settle, outcome)

        threading.Thread(target=work, name=name, daemon=True).start()
        return settled

    async def _perform(self, name: str, body: bytes) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout):
                ran = await self._executor.run(orjson.loads(body))
            # Through JSON, as over HTTP: what works here works there.
            return outcome_of(name, orjson.loads(orjson.dumps(ran.model_dump())))
        except ActionExecutionRejection:
            return ActionFailure("rejected")
        except ActionNotFoundException:
            return ActionFailure("unknown")
        except TimeoutError:
            return ActionFailure("timeout")
        except (Exception, SystemExit):
            log.exception("%s failed", name)
            return ActionFailure("failed")


class TooLarge(Exception):
    """An answer above LARGEST_ANSWER."""


_NO_ANSWER = (ClientError, OSError, TimeoutError, TooLarge)
_NOT_SENT = (ClientConnectorError, BreakerOpen)
"""The action cannot have begun."""


class OverHttp:
    """Calls an action server. `url` is its webhook, as in Rasa's endpoints.yml."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = URL(url)
        self._timeout = ClientTimeout(total=timeout, ceil_threshold=math.inf)  # else it is rounded up to a whole second
        self._breaker = Breaker(failures=5, pause=10.0, counts=_NO_ANSWER)
        self._session: ClientSession | None = None

    async def run(self, call: ActionCall, *, conversation_id: str, seq: int, message_id: str) -> Outcome:
        key = idempotency_key(conversation_id, message_id, seq, call.n)
        body = orjson.dumps(request(call, conversation_id, message_id, key))
        try:
            with self._breaker.guard():
                status, answer = await self._post(body, key)
        except TimeoutError:
            return ActionFailure("timeout")
        except (*_NO_ANSWER, BreakerOpen) as error:
            log.warning("%s: no answer from the action server (%s)", call.name, type(error).__name__)
            return ActionFailure("failed" if isinstance(error, _NOT_SENT) else "lost")
        return read_answer(call.name, status, answer)

    async def names(self) -> set[str]:
        try:
            async with self._client().get(self._url.with_path("/actions"), allow_redirects=False) as response:
                return {action["name"] for action in orjson.loads(await _body(response))}
        except (*_NO_ANSWER, ValueError, KeyError, TypeError):
            raise ActionsUnavailable(
                f"The action server at {self._url.origin()} does not list its actions; "
                "start it, or unset ACTION_ENDPOINT to run them in process."
            ) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _post(self, body: bytes, key: str) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        async with self._client().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status, await _body(response)

    def _client(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(timeout=self._timeout)
        return self._session


async def _body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise TooLarge
    return bytes(body)


def read_answer(name: str, status: int, body: bytes) -> Outcome:
    """What an action server's answer means (rasa-formats: custom-action webhook)."""
    answer = _json(body)
    if status == HTTPStatus.OK:
        return outcome_of(name, answer)
    if status == HTTPStatus.BAD_REQUEST and isinstance(answer, dict) and answer.get("action_name"):
        return ActionFailure("rejected")
    if status == HTTPStatus.NOT_FOUND:
        return ActionFailure("unknown")
    # 449 asks for the domain; each call carries it, so asking again would not help.
    log.error("%s: the action server answered %s", name, status)
    return ActionFailure("failed")


def outcome_of(name: str, answer: Any) -> Outcome:
    """An action's answer, or a failure when it is not one."""
    fields = answer if isinstance(answer, dict) else {}
    events, responses = fields.get("events"), fields.get("responses")
    if not _dicts(events) or not _dicts(responses) or not all(isinstance(e.get("event"), str) for e in events):
        log.error("%s answered with something else than events and responses", name)
        return ActionFailure("lost")
    return ActionResult([Event.from_json(event) for event in events], responses)


def _dicts(value: Any) -> TypeGuard[list[Json]]:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def idempotency_key(conversation_id: str, message_id: str, seq: int, n: int) -> str:
    """Names one action of one turn: the turn repeated after a crash asks under the same key.

    Others store it, so it does not tell who it is about; and a conversation that was erased and begins anew, with the
    same numbers, has other messages.
    """
    name = sha256(orjson.dumps([conversation_id, message_id])).hexdigest()[:32]
    return f"{name}:{seq}:{n}"


def request(call: ActionCall, conversation_id: str, message_id: str, key: str) -> Json:
    """What Rasa sends to an action server (rasa-formats: custom-action webhook), always with the whole domain."""
    latest = call.tracker.get("latest_message") or {}
    metadata = {**(latest.get("metadata") or {}), "idempotency_key": key, "message_id": message_id}
    return {
        "next_action": call.name,
        "sender_id": conversation_id,
        "version": rasa_sdk.__version__,
        "tracker": {**call.tracker, "latest_message": {**latest, "metadata": metadata}},
        "domain": call.domain,
    }


def load(package: str, executor: ActionExecutor) -> ActionExecutor:
    """Registers the actions of a package. Raises ActionsUnavailable when it cannot be imported."""
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise ActionsUnavailable(
            f"The actions package '{package}' cannot be imported ({error}); check FRONTDESK_ACTIONS."
        ) from None
    try:
        executor.register_package(module)
    except SystemExit:  # rasa-sdk's way to say that a module in the package cannot be imported
        raise ActionsUnavailable(
            f"A module of the actions package '{package}' cannot be imported; the log above names it."
        ) from None
    return executor


class _InThreads(ActionExecutor):  # type: ignore[misc]  # rasa-sdk is not typed
    """An executor whose slow actions do not hold up the server's other requests."""

    async def run(self, action_call: Json, *rest: Any) -> Any:
        return await asyncio.to_thread(asyncio.run, super().run(action_call, *rest))


def serve_actions(package: str, host: str = "127.0.0.1", port: int = 5055) -> None:
    """The action server, until it is interrupted. It has no authentication: let only the chat servers reach it."""
    from rasa_sdk.endpoint import create_app  # sanic: no other verb needs it

    app = create_app(load(package, _InThreads()), cors_origins=[])
    app.config.REQUEST_MAX_SIZE = LARGEST_CALL
    app.on_request(_refuse_compressed)
    app.on_response(_tell_nothing)
    app.after_server_start(lambda _: sys.stdout.write(f"Actions are served at http://{host}:{port}/webhook\n"))
    app.run(host=host, port=port, single_process=True, motd=False, access_log=False)


def _refuse_compressed(request: Any) -> Any:
    """rasa-sdk would unpack a body of any size."""
    from sanic import json

    return json({"error": "compressed calls are not accepted"}, 415) if "content-encoding" in request.headers else None


def _tell_nothing(_: Any, response: Any) -> None:
    """rasa-sdk answers a failure with the exception's text and the whole request."""
    if response.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        response.body = b'{"error": "the action failed; the server\'s log says why"}'
