"""What customers send beside words: from each provider's webhook to the console, through the service alone."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.app import Service
from bot.channels.media_types import KINDS, TYPES, kind_of
from bot.channels.received import Attachment
from bot.config import channels
from bot.console.attachments import file_name
from bot.console.sign_in import one_time_code
from bot.messages import Inbound
from bot.simulators.all import simulator
from bot.simulators.provider import File, Provider
from bot.simulators.simulator import Simulator
from tests.service import running
from tests.test_simulators import CUSTOMER, talking

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE = File("lamp broken.png", "image/png", PIXEL)
WEBHOOKS = [name for name in channels() if issubclass(simulator(name), Provider)]
WITH_FILES = [name for name in WEBHOOKS if name != "signed"]


@asynccontextmanager
async def console(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Ada's browser."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": service.url}) as session:
        form = {"code": one_time_code(service.signer), "name": "Ada"}
        async with session.post(f"{service.url}/console/enter", data=form) as answer:
            assert answer.status == 200
        yield session


async def send(provider: Simulator, file: File) -> None:
    assert isinstance(provider, Provider)
    assert 200 <= await provider.deliver(provider.sent_file(CUSTOMER, file)) < 300


async def conversation(provider: Simulator, service: Service, file: File) -> str:
    """The page of a conversation in which the customer sent the file."""
    await send(provider, file)
    (found,) = await service.journal.conversations()
    return f"{service.url}/console/conversations/{found.conversation_id.replace('%', '%25')}"


async def links(session: aiohttp.ClientSession, talk: str) -> list[str]:
    async with session.get(talk) as answer:
        assert answer.status == 200
        return re.findall(r'href="(/console/conversations/[^"]+/attachments/[^"]+)"', await answer.text())


async def refusal(session: aiohttp.ClientSession, service: Service, link: str) -> str:
    async with session.get(f"{service.url}{link}") as answer:
        page = await answer.text()
        assert answer.status == 422, page
        (reason,) = re.findall(r'<p class="warning">(.*?)</p>', page)
        return str(reason)


@pytest.mark.parametrize("name", WITH_FILES)
async def test_a_picture_is_opened_through_the_service(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service), console(service) as session:
        talk = await conversation(provider, service, PICTURE)
        (link,) = await links(session, talk)
        async with session.get(f"{service.url}{link}") as answer:
            assert (answer.status, answer.content_type) == (200, "image/png")
            assert await answer.read() == PIXEL
            assert answer.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''")
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
        assert isinstance(provider, Provider)
        provider.files.clear()
        assert (await refusal(session, service, link)).endswith(".")
        provider.faults.clear()


@pytest.mark.parametrize("name", WITH_FILES)
async def test_what_is_no_picture_is_saved_and_a_page_is_not_even_that(name: str, tmp_path: Path) -> None:
    async with talking(tmp_path, name) as (provider, service), console(service) as session:
        invoice = File("invoice.pdf", "application/pdf", b"%PDF-1.7\n...")
        talk = await conversation(provider, service, invoice)
        await send(provider, File("x.html", "text/html", b"<script>alert(1)</script>"))
        saved, page = await links(session, talk)
        async with session.get(f"{service.url}{saved}") as answer:
            assert answer.content_type == "application/pdf"
            assert answer.headers["Content-Disposition"].startswith("attachment; ")
        if name != "telegram":  # which says of every file that it does not know what it is
            assert "not shown" in await refusal(session, service, page)
        else:
            async with session.get(f"{service.url}{page}") as answer:
                assert (answer.content_type, answer.charset) == ("text/plain", "utf-8")
                assert answer.headers["Content-Disposition"].startswith("attachment; ")


async def test_an_attachment_is_named_with_its_type_and_size(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, service), console(service) as session:
        file = File('<img src=x onerror="alert(1)">.png', "image/png", PIXEL * 1000)
        talk = await conversation(provider, service, file)
        async with session.get(talk) as answer:
            page = await answer.text()
        assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;.png</a>" in page
        assert "image/png, 70 KB" in page
        assert "[file]" not in page
        (link,) = await links(session, talk)
        async with session.get(f"{service.url}{link}") as answer:
            named = "inline; filename*=UTF-8''_img%20src%3Dx%20onerror%3D_alert%281%29_.png"
            assert answer.headers["Content-Disposition"] == named


async def test_a_file_that_is_too_large_is_not_fetched_whatever_is_said_of_its_size(tmp_path: Path) -> None:
    large = File("film.png", "image/png", PIXEL + bytes(10_000_000))
    for name in ("telegram", "whatsapp"):  # which tells a size with the message, and which does not
        async with talking(tmp_path / name, name) as (provider, service), console(service) as session:
            talk = await conversation(provider, service, large)
            (link,) = await links(session, talk)
            assert await refusal(session, service, link) == "The file is larger than 10 MB."


async def test_places_and_contacts_are_words(tmp_path: Path) -> None:
    async with talking(tmp_path, "whatsapp") as (provider, service), console(service) as session:
        message: Any = provider
        place = message.message(CUSTOMER, type="location", location={"latitude": 52.5, "longitude": 13.4})
        await provider.deliver(message.event(place))
        (found,) = await service.journal.conversations()
        talk = f"{service.url}/console/conversations/{found.conversation_id}"
        async with session.get(talk) as answer:
            assert "52.5,13.4" in await answer.text()
        assert await links(session, talk) == []
        assert "nothing to fetch" in await refusal(session, service, f"{talk[len(service.url) :]}/attachments/1/0")


async def test_the_browser_names_no_address_and_nobody_elses_attachment(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, service), console(service) as session:
        talk = await conversation(provider, service, PICTURE)
        await provider.say(CUSTOMER, "ask")
        for wrong in ("1/1", "2/0", "3/0", "9/0", "0/0", "999999999/0"):
            async with session.get(f"{talk}/attachments/{wrong}") as answer:
                assert answer.status == 404, wrong
        for odd in ("1/-1", "1/https:%2F%2Fevil.example", "1/0x0", "99999999999/0"):
            async with session.get(f"{talk}/attachments/{odd}") as answer:
                assert answer.status == 404, odd
        async with session.get(f"{service.url}/console/conversations/telegram-1/attachments/1/0") as answer:
            assert answer.status == 404
        async with session.get(f"{talk}/attachments/1/0?url=https://evil.example/") as answer:
            assert await answer.read() == PIXEL


async def test_strangers_fetch_nothing(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, service), aiohttp.ClientSession() as session:
        talk = await conversation(provider, service, PICTURE)
        async with session.get(f"{talk}/attachments/1/0") as answer:
            assert answer.status == 401


async def test_of_a_channel_that_is_gone_the_page_says_so(tmp_path: Path) -> None:
    async with talking(tmp_path, "telegram") as (provider, service):
        talk = (await conversation(provider, service, PICTURE)).removeprefix(service.url)
    async with running(tmp_path) as service, console(service) as session:
        assert await links(session, f"{service.url}{talk}") == []
        async with session.get(f"{service.url}{talk}") as answer:
            assert "The channel telegram is not set up here any more" in await answer.text()
        assert "telegram is not set up" in await refusal(session, service, f"{talk}/attachments/1/0")


@pytest.mark.parametrize(
    "metadata",
    [
        {"attachments": "x"},
        {"attachments": [1, None, "x", {}, {"kind": "image"}]},
        {"attachments": [{"kind": {"$ne": 1}, "reference": [], "type": {}, "name": 1}]},
        {"attachments": {"kind": "image", "reference": "https://evil.example/", "type": "", "name": ""}},
    ],
)
async def test_metadata_that_is_no_attachment_shows_nothing_and_fetches_nothing(metadata: Any, tmp_path: Path) -> None:
    async with running(tmp_path) as service, console(service) as session:
        await service.journal.accept(Inbound("rest-1", "m1", "hello", "rest", 1.0, metadata=metadata))
        talk = f"{service.url}/console/conversations/rest-1"
        assert await links(session, talk) == []
        async with session.get(f"{talk}/attachments/1/0") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("photo.png", "photo.png"),
        ("", "image.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\Users\\x\\a.png", "a.png"),
        ("gnp.exe\u202e.png", "gnp.exe_.png"),
        ("a.png.exe", "a.png.exe.png"),
        ('a"; filename=b.html\r\nX: y', "a_ filename=b.html_X_ y.png"),
        ("..", "image.png"),
        ("Übersicht 1.PNG", "Übersicht 1.PNG"),
    ],
)
def test_a_files_name_is_harmless_and_says_what_it_is(given: str, shown: str) -> None:
    kind = kind_of(PIXEL, "image/png", TYPES)
    assert file_name(Attachment("image", "1", name=given), kind) == shown


def test_the_documentation_names_every_type() -> None:
    page = (Path(__file__).parent.parent / "docs" / "channels.md").read_text()
    assert [kind.type for kind in KINDS if f"`{kind.type}`" not in page] == []
