"""The verbs that serve and talk, as processes of their own: started, asked, interrupted and stopped."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.terminal import CannotChat, NobodyThere, talk
from bot.typed import clean
from nlu.registry import Registry
from tests.command import SECONDS, START, environment, free_port, ran, started, write_project
from tests.service import KeywordUnderstander, Widget, running
from tests.several import children, command_line

ANNOUNCED = "  Database   "


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    home: Path
    url: str
    env: dict[str, str]
    log: Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """`frontdesk run` in a home without a model, and in a pipe."""
    folder = tmp_path_factory.mktemp("run")
    port = free_port()
    data = write_project(folder / "project")
    env = environment(folder / "home", FRONTDESK_DATA=data, FRONTDESK_PORT=port, FRONTDESK_RATE=1000)
    with started("run", env=env, log=folder / "log", until=ANNOUNCED) as process:
        yield Running(process, folder / "home", f"http://127.0.0.1:{port}", env, folder / "log")


def test_the_service_trains_then_says_where_to_look(service: Running) -> None:
    told = service.log.read_text()
    assert told.startswith("There is no model for this training data yet; training one.\n")
    assert not [character for character in told if character != "\n" and not character.isprintable()]
    assert f"  Chat page  {service.url}/\n" in told
    assert f"  Console    {service.url}/console/enter?code=" in told
    assert f"  Model      {Registry(service.home).current_id()} (cross-validated intent accuracy " in told
    assert "  Redis      embedded Valkey\n" in told
    assert f"  Database   SQLite, {service.home / 'frontdesk.db'}\n" in told


def test_a_second_service_in_the_same_home_is_refused(service: Running) -> None:
    ended = ran("run", "--port", free_port(), env=service.env)
    assert ended.code == 2
    assert ended.err.startswith(
        f"frontdesk: Another Frontdesk (process {service.process.pid}) uses {service.home}: stop it"
    )
    assert ended.err.count("\n") == 1


def test_chat_from_a_pipe_waits_for_each_answer(service: Running) -> None:
    lines = b"where is my parcel\ngood morning\n\n/human\n/restart\nwhen are you open"
    ended = ran("chat", env=service.env, stdin=lines)
    assert (ended.code, ended.err) == (0, "")
    said = [line.removeprefix("bot ") for line in ended.out.splitlines()]
    assert said[:2] == ["It is on its way.", "Hello."]
    assert said[2].startswith("I am passing you on to a person.")
    assert said[-1] == "Nine to five."


def test_chat_reads_a_file_and_ends_with_it(service: Running, tmp_path: Path) -> None:
    (tmp_path / "lines").write_bytes(b"hello\n/quit\nhello\n")
    with (tmp_path / "lines").open("rb") as lines:
        assert ran("chat", "--url", f"{service.url}/", env=service.env, stdin=lines).out == "bot Hello.\n"
    assert ran("chat", env=service.env).code == 0


def test_ctrl_c_ends_a_conversation_at_once(service: Running) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", START, "chat"]
    process = subprocess.Popen(command, env=service.env, stdin=theirs, stdout=theirs, stderr=theirs)
    try:
        os.write(ours, b"hello\n")
        seen = b""
        while b"> " not in seen.partition(b"Hello.")[2]:
            seen += os.read(ours, 1024)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 130
    finally:
        process.kill()
        process.wait()
        os.close(theirs)
        os.close(ours)


def test_a_link_for_the_console_opens_the_running_one(service: Running) -> None:
    async def status(link: str) -> int:
        async with aiohttp.ClientSession() as session, session.get(link) as page:
            return page.status

    link = ran("console", env=service.env).out.strip()
    assert link.startswith(service.url)
    assert asyncio.run(status(link)) == 200


def test_sigterm_stops_it_and_the_server_it_started(service: Running) -> None:
    """The last one: nothing answers after it."""
    service.process.terminate()
    assert service.process.wait(SECONDS) == 0
    assert service.log.read_text().endswith("Stopping: turns under way are finished, widgets are told to come back.\n")
    log = (service.home / "redis" / "valkey.log").read_text()
    assert "bye bye" in log.splitlines()[-1]
    ended = ran("chat", "--url", service.url, env=service.env)
    assert ended.code == 2
    assert ended.err == f"frontdesk: Nobody answers at {service.url}; start the service with `frontdesk run`.\n"


def test_chat_starts_the_service_for_itself(service: Running) -> None:
    """After the one before: there is a model, and nobody serves it."""
    if service.process.poll() is None:
        service.process.terminate()
        service.process.wait(SECONDS)
    ended = ran("chat", env=service.env, stdin=b"hello\n")
    assert (ended.code, ended.out, ended.err) == (0, "bot Hello.\n", "")


def test_several_workers_serve_with_a_model_that_the_supervisor_never_loads(tmp_path: Path) -> None:
    port = free_port()
    data = write_project(tmp_path / "project")
    env = environment(tmp_path / "home", FRONTDESK_DATA=data, FRONTDESK_PORT=port)
    with started("run", "--workers", "2", env=env, log=tmp_path / "log", until=ANNOUNCED) as process:
        told = (tmp_path / "log").read_text()
        assert told.startswith("There is no model for this training data yet; training one.\n")
        assert f"  Model      {Registry(tmp_path / 'home').current_id()} (" in told
        for said, answer in ((b"hello\n", "bot Hello.\n"), (b"when are you open\n", "bot Nine to five.\n")):
            ended = ran("chat", env=env, stdin=said)
            assert (ended.code, ended.out, ended.err) == (0, answer, "")
        workers = [child for child in children(process.pid) if b"bot.worker" in command_line(child)]
        assert len(workers) == 2
        assert all(_engines(worker) == {"onnxruntime"} for worker in workers)
        assert _engines(process.pid) == set()
        process.terminate()
        assert process.wait(SECONDS) == 0


def _engines(process: int) -> set[str]:
    mapped = Path(f"/proc/{process}/maps").read_text()
    return {name for name in ("libtorch", "onnxruntime") if name in mapped}


def test_several_workers_need_a_model_that_can_be_trained(tmp_path: Path) -> None:
    data = write_project(tmp_path / "project")
    env = environment(tmp_path / "home", FRONTDESK_DATA=data, FRONTDESK_BASE_MODEL="./nothing")
    ended = ran("run", "--workers", "2", env=env)
    assert ended.code == 2
    assert ended.err.splitlines()[-2:] == [
        "frontdesk: ./nothing: there is no base model folder here. Give a folder or a Hugging Face name.",
        "frontdesk: No model could be trained, so there is none to serve; see above.",
    ]


# -- whom chat may meet


async def test_chat_says_that_nobody_is_there() -> None:
    with pytest.raises(NobodyThere, match="Nobody answers"):
        await talk(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999"])
async def test_chat_refuses_what_is_no_address(url: str) -> None:
    with pytest.raises(CannotChat, match="is not a Frontdesk service"):
        await talk(url)


async def _stranger(first: Any) -> web.AppRunner:
    async def answer(request: web.Request) -> web.StreamResponse:
        if first is None:
            return web.Response(text="hello")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json(first) if first else await socket.close()
        return socket

    app = web.Application()
    app.add_routes([web.get("/widget/ws", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


@pytest.mark.parametrize(
    ("first", "told"),
    [
        (None, "is not a Frontdesk service"),
        ({}, "The service hung up"),
        ({"type": "error", "code": "too_many", "message": "Too many connections."}, "Too many connections"),
    ],
)
async def test_chat_says_why_it_was_not_let_in(first: Any, told: str) -> None:
    runner = await _stranger(first)
    try:
        with pytest.raises(CannotChat, match=told):
            await talk(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await runner.cleanup()


def test_an_answer_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2J\x07b\nc\u202e[bold]d") == "a[2Jb\nc[bold]d"


# -- the action server

ACTION = """\
from rasa_sdk import Action

