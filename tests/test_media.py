"""Fetching what strangers refer to: where it may lead, how much may come, and who is told a secret."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.capabilities import Capabilities
from bot.channels.connector import Connector, Signing, with_headers
from bot.channels.guard import Refused, Target, Why, is_public, judged, origin_of
from bot.channels.media import AT_ONCE, File, Media, MediaLimits
from bot.channels.media_types import KINDS, TYPES, kind_of
from bot.channels.received import Attachment, Received, Request
from bot.channels.verdict import Answer, Call, Fate, Outcome, Verdict
from bot.journal.values import Delivery
from tests.test_attachments import PIXEL, WEBHOOKS
from tests.test_channel_properties import connector

PUBLIC = "93.184.215.14"
Handler = Callable[[web.Request], Any]


@dataclass(frozen=True, slots=True)
class Carrier(Connector):
    """A channel whose messages name files by their addresses, and which shows its token to all of them."""

    own: tuple[str, ...] = ()
    name: str = "carrier"
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(100))

    def verify(self, request: Request) -> bool:
        return False

    def parse(self, request: Request) -> Received:
        return Received()

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return ()

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        return Verdict(Fate.GIVE_UP)

    def sign(self, call: Call, signing: Signing) -> Call:
        return with_headers(call, Authorization="Bearer secret")

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        return None if before else Call(attachment.reference, method="GET", headers={"X-Key": "secret"})

    @property
    def bases(self) -> tuple[str, ...]:
        return self.own


async def sign(connector: Connector, call: Call) -> Call:
    return connector.sign(call, Signing("media", 0.0))


async def nobody(host: str, port: int) -> Sequence[str]:
    raise socket.gaierror(socket.EAI_NONAME, "not known")


async def anywhere(host: str, port: int) -> Sequence[str]:
    return [PUBLIC]


def knowing(**addresses: str) -> Callable[[str, int], Any]:
    """A resolver: `evil="10.0.0.1 1.1.1.1"` is what evil.example has."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses[host.removesuffix(".example")].split()

    return resolve


@asynccontextmanager
async def serving(handler: Handler, **more: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, **more).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def fetched(url: str, *own: str, seconds: float = 20.0, **limits: Any) -> File:
    media = Media(sign, MediaLimits(1, seconds, **limits))
    return await media.fetch(Carrier(own or (url,)), Attachment("image", url))


async def refused(url: str, *own: str, **more: Any) -> tuple[Why, str]:
    with pytest.raises(Refused) as refusal:
        await fetched(url, *own, **more)
    return refusal.value.why, str(refusal.value)


async def picture(request: web.Request) -> web.Response:
    return web.Response(body=PIXEL, content_type="image/png")


# Where it may lead


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8"),
        *("169.254.169.254", "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.168.0.1"),
        *("192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "168.63.129.16"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1"),
        *("2001::1", "2001:0:7f00:1::", "2001:db8::1", "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1"),
        *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo", "fec0::1", "ff02::1", "5f00::1", "2606::1%lo"),
        *("", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.1.1.1 "),
    ],
)
def test_these_are_nobodys_on_the_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", PUBLIC, "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
)
def test_these_are_somebodys(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "127.0.0.1.", "0", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1"),
        *("localhost", "LOCALHOST", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
        *("[0:0:0:0:0:ffff:a9fe:a9fe]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "169.254.169.254", "0xa9fea9fe"),
        *("[fd00:ec2::254]", "100.100.100.200", "168.63.129.16", "10.0.0.1", "192.168.1.1", "[fe80::1]"),
    ],
)
async def test_no_spelling_of_an_address_leads_inside(host: str) -> None:
    with pytest.raises(Refused) as refusal:
        await judged(f"https://{host}/latest/meta-data/", ())
    assert refusal.value.why is Why.ADDRESS


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://1.1.1.1/",
            "http://1.1.1.1:443/",
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
            "gopher://1.1.1.1/",
            "data:image/png;base64,AA",
        ),
        *("https://1.1.1.1:22/", "https://1.1.1.1:80/", "https://1.1.1.1:0/", "https://1.1.1.1:99999/"),
        *("https://user@1.1.1.1/", "https://user:pass@1.1.1.1/", "https://1.1.1.1@10.0.0.1/", "https://:@1.1.1.1/"),
        *("https://1.1.1.1\\@10.0.0.1/", "https:\\\\1.1.1.1/", "https:/1.1.1.1/", "https:1.1.1.1", "//1.1.1.1/", ""),
        *("https://1.1.1.1/a b", "https://1.1.1.1/\r\nX: y", "https://1.1.1.1/\x00", " https://1.1.1.1/", "https://"),
        *("https://1.1.1.1/../x", "https://1.1.1.1/a/%2e%2e/x", "https://1.1.1.1/a/%2E./x", "https://1.1.1.1/./x"),
        *("https://1.1.1.1/a/..%5cx", "https://1.1.1.1/a%2f..%2fx", "https://1.1.1.1/é", "https://①.①.①.①/"),
        *("https://[::1", "https://::1/", "https://[1.1.1.1]/", "https://1.1.1.1%00.example/", "https://exa mple/"),
        *("https://fe80::1%25lo/", "https://[fe80::1%25lo]/", "https://1.1.1.1#@10.0.0.1/\\", "HTTPS://1.1.1.1/"),
        "https://1.1.1.1/" + "a" * 9000,
    ],
)
async def test_an_address_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    with pytest.raises(Refused) as refusal:
        await judged(url, ())
    assert refusal.value.why is Why.ADDRESS


