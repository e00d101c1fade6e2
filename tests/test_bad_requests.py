"""What no client of ours sends: refused with a 4xx or taken as well as it can be, never a 500."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from bot.app import Service
from tests.service import running

FORM = b"application/x-www-form-urlencoded"
PART = b'--x\r\nContent-Disposition: form-data; name="code"\r\n%b\r\n\r\nabc\r\n--x--\r\n'
UPGRADE = [
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]


@pytest_asyncio.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with running(tmp_path, api_token="t0ken") as service:
        yield service


async def ask(service: Service, head: bytes, *headers: bytes, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of a request as it stands, byte for byte."""
    place = urlsplit(service.url)
    host = [] if any(header.startswith(b"Host:") for header in headers) else [b"Host: " + place.netloc.encode()]
    lines = [head + b" HTTP/1.1", *host, *headers, b"Content-Length: %d" % len(body)]
    async with asyncio.timeout(60):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = next((line for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        said = await reader.readexactly(int(length.partition(b":")[2]))
        writer.close()
    return int(answer.split(b" ", 2)[1]), said


async def test_a_token_that_is_no_text_is_wrong(service: Service) -> None:
    status, _ = await ask(service, b"POST /model/parse", b"Authorization: Bearer \xff\xfe", body=b'{"text": "ask"}')
    assert status == 401


@pytest.mark.parametrize("origin", [b"http://[", b"http://\xff", b"//", b"http://"])
async def test_an_origin_that_is_none_is_refused(service: Service, origin: bytes) -> None:
    status, _ = await ask(service, b"GET /widget/ws", b"Origin: " + origin, *UPGRADE)
    assert status == 403


async def test_a_host_that_is_none_is_not_this_machine(tmp_path: Path) -> None:
    async with running(tmp_path) as service:  # without a token
        status, _ = await ask(service, b"POST /model/parse", b"Host: [", body=b'{"text": "ask"}')
        assert status == 401


async def test_the_front_page_shows_a_host_that_is_no_text(service: Service) -> None:
    status, page = await ask(service, b"GET /", b"Host: \xff\xfe")
    assert (status, "/widget/frontdesk.js" in page.decode()) == (200, True)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM + b"; charset=nonsense", b"code=1&name=2"),
        (FORM, b"code=\xff&name=\xff"),
        (b"multipart/form-data", b"abc"),
        (b"multipart/form-data; boundary=x", b"abc"),
        (b"multipart/form-data; boundary=x", PART % b"Content-Transfer-Encoding: nonsense"),
        (b"multipart/form-data; boundary=x", PART % b"Content-Type: text/plain; charset=nonsense"),
        (b"application/json", b"{}"),
    ],
)
async def test_a_form_that_is_none_is_refused(service: Service, kind: bytes, body: bytes) -> None:
    origin = b"Origin: " + service.url.encode()
    status, _ = await ask(service, b"POST /console/enter", origin, b"Content-Type: " + kind, body=body)
    assert status == 400


@pytest.mark.parametrize("name", [b"x" * 3000, b"%00", b"%2e%2e/pages.py", b"none.css"])
async def test_a_file_that_is_not_there_is_not_found(service: Service, name: bytes) -> None:
    assert (await ask(service, b"GET /console/static/" + name))[0] == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (b"/model/parse", rb'{"text": "ask \ud83d", "message_id": "\ud83d"}'),
        (b"/webhooks/rest/webhook", rb'{"sender": "\ud83d", "message": "ask"}'),
        (b"/webhooks/rest/webhook", rb'{"sender": "u", "message": "ask", "metadata": {"\ud83d": ["\ud83d"]}}'),
    ],
)
async def test_half_an_emoji_anywhere_is_replaced(service: Service, path: bytes, body: bytes) -> None:
    status, said = await ask(service, b"POST " + path, b"Authorization: Bearer t0ken", body=body)
    assert status == 200
    assert b"\xef\xbf\xbd" in said or b"metadata" in body
