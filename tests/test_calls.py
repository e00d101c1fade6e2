"""A call that certainly did not leave is told from one that may have arrived."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from bot.channels import calls as calls_module
from bot.channels.calls import LARGEST_ANSWER, Caller
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, retry_after, usual_verdict


async def called(url: str, seconds: float = 5.0) -> Outcome:
    caller = Caller(seconds)
    try:
        return await caller.call(Call(url, b"{}", {"webhook-id": "m1"}))
    finally:
        await caller.close()


@asynccontextmanager
async def serving(handler: object) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_refused_connection_did_not_leave() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await called(f"http://127.0.0.1:{port}/") == Silence(False, "Nobody answers at the address.")


async def test_a_name_that_is_not_known_did_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    monkeypatch.setattr("aiohttp.TCPConnector._resolve_host", unknown)
    assert await called("http://nowhere.invalid/") == Silence(False, "The host's name is not known.")


async def test_what_speaks_no_tls_did_not_get_it() -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError

    async with serving(never) as url:
        outcome = await called(url.replace("http:", "https:"))
    assert isinstance(outcome, Silence)
    assert not outcome.sent


async def test_a_server_that_does_not_take_the_connection_did_not_get_it() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        where = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]  # more than the backlog holds: the next one's handshake hangs
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(where)
        outcome = await called(f"http://127.0.0.1:{where[1]}/", seconds=0.3)
        for one in waiting:
            one.close()
    assert outcome == Silence(False, "There was no answer within 0.3 seconds.")


async def test_silence_after_the_connection_may_mean_that_it_arrived() -> None:
    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(20)
        return web.Response()

    async with serving(hang) as url:
        assert await called(url, seconds=0.3) == Silence(True, "There was no answer within 0.3 seconds.")


async def test_a_connection_that_breaks_may_mean_that_it_arrived() -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async with serving(cut) as url:
        assert await called(url) == Silence(True, "The connection broke before an answer came.")


async def test_an_answer_that_breaks_off_is_none() -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"only this")
        assert request.transport
        request.transport.abort()
        return response

    async with serving(half) as url:
        outcome = await called(url)
    assert isinstance(outcome, Silence)
    assert outcome.sent


async def test_redirects_are_not_followed_and_answers_not_read_for_ever() -> None:
    asked: list[str] = []

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere", "X-Kind": "a"}, body=b"x" * 10**6)

    async with serving(redirect) as url:
        outcome = await called(f"{url}/here")
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.headers["x-kind"], len(outcome.body)) == (307, "a", LARGEST_ANSWER)
    assert asked == ["/here"]


@asynccontextmanager
async def counting(answers: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers so many calls of each connection and hangs up on the next; and the calls of each."""
    calls: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(calls)
        calls.append(0)
        while await _request(reader):
            calls[number] += 1
            if calls[number] > answers:
                break
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", calls


async def _request(reader: asyncio.StreamReader) -> bool:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (line := await reader.readline()):
            return False
        head += line
    await reader.readexactly(2)
    return True


async def test_a_connection_is_used_again_and_one_that_breaks_then_may_have_brought_the_call() -> None:
    caller = Caller(5.0)
    async with counting(answers=2) as (url, calls):
        outcomes = [await caller.call(Call(url, b"{}", {})) for _ in range(3)]
        assert [isinstance(outcome, Answer) for outcome in outcomes] == [True, True, False]
        assert outcomes[2] == Silence(True, "The connection broke before an answer came.")
        assert calls == [3], "it was not sent again over another one"
        assert isinstance(await caller.call(Call(url, b"{}", {})), Answer)
    await caller.close()


async def test_a_connection_is_not_kept_until_its_server_might_close_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "KEPT_SECONDS", 0.05)
    caller = Caller(5.0)
    async with counting(answers=9) as (url, calls):
        await caller.call(Call(url, b"{}", {}))
        await asyncio.sleep(0.2)
        await caller.call(Call(url, b"{}", {}))
        assert calls == [1, 1]
    await caller.close()


async def test_a_url_that_is_none_is_an_outcome() -> None:
    outcome = await called("http://[nonsense/")
    assert isinstance(outcome, Silence)
    assert not outcome.sent


# What an answer means


def answer(status: int, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b"", 1_000_000.0)


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (Silence(False, "x"), Fate.RETRY),
        (Silence(True, "x"), Fate.AMBIGUOUS),
        *((answer(status), Fate.ARRIVED) for status in (200, 201, 202, 204)),
        *((answer(status), Fate.RETRY) for status in (425, 429, 503)),
        *((answer(status), Fate.AMBIGUOUS) for status in (408, 500, 502, 504, 520, 599)),
        *((answer(status), Fate.GIVE_UP) for status in (301, 307, 400, 401, 403, 404, 410, 413, 422)),
    ],
)
def test_what_http_says_of_a_call(outcome: Outcome, fate: Fate) -> None:
    assert usual_verdict(outcome).fate is fate


def test_the_error_is_a_sentence() -> None:
    assert usual_verdict(answer(404)) == Verdict(Fate.GIVE_UP, "The provider answered 404 (Not Found).")
    assert usual_verdict(answer(520)).error == "The provider answered 520."


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 12 Jan 1970 13:47:00 GMT", 20.0),
        ("Mon, 12 Jan 1970 13:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("9" * 400, 999999999.0),
        ("Mon, 99 Jan 1970 13:00:00 GMT", None),
    ],
)
def test_when_to_come_back(asked: str, seconds: float | None) -> None:
    assert retry_after(answer(429, retry_after=asked)) == seconds