@pytest.mark.parametrize(
    "addresses", ["10.0.0.1", "127.0.0.1", "::1", f"{PUBLIC} 10.0.0.1", f"10.0.0.1 {PUBLIC}", "fe80::1%lo", "x"]
)
async def test_a_name_is_refused_if_any_of_its_addresses_is_inside(addresses: str) -> None:
    with pytest.raises(Refused, match=r"https://evil\.example:443, which is no public address"):
        await judged("https://evil.example/a.png", (), knowing(evil=addresses))


async def test_a_name_that_nobody_knows_is_refused() -> None:
    for resolve in (nobody, knowing(evil="")):
        with pytest.raises(Refused, match="not known"):
            await judged("https://evil.example/", (), resolve)


async def test_a_public_address_is_called_as_it_is_written() -> None:
    url = "https://files.example/a/%2Fb%7e?sig=a%2Bb+c&x=%2e%2e/#top"
    target = await judged(url, (), knowing(files=f"{PUBLIC} 2606:4700::1111"))
    assert (str(target.url), target.origin) == (url, "https://files.example:443")
    assert target.addresses == (PUBLIC, "2606:4700::1111")


async def test_what_the_settings_name_may_be_anywhere_and_nothing_else_may() -> None:
    trusted = {"http://127.0.0.1:9000", "https://minio.example:443"}
    assert (await judged("http://127.0.0.1:9000/a", trusted)).addresses == ("127.0.0.1",)
    assert (await judged("https://minio.example/a", trusted, knowing(minio="10.0.0.9"))).addresses == ("10.0.0.9",)
    for other in (
        *("http://127.0.0.1:9001/", "https://127.0.0.1:9000/", "http://127.0.0.1/", "http://localhost:9000/"),
        *("http://x@127.0.0.1:9000/", "http://127.0.0.1:9000@evil.example/", "http://127.0.0.1:9000/a/../b"),
    ):
        with pytest.raises(Refused):
            await judged(other, trusted)


@given(st.text(max_size=60) | st.builds("https://{}".format, st.text(max_size=60)))
def test_whatever_a_reference_is_it_is_an_address_or_none(reference: str) -> None:
    origin = origin_of(reference)
    assert origin is None or origin.isascii()


# Pinning


def certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Of a host, signed by itself."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    signed = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False).sign(key, hashes.SHA256())
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    pkcs8, open_ = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, open_))
    return paths