class Slow(Action):
    def name(self):
        return "action_slow"

    def run(self, dispatcher, tracker, domain):
        dispatcher.utter_message(text="from the other process")
        return []
"""
RULE = """\
rules:
- rule: slow
  steps: [{intent: slow}, {action: action_slow}]
"""


async def test_a_conversation_reaches_the_action_server(tmp_path: Path) -> None:
    folder = tmp_path / "somewhere" / "our_actions"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(ACTION)
    port = free_port()
    env = environment(tmp_path / "home", FRONTDESK_ACTIONS="our_actions")
    command = ("actions", "--port", str(port))
    with started(*command, env=env, log=tmp_path / "log", until="Actions are served", cwd=folder.parent) as server:
        endpoint = f"http://127.0.0.1:{port}/webhook"
        (tmp_path / "service" / "assistant").mkdir(parents=True)
        (tmp_path / "service" / "assistant" / "rules.yml").write_text(RULE)
        meaning = KeywordUnderstander(["slow"])
        async with running(tmp_path / "service", meaning, action_endpoint=endpoint) as service:
            async with Widget.open(service.url) as widget:
                (reply,) = await widget.ask("slow")
                assert reply["text"] == "from the other process"
        ended = await asyncio.to_thread(ran, *command, env=environment(tmp_path))
        assert ended.code == 2
        assert ended.err.endswith("frontdesk: Address already in use. Stop what uses the port, or choose another.\n")
        assert "Traceback" not in ended.err
        server.terminate()
        assert await asyncio.to_thread(server.wait, SECONDS) == 0


def test_actions_that_cannot_be_imported_are_told(tmp_path: Path) -> None:
    ended = ran("actions", env=environment(tmp_path, FRONTDESK_ACTIONS="no_such_package"))
    assert ended.code == 2
    assert ended.err.startswith("frontdesk: The actions package 'no_such_package' cannot be imported")
    assert ended.err.count("\n") == 1
