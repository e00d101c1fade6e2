"""`frontdesk models serve` and chat servers without a model, as processes of their own: killed, swapped, refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from nlu.registry import Registry
from nlu.training.options import TrainingOptions
from nlu.training.train import train
from nlu.wire import CONTENT_TYPE, PATH, Question, packed
from tests.command import SECONDS, environment, free_port, ran, started, write_project
from tests.registered import registered
from tests.service import Widget
from tests.several import children, command_line, running, until

OPTIONS = TrainingOptions(epochs=1, averaged=1, held_out_parts=1, threads=1, log_to="none", device="cpu")
TOKEN = "a token of this test"


@dataclass(frozen=True, slots=True)
class Machines:
    """One that has the models `one` and `two`, and one whose chat servers ask it."""

    folder: Path
    model_port: int
    chat_port: int

    @property
    def registry(self) -> Registry:
        return Registry(self.folder / "models")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.chat_port}"

    def env(self, home: str, **settings: object) -> dict[str, str]:
        ours = {"FRONTDESK_DATA": self.folder / "project", "FRONTDESK_MODEL_TOKEN": TOKEN, "FRONTDESK_RATE": 1000}
        return environment(self.folder / home, **{**ours, **settings})

    @contextmanager
    def model_service(self, workers: int = 1) -> Iterator[subprocess.Popen[bytes]]:
        command = ("models", "serve", "--port", self.model_port, "--workers", workers)
        with started(*command, env=self.env("models"), log=self.log, until=f":{self.model_port}\n") as process:
            yield process

    @property
    def log(self) -> Path:
        return self.folder / "model.log"

    def chat(self, **settings: object) -> dict[str, str]:
        """Turns wait for as long as a model service takes to start."""
        ours = {"FRONTDESK_MODEL_URL": f"http://127.0.0.1:{self.model_port}", "FRONTDESK_TURN_TIMEOUT": SECONDS}
        return self.env("chat", FRONTDESK_PORT=self.chat_port, **{**ours, **settings})

    async def served_by(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/health/ready") as answer:
            return str((await answer.json())["model"]["id"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    train(write_project(folder / "project"), folder / "model", OPTIONS)
    return folder


@pytest.fixture
def machines(trained: Path, tmp_path: Path) -> Machines:
    write_project(tmp_path / "project")
    registered(trained / "model", tmp_path / "models", "one", "two")
    return Machines(tmp_path, free_port(), free_port())


def _workers(supervisor: int) -> list[int]:
    return [child for child in children(supervisor) if b"bot.model_worker" in command_line(child)]


async def _asked(port: int, path: str) -> str:
    """Over a connection of its own, which any worker may take."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
        assert answer.status == 200
        return await answer.text()


def _libraries(process: int) -> set[str]:
    mapped = Path(f"/proc/{process}/maps").read_text()
    return {name for name in ("libtorch", "onnxruntime", "tokenizers") if name in mapped}


async def test_a_chat_server_without_a_model_loses_no_turn_whatever_becomes_of_the_service(machines: Machines) -> None:
    log = machines.folder / "chat.log"
    with ExitStack() as stack:
        chat = stack.enter_context(started("run", env=machines.chat(), log=log, until="cannot be reached"))
        async with Widget.open(machines.url) as early:
            before = await early.say("where is my parcel")
            assert before["type"] == "ack", "the doors open before the service answers"
            with machines.model_service() as service:
                assert (await early.replies(before["seq"]))[0]["text"] == "It is on its way."
                assert await machines.served_by() == "two"
                assert _libraries(chat.pid) == set()
                service.send_signal(signal.SIGKILL)
                service.wait(SECONDS)
            async with Widget.open(machines.url) as widget:
                asked = [await widget.say(text) for text in ("hello", "when are you open", "where is my order")]
                with machines.model_service() as again:
                    answers = [(await widget.replies(one["seq"]))[0]["text"] for one in asked]
                    assert answers == ["Hello.", "Nine to five.", "It is on its way."]
                    machines.registry.promote("one")
                    async with asyncio.timeout(SECONDS):
                        while await machines.served_by() != "one":
                            await asyncio.sleep(0.05)
                    assert [reply["text"] for reply in await widget.ask("hello")] == ["Hello."]
                    again.terminate()
                    assert again.wait(SECONDS) == 0
        chat.terminate()
        assert chat.wait(SECONDS) == 0
    assert "crash" not in log.read_text()
    assert "  Model      two" in log.read_text()
    assert not (machines.folder / "chat" / "models").exists()


async def test_customers_who_talk_while_the_service_restarts_are_all_answered(machines: Machines) -> None:
    log, stop = machines.folder / "chat.log", asyncio.Event()

    async def customer() -> int:
        asked = 0
        async with Widget.open(machines.url) as widget:
            while not stop.is_set():
                assert [reply["text"] for reply in await widget.ask("when are you open")] == ["Nine to five."]
                asked += 1
        return asked

    with ExitStack() as stack:
        service = stack.enter_context(machines.model_service())
        stack.enter_context(started("run", env=machines.chat(), log=log, until="  Database   "))
        customers = [asyncio.create_task(customer()) for _ in range(8)]
        for name in (signal.SIGKILL, signal.SIGTERM):
            await asyncio.sleep(0.2)
            service.send_signal(name)
            await asyncio.to_thread(service.wait, SECONDS)
            service = await asyncio.to_thread(stack.enter_context, machines.model_service())
        stop.set()
        assert min(await asyncio.gather(*customers)) > 0