@asynccontextmanager
async def internet(handler: Handler, folder: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[list[Any]]:
    """files.example under TLS, whatever address is called; yields the addresses that were."""
    chain, key = certificate(folder, "files.example")
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(chain, key)
    patch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", ssl.create_default_context(cafile=str(chain)))
    async with serving(handler, ssl_context=own) as url:
        loop, called = asyncio.get_running_loop(), list[Any]()
        connect, port = loop.sock_connect, int(url.rpartition(":")[2])

        async def connected(sock: socket.socket, address: Any) -> None:
            called.append(address)
            await connect(sock, ("127.0.0.1", port))

        patch.setattr(loop, "sock_connect", connected)
        yield called
        patch.setattr(loop, "sock_connect", connect)


async def test_a_name_that_changes_after_it_was_judged_is_called_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = list[str](), iter([[PUBLIC], ["127.0.0.1"], ["127.0.0.1"]])

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    async with internet(picture, tmp_path, monkeypatch) as called:
        media = Media(sign, MediaLimits(1, 20.0), rebinding)
        file = await media.fetch(Carrier(), Attachment("image", "https://files.example/a.png"))
        assert (file.body, asked, called) == (PIXEL, ["files.example"], [(PUBLIC, 443)])
        with pytest.raises(Refused, match="no public address"):  # the next time it is judged anew
            await media.fetch(Carrier(), Attachment("image", "https://files.example/a.png"))
        assert called == [(PUBLIC, 443)]


async def test_a_host_has_to_prove_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with internet(picture, tmp_path, monkeypatch):
        media = Media(sign, MediaLimits(1, 20.0), knowing(other=PUBLIC))
        with pytest.raises(Refused, match="certificate was not accepted"):
            await media.fetch(Carrier(), Attachment("image", "https://other.example/a.png"))


async def test_what_the_environment_calls_a_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serving(picture) as url:
        assert (await fetched(url)).body == PIXEL


# Redirects


def moved(to: str, status: int = 302) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, headers={"Location": to}, text="moved")

    return handler


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_inside_is_judged_as_an_address_of_a_strangers(status: int) -> None:
    async def never(request: web.Request) -> web.Response:
        raise AssertionError(request.path)

    async with serving(never) as inside:
        for to in (
            inside,
            inside.replace("127.0.0.1", "localhost"),
            "https://169.254.169.254/",
            "//127.0.0.1/",
            "file:///etc",
        ):
            async with serving(moved(to, status)) as url:
                assert (await refused(url))[0] is Why.ADDRESS


async def test_a_redirect_carries_no_secret_to_whomever() -> None:
    seen = list[dict[str, str]]()

    async def stranger(request: web.Request) -> web.Response:
        seen.append(dict(request.headers))
        return await picture(request)

    async with serving(stranger) as elsewhere, serving(moved(f"{elsewhere}/x?y")) as url:
        assert (await fetched(url, url, elsewhere)).body == PIXEL
    (headers,) = seen
    assert "Authorization" not in headers
    assert "X-Key" not in headers
    assert "Cookie" not in headers


async def test_whom_a_stranger_sends_on_a_stranger_has_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(picture) as storage, internet(moved(f"{storage}/x"), tmp_path, monkeypatch) as called:
        limits, to = MediaLimits(1, 20.0, origins=(storage,)), "https://files.example/a.png"
        with pytest.raises(Refused) as refusal:
            await Media(sign, limits, knowing(files=PUBLIC)).fetch(Carrier(), Attachment("image", to))
        assert (refusal.value.why, called) == (Why.ADDRESS, [(PUBLIC, 443)])


@pytest.mark.parametrize(("hops", "arrives"), [(3, True), (4, False)])
async def test_there_are_three_redirects_at_most(hops: int, arrives: bool) -> None:
    async def leading_on(request: web.Request) -> web.Response:
        left = int(request.query["left"])
        if left == 0:
            return await picture(request)
        return web.Response(status=302, headers={"Location": f"?left={left - 1}"})

    async with serving(leading_on) as url:
        if arrives:
            assert (await fetched(f"{url}/?left={hops}", url)).body == PIXEL
        else:
            assert (await refused(f"{url}/?left={hops}", url))[0] is Why.REDIRECTS


async def test_a_redirect_without_an_address_ends() -> None:
    async def nowhere(request: web.Request) -> web.Response:
        return web.Response(status=302)

    async with serving(nowhere) as url:
        assert (await refused(url))[0] is Why.REDIRECTS


# How much may come


