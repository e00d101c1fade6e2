"""Custom actions run the same in process and over HTTP, and whatever they do stays their own trouble."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import rasa_sdk
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from bot.actions import LARGEST_ANSWER, ActionRunner, ActionsUnavailable, InProcess, OverHttp, idempotency_key
from bot.dialogue.run import ActionCall, ActionFailure, ActionResult

PACKAGE = "trial_actions"
ROOT = Path(__file__).parents[1]
SOURCE = """
import asyncio, threading
from rasa_sdk import Action
from rasa_sdk.events import SlotSet
from rasa_sdk.interfaces import ActionExecutionRejection

GATE = threading.Event()
CANCELLED = threading.Event()


class Greets(Action):
    def name(self):
        return "action_greets"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="hello", buttons=[{"title": "a", "payload": "/b"}], json_message={"n": 1})
        dispatcher.utter_message(response="utter_more", name="Mara")
        tracker.slots["spoilt"] = True
        tracker.events.append({"event": "spoilt"})
        key = tracker.latest_message["metadata"]
        return [SlotSet("key", key), SlotSet("domain", domain["forms"]), SlotSet("who", tracker.sender_id)]


class Waits(Action):
    def name(self):
        return "action_waits"

    def run(self, dispatcher, tracker, domain):
        if not GATE.wait(20):
            raise TimeoutError
        return []


class Opens(Action):
    def name(self):
        return "action_opens"

    async def run(self, dispatcher, tracker, domain):
        GATE.set()
        return []


class Closes(Action):
    def name(self):
        return "action_closes"

    def run(self, dispatcher, tracker, domain):
        GATE.clear()
        return []


class Dawdles(Action):
    def name(self):
        return "action_dawdles"

    async def run(self, dispatcher, tracker, domain):
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            CANCELLED.set()
            raise


class Fails(Action):
    def name(self):
        return "action_fails"

    def run(self, dispatcher, tracker, domain):
        raise ValueError("the secret of mara@example.org")


class Leaves(Action):
    def name(self):
        return "action_leaves"

    def run(self, dispatcher, tracker, domain):
        raise SystemExit(3)


class Rejects(Action):
    def name(self):
        return "action_rejects"

    async def run(self, dispatcher, tracker, domain):
        raise ActionExecutionRejection(self.name())