async def test_several_processes_serve_the_model_and_each_outlives_the_others(machines: Machines) -> None:
    with ExitStack() as stack:
        service = stack.enter_context(machines.model_service(workers=2))
        log = machines.folder / "chat.log"
        stack.enter_context(started("run", env=machines.chat(), log=log, until="  Database   "))
        assert _libraries(service.pid) == set()
        before = _workers(service.pid)
        assert len(before) == 2
        async with Widget.open(machines.url) as widget:
            for killed in before:
                os.kill(killed, signal.SIGKILL)
                assert [reply["text"] for reply in await widget.ask("hello")] == ["Hello."]
        await until(lambda: len(_workers(service.pid)) == 2 and not set(before) & set(_workers(service.pid)))
        assert machines.log.read_text().count("is started again. It was killed by SIGKILL.") == 2


async def test_every_process_takes_up_another_model(machines: Machines) -> None:
    with machines.model_service(workers=2):
        machines.registry.promote("one")
        for worker in (1, 2):
            line = f"worker {worker} bot.following: one serves now"
            await until(lambda line=line: line in machines.log.read_text())  # type: ignore[misc]  # a default's type
        told = {await _asked(machines.model_port, "/health") for _ in range(10)}
        assert told == {'{"status": "ok", "model": "one"}'}


async def test_the_figures_are_those_of_all_processes(machines: Machines) -> None:
    with machines.model_service(workers=2) as service:
        for _ in range(10):
            await _asked(machines.model_port, "/health")
        for killed in _workers(service.pid):
            os.kill(killed, signal.SIGKILL)
        figures = await _asked(machines.model_port, "/metrics")
        assert 'frontdesk_model_texts_total{outcome="understood"} 10.0' in figures.splitlines()


async def test_processes_that_are_replaced_and_stopped_answer_what_is_under_way(machines: Machines) -> None:
    with machines.model_service(workers=2) as service:
        for how in (signal.SIGHUP, signal.SIGTERM):
            before = _workers(service.pid)
            answer = await _under_way(machines.model_port, lambda how=how: service.send_signal(how))  # type: ignore[misc]
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
            if how is signal.SIGHUP:
                await until(lambda: "All workers are new." in machines.log.read_text())
        assert service.wait(SECONDS) == 0
        assert not any(map(running, before))


async def _under_way(port: int, signalled: Callable[[], None]) -> bytes:
    """The answer to a question of which the service has seen the beginning when it is signalled."""
    body = packed(Question(("where is my order",), 60_000))
    head = f"POST {PATH} HTTP/1.1", "Host: model", f"Authorization: Bearer {TOKEN}", "Expect: 100-continue"
    about = f"Content-Type: {CONTENT_TYPE}", f"Content-Length: {len(body)}", "", ""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join((*head, *about)).encode())
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    signalled()
    writer.write(body)
    answer = await reader.read()
    writer.close()
    return answer


async def test_workers_share_a_model_service_and_nothing_is_trained(machines: Machines) -> None:
    with machines.model_service():
        command = ("run", "--workers", "2")
        log = machines.folder / "chat.log"
        with started(*command, env=machines.chat(), log=log, until="  Database   ") as process:
            workers = [child for child in children(process.pid) if b"bot.worker" in command_line(child)]
            assert len(workers) == 2
            async with Widget.open(machines.url) as widget:
                assert [reply["text"] for reply in await widget.ask("hello")] == ["Hello."]
            assert not set().union(*map(_libraries, workers))
            assert f"  Model      that of http://127.0.0.1:{machines.model_port}\n" in log.read_text()
        assert not (machines.folder / "chat" / "models").exists()


def test_a_conversation_in_the_terminal_asks_the_service_too(machines: Machines) -> None:
    with machines.model_service():
        ended = ran("chat", env=machines.chat(), stdin=b"hello\n")
    assert (ended.code, ended.out, ended.err) == (0, "bot Hello.\n", "")


def test_a_wrong_token_ends_the_chat_server_with_a_sentence(machines: Machines) -> None:
    with machines.model_service():
        ended = ran("run", env=machines.chat(FRONTDESK_MODEL_TOKEN="another"))
    assert ended.code == 2
    url = f"http://127.0.0.1:{machines.model_port}"
    assert ended.err.splitlines()[-1] == (
        f"frontdesk: The model service at {url} refuses our FRONTDESK_MODEL_TOKEN: give both the same."
    )


def test_a_service_that_strangers_could_ask_does_not_start(machines: Machines) -> None:
    ended = ran("models", "serve", "--host", "0.0.0.0", env=machines.env("models", FRONTDESK_MODEL_TOKEN=""))
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert ended.err.startswith("frontdesk: FRONTDESK_MODEL_TOKEN: is needed to listen on 0.0.0.0")


def test_a_port_that_is_taken_is_told_before_the_model_is_loaded(machines: Machines) -> None:
    with machines.model_service():
        ended = ran("models", "serve", "--port", machines.model_port, env=machines.env("models"))
    assert ended.code == 2
    assert ended.err.endswith("stop what uses it, or choose another --port.\n")