async def test_a_body_without_an_end_is_cut_off() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        await response.prepare(request)
        while True:
            await response.write(PIXEL * 1000)

    async with serving(endless) as url:
        assert await refused(url) == (Why.SIZE, "The file is larger than 1 MB.")


async def test_a_length_that_is_said_is_believed_if_it_is_too_much_and_not_if_it_is_too_little() -> None:
    async def boasting(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000001", "Content-Type": "image/png"})
        await response.prepare(request)
        await asyncio.sleep(60)
        return response

    async with serving(boasting) as url:
        assert (await refused(url))[0] is Why.SIZE
    media = Media(sign, MediaLimits(1, 20.0), nobody)
    with pytest.raises(Refused, match="larger than 1 MB"):
        await media.fetch(Carrier(), Attachment("image", "https://files.example/", size=1_000_001))


async def test_a_body_that_drips_is_given_up() -> None:
    async def dripping(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "image/png"})
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.01)

    async with serving(dripping) as url:
        assert await refused(url, seconds=0.2) == (Why.TIME, "It did not come within 0.2 seconds.")


async def test_few_files_come_at_once_for_they_are_held_in_memory() -> None:
    under_way, most, go_on = 0, 0, asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == AT_ONCE:
            asyncio.get_running_loop().call_later(0.05, go_on.set)
        await go_on.wait()
        under_way -= 1
        return await picture(request)

    async with serving(slow) as url:
        media = Media(sign, MediaLimits(1, 20.0))
        wanted = [media.fetch(Carrier((url,)), Attachment("image", url)) for _ in range(AT_ONCE * 2)]
        assert {file.body for file in await asyncio.gather(*wanted)} == {PIXEL}
    assert most == AT_ONCE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
async def test_what_comes_packed_is_not_unpacked(encoding: str) -> None:
    async def bomb(request: web.Request) -> web.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        body = gzip.compress(bytes(50_000_000))
        return web.Response(body=body, headers={"Content-Encoding": encoding, "Content-Type": "image/png"})

    async with serving(bomb) as url:
        assert await refused(url) == (Why.TYPE, "It came packed, though that was not asked for.")


