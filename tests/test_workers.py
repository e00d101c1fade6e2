"""Several server processes on one port: they share the customers, and the service outlives each of them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest

from bot.console.sign_in import COOKIE, one_time_code
from bot.tokens import Signer, load_key
from tests.service import Widget
from tests.several import SECONDS, Several, children, command_line, first_line, running, several, started, until


async def test_customers_are_spread_over_the_workers(tmp_path: Path) -> None:
    """A worker may be late now and then, but no one is left out."""
    served: Counter[str] = Counter()
    async with several(tmp_path, 3, FRONTDESK_CONNECTIONS_PER_ADDRESS=200) as service, AsyncExitStack() as stack:
        while sum(served.values()) < 150 and (len(served) < 3 or min(served.values()) < 10):
            opened = [stack.enter_async_context(Widget.open(service.url)) for _ in range(10)]
            served += Counter(widget.welcome["name"] for widget in await asyncio.gather(*opened))
    assert sorted(served) == ["1", "2", "3"]
    assert min(served.values()) >= 10, served


async def test_a_conversation_at_two_workers_is_answered_in_order_and_once(tmp_path: Path, database_url: str) -> None:
    async with several(tmp_path, DATABASE_URL=database_url) as service, service.two_workers() as (phone, laptop):
        said = [await (phone, laptop)[number % 2].say("ask", f"m{number}") for number in range(20)]
        assert [answer["seq"] for answer in said] == sorted({answer["seq"] for answer in said})
        for widget in (phone, laptop):
            while len(widget.entries) < 40:
                await widget.until("entries")
            assert [entry["seq"] for entry in widget.entries] == list(range(1, 41))
            answered = [entry["reply_to"] for entry in widget.entries if entry["author"] == "bot"]
            assert answered == [answer["seq"] for answer in said]


async def test_a_killed_worker_s_turn_is_taken_up_by_another(tmp_path: Path, database_url: str) -> None:
    async with several(tmp_path, DATABASE_URL=database_url) as service, Widget.open(service.url) as widget:
        held = (await widget.say("hold ask"))["seq"]
        await until((tmp_path / "held").exists)
        os.kill(int((tmp_path / "held").read_text()), signal.SIGKILL)
        (tmp_path / "go").touch()
        async with service.back(widget) as back:
            assert [entry["text"] for entry in await back.replies(held)] == ["answer"]
            after = (await back.say("ask"))["seq"]
            await back.replies(after)
            assert [entry["reply_to"] for entry in back.entries if entry["author"] == "bot"] == [held, after]


async def test_a_killed_worker_comes_back(tmp_path: Path) -> None:
    async with several(tmp_path) as service:
        before = service.workers()
        os.kill(before[0], signal.SIGKILL)
        await until(lambda: len(service.workers()) == 2 and before[0] not in service.workers())
        async with service.two_workers():
            pass
        assert before[1] in service.workers()
        assert f"(process {before[0]}) is started again. It was killed by SIGKILL." in service.log()


async def test_a_rolling_restart_replaces_everybody_and_loses_nothing(tmp_path: Path, database_url: str) -> None:
    async with several(tmp_path, DATABASE_URL=database_url) as service:
        before = service.workers()
        done = asyncio.Event()
        talks = [asyncio.create_task(_talk(service, done)) for _ in range(5)]
        service.send(signal.SIGHUP)
        await until(lambda: "All workers are new." in service.log())
        done.set()
        said = await asyncio.gather(*talks)
        assert min(said) > 0
        assert len(service.workers()) == 2
        assert not set(before) & set(service.workers())


async def test_a_rolling_restart_that_cannot_succeed_leaves_everybody_at_work(tmp_path: Path) -> None:
    async with several(tmp_path) as service:
        before = service.workers()
        (tmp_path / "command").write_text("-P -m tests.stub_worker --model broken")
        service.send(signal.SIGHUP)
        await until(lambda: "The workers are not replaced. The model is broken." in service.log())
        assert service.workers() == before
        os.kill(before[0], signal.SIGKILL)  # and one that dies comes back as it was
        async with service.two_workers():
            pass
        await until(lambda: len(service.workers()) == 2)


async def _talk(service: Several, done: asyncio.Event) -> int:
    """Says one thing after the other, comes back when it is sent away, and checks that each was answered once."""
    async with AsyncExitStack() as stack:
        widget = await stack.enter_async_context(Widget.open(service.url))
        said, open_question = 0, False
        while open_question or not done.is_set():
            open_question = True
            try:
                acknowledged = await widget.say("ask", f"m{said}")
                assert acknowledged["type"] == "ack" or acknowledged["code"] == "busy", acknowledged
                if acknowledged["type"] == "ack":
                    await widget.replies(acknowledged["seq"])
                    said, open_question = said + 1, False
            except ConnectionResetError:
                widget = await stack.enter_async_context(service.back(widget))
        async with service.back(widget) as reader:
            while len(reader.entries) < 2 * said:
                await reader.until("entries")
            users = [entry["seq"] for entry in reader.entries if entry["author"] == "user"]
            assert [entry["reply_to"] for entry in reader.entries if entry["author"] == "bot"] == users
            assert len(users) == said
        return said


async def test_workers_end_with_a_supervisor_that_is_killed_and_the_next_service_starts(tmp_path: Path) -> None:
    async with several(tmp_path) as service, Widget.open(service.url) as widget:
        seq = (await widget.say("hold ask"))["seq"]
        await until((tmp_path / "held").exists)
        workers = service.workers()
        service.process.kill()
        (tmp_path / "go").touch()
        port = service.url.rpartition(":")[2]
        async with several(tmp_path, FRONTDESK_PORT=port) as following, following.back(widget) as back:
            assert [entry["text"] for entry in await back.replies(seq)] == ["answer"]
        await until(lambda: not any(map(running, workers)))


async def test_sigterm_ends_everybody(tmp_path: Path) -> None:
    async with several(tmp_path) as service, Widget.open(service.url) as widget:
        workers = service.workers()
        service.send(signal.SIGTERM)
        await widget.until("drain")
        assert await service.stop() == 0
        assert not any(map(running, workers))


async def test_a_terminal_that_is_closed_ends_everybody(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    async with started(tmp_path, terminal=theirs) as service:
        os.close(theirs)
        assert await first_line(service.process)
        workers = service.workers()
        os.close(ours)
        async with asyncio.timeout(SECONDS):
            assert await service.process.wait() == 0
        assert not any(map(running, workers))


async def test_a_worker_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    deaf = "-c __import__('signal').signal(15,1);print('deaf',flush=True);__import__('time').sleep(600)"
    async with started(tmp_path, 1, command=deaf) as service:
        assert await first_line(service.process) == "deaf"
        (worker,) = (child for child in children(service.process.pid) if b"deaf" in command_line(child))
        assert await service.stop() == 0
        assert not running(worker)
        assert "Worker 1 did not stop in 10 s; it is killed." in service.log()


async def test_a_turn_that_does_not_end_in_time_is_handed_over(tmp_path: Path, database_url: str) -> None:
    async with several(tmp_path, DATABASE_URL=database_url) as service, Widget.open(service.url) as widget:
        seq = (await widget.say("hold ask"))["seq"]
        await until((tmp_path / "held").exists)
        holding = (tmp_path / "held").read_text()
        os.kill(int(holding), signal.SIGTERM)
        await until(lambda: (tmp_path / "held").read_text() != holding)
        (tmp_path / "go").touch()
        async with service.back(widget) as back:
            assert [entry["text"] for entry in await back.replies(seq)] == ["answer"]


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    async with several(tmp_path / "first") as service:
        port = service.url.rpartition(":")[2]
        async with started(tmp_path / "second", FRONTDESK_PORT=port) as second:
            assert await second.process.wait() == 2
            assert second.log().startswith(f"frontdesk: Cannot listen on 127.0.0.1:{port}")


async def test_workers_that_cannot_start_end_the_service_with_their_sentence(tmp_path: Path) -> None:
    async with started(tmp_path, command="-P -m tests.stub_worker --model broken") as service:
        assert await service.process.wait() == 2
        assert service.log() == "frontdesk: The model is broken.\n"


async def test_workers_that_die_without_a_word_end_the_service_after_some_tries(tmp_path: Path) -> None:
    async with started(tmp_path, command="-c raise(SystemExit(7))") as service:
        assert await service.process.wait() == 2
        assert "ended with exit code 7, and so 3 times." in service.log()


async def test_an_address_has_its_connections_at_all_workers_together(tmp_path: Path) -> None:
    async with several(tmp_path, FRONTDESK_CONNECTIONS_PER_ADDRESS=12) as service, service.two_workers():
        async with AsyncExitStack() as stack:
            for _ in range(10):
                await _admitted(service, stack)
            for _ in range(6):
                with pytest.raises(ConnectionResetError, match="1008"):
                    async with Widget.open(service.url):
                        pass
        os.kill(service.workers()[0], signal.SIGKILL)
        async with AsyncExitStack() as stack:
            for _ in range(11):
                await _admitted(service, stack)


async def _admitted(service: Several, stack: AsyncExitStack) -> None:
    """A killed worker's connections count for a few seconds more."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await stack.enter_async_context(Widget.open(service.url))
                return
            except ConnectionResetError:
                await asyncio.sleep(0.05)