class Babbles(Action):
    def name(self):
        return "action_babbles"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text=object())
        return []
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("trial")
    (folder / f"{PACKAGE}.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def server(package: Path) -> Iterator[str]:
    """The URL of a real action server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = f"from bot.actions import serve_actions; serve_actions({PACKAGE!r}, port={port})"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{package}", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([sys.executable, "-c", command], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = next((line for line in process.stdout if "served at" in line), "nothing")
    yield said.split()[-1]
    process.terminate()
    process.wait(60)
    process.stdout.close()


@pytest.fixture(params=["in process", "over http"])
async def runner(request: pytest.FixtureRequest, package: Path) -> AsyncIterator[ActionRunner]:
    made: ActionRunner = (
        InProcess(PACKAGE, timeout=10)
        if request.param == "in process"
        else OverHttp(request.getfixturevalue("server"), timeout=10)
    )
    yield made
    await made.close()


def a_call(name: str, n: int = 0) -> ActionCall:
    tracker = {
        "sender_id": "c1",
        "slots": {"order_number": "LW-10234"},
        "latest_message": {"text": "hi", "metadata": {"page": "/lamps"}},
        "events": [{"event": "user", "text": "hi"}],
    }
    return ActionCall(name, tracker, {"forms": {"f": {}}}, n, False)


async def run(runner: ActionRunner, name: str, n: int = 0) -> ActionResult | ActionFailure:
    return await runner.run(a_call(name, n), conversation_id="c1", seq=4, message_id="m9")


async def test_an_action_gets_tracker_domain_and_key_and_answers_with_messages_and_events(runner: ActionRunner) -> None:
    result = await run(runner, "action_greets", n=2)

    assert isinstance(result, ActionResult)
    assert [response["text"] for response in result.responses] == ["hello", None]
    assert result.responses[0]["buttons"] == [{"title": "a", "payload": "/b"}]
    assert result.responses[0]["custom"] == {"n": 1}
    assert (result.responses[1]["response"], result.responses[1]["name"]) == ("utter_more", "Mara")
    slots = {event.data["name"]: event.data["value"] for event in result.events}
    assert slots["key"] == {"page": "/lamps", "idempotency_key": idempotency_key("c1", "m9", 4, 2), "message_id": "m9"}
    assert slots["domain"] == {"f": {}}
    assert slots["who"] == "c1"


async def test_an_action_cannot_spoil_the_tracker_it_was_given(runner: ActionRunner) -> None:
    call = a_call("action_greets")

    await runner.run(call, conversation_id="c1", seq=1, message_id="m")

    assert call == a_call("action_greets")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("action_fails", "failed"),
        ("action_babbles", "failed"),
        ("action_rejects", "rejected"),
        ("action_nobody_wrote", "unknown"),
    ],
)
async def test_an_action_that_goes_wrong_is_a_failure_of_its_kind(runner: ActionRunner, name: str, kind: str) -> None:
    outcome = await run(runner, name)

    assert isinstance(outcome, ActionFailure)
    assert outcome.kind == kind


async def test_after_a_failure_the_next_action_runs(runner: ActionRunner) -> None:
    await run(runner, "action_fails")

    assert isinstance(await run(runner, "action_opens"), ActionResult)


async def test_a_slow_action_holds_up_no_other_conversation(runner: ActionRunner) -> None:
    await run(runner, "action_closes")
    slow = asyncio.ensure_future(run(runner, "action_waits"))

    quick = await run(runner, "action_greets")
    waited = not slow.done()
    await run(runner, "action_opens")

    assert isinstance(quick, ActionResult)
    assert waited
    assert isinstance(await slow, ActionResult)


async def test_the_actions_there_are_can_be_asked_for(runner: ActionRunner) -> None:
    assert {"action_greets", "action_waits", "action_fails"} <= await runner.names()


async def test_an_action_that_takes_too_long_is_given_up(package: Path) -> None:
    runner = InProcess(PACKAGE, timeout=0.2)
    module = sys.modules[PACKAGE]

    assert await run(runner, "action_dawdles") == ActionFailure("timeout")
    assert await asyncio.to_thread(module.CANCELLED.wait, 60), "an asynchronous action is told to stop"


async def test_a_stuck_action_keeps_its_place_until_it_ends(package: Path) -> None:
    runner = InProcess(PACKAGE, timeout=0.3, at_once=1)
    module = sys.modules[PACKAGE]
    module.GATE.clear()

    assert await run(runner, "action_waits") == ActionFailure("timeout")
    assert await run(runner, "action_greets") == ActionFailure("failed"), "it did not begin"
    module.GATE.set()
    assert isinstance(await run(InProcess(PACKAGE, timeout=10), "action_greets"), ActionResult)
    async with asyncio.timeout(60):  # the stuck thread has yet to be told by the processor that the gate is open
        while not isinstance(await run(runner, "action_greets"), ActionResult):
            pass


async def test_an_action_that_wants_to_end_the_process_ends_only_itself(package: Path) -> None:
    runner = InProcess(PACKAGE, timeout=10)

    assert await run(runner, "action_leaves") == ActionFailure("failed")
    assert isinstance(await run(runner, "action_greets"), ActionResult)


def test_a_package_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(ActionsUnavailable, match="'no_such_actions' cannot be imported"):
        InProcess("no_such_actions", timeout=1)


def test_a_package_with_a_broken_module_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_actions").mkdir()
    (tmp_path / "broken_actions" / "__init__.py").touch()
    (tmp_path / "broken_actions" / "orders.py").write_text("import no_such_thing")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ActionsUnavailable, match="module of the actions package 'broken_actions'"):
        InProcess("broken_actions", timeout=1)


async def test_our_server_tells_nobody_why_an_action_failed(server: str) -> None:
    body = {"next_action": "action_fails", "tracker": {"sender_id": "c1"}, "domain": {}}
    async with ClientSession() as client, client.post(server, json=body) as response:
        assert response.status == 500
        assert "secret" not in await response.text()


async def test_our_server_unpacks_no_compressed_calls(server: str) -> None:
    bomb = zlib.compress(b"0" * 1_000_000)
    headers = {"Content-Encoding": "deflate"}
    async with ClientSession() as client, client.post(server, data=bomb, headers=headers) as response:
        assert response.status == 415


async def test_our_server_allows_no_foreign_web_page(server: str) -> None:
    headers = {"Origin": "https://evil.example"}
    async with ClientSession() as client, client.get(server.replace("webhook", "actions"), headers=headers) as response:
        assert "Access-Control-Allow-Origin" not in response.headers


# A server that is not ours may do anything.

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def stub(handler: Handler, patience: float = 5.0) -> AsyncIterator[OverHttp]:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/webhook", handler)
    async with TestServer(app) as there:
        runner = OverHttp(str(there.make_url("/webhook")), patience)
        try:
            yield runner
        finally:
            await runner.close()


def answering(status: int, body: bytes) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    return answer


async def test_a_call_looks_as_an_action_server_expects_it() -> None:
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(await request.json(), key=request.headers["Idempotency-Key"])
        return web.json_response({"events": [], "responses": []})

    async with stub(answer) as runner:
        await run(runner, "action_greets", n=1)

    assert seen["next_action"] == "action_greets"
    assert seen["sender_id"] == seen["tracker"]["sender_id"] == "c1"
    assert seen["version"] == rasa_sdk.__version__
    assert seen["domain"] == {"forms": {"f": {}}}
    assert (
        seen["key"]
        == seen["tracker"]["latest_message"]["metadata"]["idempotency_key"]
        == idempotency_key("c1", "m9", 4, 1)
    )


def test_a_key_tells_nobody_whose_it_is_and_is_another_in_a_conversation_that_begins_anew() -> None:
    key = idempotency_key("web-ada", "m1", 4, 1)
    assert key == idempotency_key("web-ada", "m1", 4, 1)
    assert "ada" not in key
    assert key != idempotency_key("web-ada", "m2", 4, 1)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"null", "lost"),
        (200, b"<html>", "lost"),
        (200, b'{"events": []}', "lost"),
        (200, b'{"events": [7], "responses": []}', "lost"),
        (200, b'{"events": {}, "responses": []}', "lost"),
        (200, b'{"events": [], "responses": ["hi"]}', "lost"),
        (200, b'{"events": [{"event": 3}], "responses": []}', "lost"),
        (400, b'{"error": "not now", "action_name": "action_x"}', "rejected"),
        (400, b'{"error": "Invalid body request"}', "failed"),
        (404, b'{"error": "?", "action_name": "action_x"}', "unknown"),
        (449, b'{"error": "domain?", "action_name": "action_x"}', "failed"),
        (500, b'{"error": "boom"}', "failed"),
        (302, b"", "failed"),
        (200, b" " * (LARGEST_ANSWER + 1), "lost"),
    ],
)
async def test_an_answer_that_is_none_is_a_failure(status: int, body: bytes, kind: str) -> None:
    async with stub(answering(status, body)) as runner:
        outcome = await run(runner, "action_x")

    assert isinstance(outcome, ActionFailure)
    assert outcome.kind == kind


async def test_half_an_answer_is_lost() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"events": [], "resp')
        assert request.transport is not None
        request.transport.abort()
        return response

    async with stub(half) as runner:
        assert await run(runner, "action_x") == ActionFailure("lost")


async def test_a_server_that_takes_too_long_is_given_up() -> None:
    never = asyncio.Event()

    async def wait(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with stub(wait, patience=0.2) as runner:
        outcome = await run(runner, "action_x")
        never.set()

    assert outcome == ActionFailure("timeout")


async def test_a_server_that_is_away_is_left_alone_after_five_calls() -> None:
    calls = 0

    async def hang_up(request: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with stub(hang_up) as runner:
        outcomes = [await run(runner, "action_x") for _ in range(9)]

    assert outcomes == [ActionFailure("lost")] * 5 + [ActionFailure("failed")] * 4
    assert calls == 5


async def test_a_server_that_answers_with_errors_is_not_away() -> None:
    calls = 0

    async def fail(_: web.Request) -> web.Response:
        nonlocal calls
        calls += 1
        return web.Response(status=500)

    async with stub(fail) as runner:
        for _ in range(9):
            await run(runner, "action_x")

    assert calls == 9


async def test_nobody_there_is_a_failure_and_a_sentence_for_the_operator() -> None:
    runner = OverHttp("http://127.0.0.1:1/webhook", timeout=5)

    assert await run(runner, "action_x") == ActionFailure("failed")
    with pytest.raises(ActionsUnavailable, match="start it, or unset ACTION_ENDPOINT"):
        await runner.names()
    await runner.close()