@pytest.mark.parametrize(
    ("body", "declared", "type_"),
    [
        (PIXEL, "image/png", "image/png"),
        (PIXEL, "", "image/png"),
        (PIXEL, "Image/PNG; charset=x", "image/png"),
        (PIXEL, "binary/octet-stream", "image/png"),
        (b"\xff\xd8\xff\xe0..", "image/jpg", "image/jpeg"),
        (b"GIF89a..", "image/gif", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp", "image/webp"),
        (b"%PDF-1.7\n\x00", "application/pdf", "application/pdf"),
        (b"OggS\x00\x02", "audio/ogg; codecs=opus", "audio/ogg"),
        (b"ID3\x04\x00", "audio/mpeg", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00", "audio/mpeg", "audio/mpeg"),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/x-m4a", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypisom", "video/mp4", "video/mp4"),
        (b"#!AMR\n\x00", "audio/amr", "audio/amr"),
        ("Grüße\n".encode(), "text/plain; charset=utf-8", "text/plain"),
    ],
)
def test_a_file_is_what_it_holds_and_calls_itself_so(body: bytes, declared: str, type_: str) -> None:
    assert kind_of(body, declared, TYPES).type == type_


@pytest.mark.parametrize(
    ("body", "declared"),
    [
        (PIXEL, "text/html"),
        (PIXEL, "image/svg+xml"),
        (PIXEL, "image/jpeg"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        (b"<svg onload='alert(1)'/>", "image/png"),
        (b"<html><script>alert(1)</script>", "text/html; charset=utf-8"),
        (b"<html>", "application/xhtml+xml"),
        (b'{"error": 1}', "application/json"),
        (b"alert(1)", "text/javascript"),
        (b"MZ\x90\x00", "application/octet-stream"),
        (b"MZ\x90\x00", "image/png"),
        (b"PK\x03\x04\x00", "application/zip"),
        (b"\x1f\x8b\x08\x00", ""),
        (b"\xff\xfe\x00", "text/plain"),
        (b"\xff\xf1\x50\x80", "audio/mpeg"),
        (b"text\x00", "text/plain"),
        (b"RIFF\x10\x00\x00\x00WAVE", "image/webp"),
        (b"", "image/png"),
    ],
)
def test_what_is_something_else_is_refused(body: bytes, declared: str) -> None:
    with pytest.raises(Refused) as refusal:
        kind_of(body, declared, TYPES)
    assert refusal.value.why is Why.TYPE


def test_types_that_are_left_out_are_refused() -> None:
    with pytest.raises(Refused, match=r"leaves out its type, image/png"):
        kind_of(PIXEL, "image/png", {"application/pdf"})


@given(st.binary(max_size=40), st.text(max_size=20) | st.sampled_from([kind.type for kind in KINDS]))
def test_whatever_comes_has_a_kind_or_is_refused(body: bytes, declared: str) -> None:
    try:
        assert kind_of(body, declared, TYPES) in KINDS
    except Refused as refusal:
        assert str(refusal).isascii()


# What may go wrong


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (202, "still preparing"),
        (204, "204"),
        (206, "206"),
        (304, "304"),
        (401, "401"),
        (404, "any more"),
        (410, "any more"),
        (500, "500"),
        (599, "599"),
    ],
)
async def test_an_answer_that_is_no_file_is_told_in_words(status: int, sentence: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=PIXEL if status not in (204, 304) else b"", content_type="image/png")

    async with serving(handler) as url:
        why, told = await refused(url)
    assert (why, sentence in told) == (Why.PROVIDER, True)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\xff\xfe nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: https://[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: \xff/\xfe\r\nContent-Length: 1\r\n\r\n\x00",
    ],
)
async def test_a_server_that_speaks_in_tongues_is_a_sentence(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(speak, "127.0.0.1", 0) as server:
        _, sentence = await refused(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert sentence.endswith(".")


async def test_nobody_at_the_address_is_a_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await refused(f"http://127.0.0.1:{port}") == (Why.PROVIDER, "Nobody answers at the address.")


# What the channels make of a reference

_HOSTILE = (
    *("../1", "1/../../x", "1/../me", "1?fields=id", "1#x", "1@evil.example", "1\r\nX: y", "%2e%2e/1", "1%0d%0aX:y"),
    *("https://evil.example/", "https://evil.example#.fbcdn.net/", "https://evil.example?.fbcdn.net/a.png"),
    *("https://evil.example\\.fbcdn.net/", "https://a@evil.example/", "https://fbcdn.net@evil.example/"),
    *("https://files.slack.com@evil.example/", "https://files.slack.com.evil.example/", "https://[", "//evil.example"),
    *("http://169.254.169.254/", "https://127.0.0.1/", "file:///etc/passwd", "", "\ud800", "１２３", "1" * 5000),
    *("https://smba.trafficmanager.net@evil.example/", "https://evil.example\\@smba.trafficmanager.net/"),
)
"""Ids and addresses that try to be something else."""


@pytest.mark.parametrize("name", WEBHOOKS)
@pytest.mark.parametrize("reference", _HOSTILE)
async def test_a_hostile_reference_leads_to_nobody_or_to_a_stranger_without_a_secret(name: str, reference: str) -> None:
    """What is left of it is a question to the provider with the id in its body, or a public address."""
    channel = connector(name)
    call = channel.media(Attachment("image", reference), ())
    if call is None:
        return
    signed = channel.sign(call, Signing("media", 0.0, "lent"))
    trusted = {origin for base in channel.bases if (origin := origin_of(base))}
    target: Target | None = None
    try:
        target = await judged(signed.url, trusted, anywhere)
    except Refused:
        return
    if target.origin in trusted:
        assert (name, target.url.name) == ("telegram", "getFile")
    else:
        assert target.origin.endswith("evil.example:443")
        assert not signed.headers.keys() & {"Authorization", "api_access_token", "api-access-token"}


@pytest.mark.parametrize("name", WEBHOOKS)
@given(reference=st.text(max_size=80) | st.builds("https://{}".format, st.text(max_size=80)))
def test_no_reference_makes_a_channel_stumble(name: str, reference: str) -> None:
    channel = connector(name)
    call = channel.media(Attachment("image", reference), ())
    assert call is None or channel.sign(call, Signing("media", 0.0, "lent")).url