async def test_the_figures_are_those_of_all_workers(tmp_path: Path) -> None:
    async with several(tmp_path, 3) as service, service.two_workers() as (phone, laptop):
        for _ in range(3):
            await phone.ask("ask")
        for _ in range(2):
            await laptop.ask("ask")
        first = await _figures(service)
        assert first['frontdesk_messages_accepted_total{channel="web"}'] == 5
        assert first["frontdesk_turn_seconds_count"] == 5
        assert first["frontdesk_widget_connections"] == 2
        for worker in service.workers():
            os.kill(worker, signal.SIGKILL)
        await until(lambda: service.log().count("is started again") == 3)
        assert (await _figures(service))['frontdesk_messages_accepted_total{channel="web"}'] == 5
        assert (await _figures(service))["frontdesk_widget_connections"] == 0


async def _figures(service: Several) -> dict[str, float]:
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


async def test_a_link_for_the_console_opens_once_whichever_worker_is_asked(tmp_path: Path) -> None:
    async with several(tmp_path) as service:
        form = {"code": one_time_code(Signer(load_key(tmp_path, None))), "name": "Ada"}
        seen, cookies = [], SimpleCookie()
        for _ in range(8):
            async with aiohttp.ClientSession(headers={"Origin": service.url}) as browser:
                async with browser.post(f"{service.url}/console/enter", data=form, allow_redirects=False) as answer:
                    seen.append(answer.status)
                cookies.update(answer.cookies)
        assert seen == [303] + [403] * 7
        for _ in range(8):
            async with (
                aiohttp.ClientSession(cookies={COOKIE: cookies[COOKIE].value}) as browser,
                browser.get(f"{service.url}/console") as page,
            ):
                assert page.status == 200
