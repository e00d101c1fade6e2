"""Every channel's door, whatever comes to it: from strangers, and from providers gone mad."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.channels.connector import Connector, Signing
from bot.channels.received import Attachment, Received, Request
from bot.channels.set_up import set_up
from bot.channels.verdict import Call
from bot.config import Settings, channels
from bot.simulators.all import simulator
from bot.simulators.simulator import Choice, Event, Shown, Simulator
from tests.json_values import JSON_VALUES
from tests.service import running

PUBLIC = "https://chat.example.com"
NOWHERE = "http://127.0.0.1:9"
ALLOWED = {200, 202, 204, 400, 401, 404, 413, 503}
CUSTOMER = "4915112345678"
SAMPLES: dict[str, Any] = {name: simulator(name).sample(NOWHERE) for name in channels()}
some = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def provider(name: str) -> Simulator:
    return simulator(name).of(channels()[name].model_validate(SAMPLES[name]))


def connector(name: str) -> Connector:
    return set_up(Settings(public_url=PUBLIC, **{name: SAMPLES[name]}))[name]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of one service with every channel, in a thread of its own."""
    home: Path = tmp_path_factory.mktemp("every_channel")
    ready: Future[int] = Future()
    stop = threading.Event()

    async def serve() -> None:
        async with running(home, public_url=PUBLIC, **SAMPLES) as service:
            ready.set_result(urlsplit(service.url).port or 0)
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    yield ready.result(60)
    stop.set()
    thread.join()


def sent(port: int, name: str, event: Event) -> tuple[int, bytes]:
    """Byte for byte: no client of ours mends it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.putrequest(event.method, f"/webhooks/{name}{event.query}", skip_accept_encoding=True)
        for header, value in event.headers.items():
            connection.putheader(header, value.encode("utf-8", "surrogatepass"))
        connection.putheader("Content-Length", str(len(event.body)))
        connection.endheaders(event.body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def allowed(name: str) -> set[int]:
    """Some providers try again at one status alone."""
    return ALLOWED | {int(connector(name).again)}


methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
queries = st.just("") | st.from_regex(r"\?[A-Za-z0-9%&=.+_/-]{0,30}", fullmatch=True)


@pytest.mark.parametrize("name", [*channels(), "nobody"])
@some
@given(data=st.data())
def test_a_stranger_gets_a_401_without_a_word(name: str, port: int, data: st.DataObject) -> None:
    known = sorted(provider(name).said(CUSTOMER, "ask").headers) if name in SAMPLES else ["X-Any"]
    drawn = data.draw(st.dictionaries(names | st.sampled_from(known), header_values.map(str.strip), max_size=5))
    headers = {key: value for key, value in drawn.items() if key.lower() not in _HTTP}
    event = Event(data.draw(st.binary(max_size=200)), headers, data.draw(methods), data.draw(queries))
    assert sent(port, name, event) == (401, b"")


_HTTP = {
    "connection",
    "content-encoding",
    "content-length",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""What HTTP itself looks at."""


@pytest.mark.parametrize("name", channels())
@some
@given(data=st.data())
def test_a_provider_gone_mad_is_answered_with_a_status_that_it_knows(name: str, port: int, data: st.DataObject) -> None:
    real = provider(name)
    event = real.said(CUSTOMER, "hello") if data.draw(st.booleans()) else pressed(real)
    status, _ = sent(port, name, real.resigned(event, data.draw(st.binary(max_size=60) | mutated(event.body))))
    assert status in allowed(name)


def pressed(real: Simulator) -> Event:
    """Where buttons come back by their names; else what is typed."""
    choice = Choice("Yes", "5f0c86d1-2-0")
    try:
        return real.pressed(CUSTOMER, choice, Shown("Sure?", (choice,), id="1"))
    except LookupError:
        return real.said(CUSTOMER, "yes")


def mutated(body: bytes) -> st.SearchStrategy[bytes]:
    """The event with some of it replaced."""
    try:
        told = json.loads(body)
    except ValueError:
        form = parse_qsl(body.decode())
        names = st.sampled_from([name for name, _ in form])
        changed = st.dictionaries(names | st.text(max_size=5), st.text(max_size=20), max_size=4)
        return changed.map(lambda more: urlencode({**dict(form), **more}).encode())
    places = list(_places(told, ()))
    return st.tuples(st.sampled_from(places), JSON_VALUES).map(lambda pair: json.dumps(_with(told, *pair)).encode())


def _places(told: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield at
    inner = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in inner:
        yield from _places(value, (*at, key))


def _with(told: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(told) if isinstance(told, dict) else list(told)
    copy[at[0]] = _with(told[at[0]], at[1:], value)
    return copy


@pytest.mark.parametrize(("expected", "status"), [("100-continue", 100), ("100-Continue", 100), ("nonsense", 401)])
def test_who_expects_something_is_no_less_a_stranger(expected: str, status: int, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        head = f"POST /webhooks/signed HTTP/1.1\r\nHost: x\r\nExpect: {expected}\r\nContent-Length: 2\r\n\r\n"
        connection.sendall(head.encode())
        if status == 401:
            connection.sendall(b"{}")
        assert connection.recv(4096).startswith(f"HTTP/1.1 {status} ".encode())
        if status == 100:
            connection.sendall(b"{}")
            assert connection.recv(4096).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("name", channels())
def test_a_body_beyond_measure_is_413_or_nobodys(name: str, port: int) -> None:
    event = provider(name).said(CUSTOMER, "hello")
    assert sent(port, name, replace(event, body=b"x" * (5 << 20)))[0] in (401, 413)


@pytest.mark.parametrize("name", channels())
def test_of_what_is_refused_only_a_count_is_kept(name: str, port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    event = provider(name).said(CUSTOMER, "the words of a stranger")
    broken = {key: value[:-1] + ("a" if value[-1:] != "a" else "b") for key, value in event.headers.items()}
    assert sent(port, name, replace(event, headers=broken | _kind(event))) == (401, b"")
    assert "stranger" not in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.INFO]


def _kind(event: Event) -> dict[str, str]:
    return {key: value for key, value in event.headers.items() if key.lower() == "content-type"}


# What a customer can write


@pytest.mark.parametrize("typed", ["/restart", "/human", '/cancel_order{"order": "LW-1"}', "5f0c86d1-2-0", "/joined"])
@pytest.mark.parametrize("name", channels())
def test_nothing_that_is_typed_is_a_command_or_a_button(name: str, typed: str) -> None:
    event = provider(name).said(CUSTOMER, typed)
    (message,) = received(name, event).messages
    assert (message.payload, message.press, message.text) == (None, None, typed)


def received(name: str, event: Event) -> Received:
    headers = {key.lower(): value for key, value in event.headers.items()}
    query = dict(parse_qsl(event.query.removeprefix("?")))
    path = f"/webhooks/{name}{event.query}"
    return connector(name).parse(Request(event.method, query, headers, event.body, time(), path))


@pytest.mark.parametrize(
    "reference", ["https://evil.example/x", "http://169.254.169.254/latest", "https://evil.example@"]
)
@pytest.mark.parametrize("name", channels())
def test_no_secret_goes_to_whom_a_message_names(name: str, reference: str) -> None:
    channel = connector(name)
    call = channel.media(Attachment("image", reference), ())
    for foreign in (Call(reference), *([call] if call else [])):
        if not foreign.url.startswith(NOWHERE):
            assert set(channel.sign(foreign, Signing("k", 0.0, "t")).headers) <= _HARMLESS


_HARMLESS = {"Content-Type", "webhook-id", "webhook-timestamp", "webhook-signature"}
