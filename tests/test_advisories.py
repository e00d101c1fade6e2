"""Holes that other chatbots' webhooks had, each a test of ours: what advisories tell is tried on every channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from aiohttp import web

from bot.app import Service
from bot.channels.received import Received, Request
from bot.simulators.chatwoot import SimulatedChatwoot
from bot.simulators.provider import File, Provider
from bot.simulators.simulator import Choice, Event, Shown, Simulator
from bot.simulators.telegram import TelegramBotApi
from bot.wire import Malformed
from tests.test_attachments import PICTURE, WEBHOOKS, WITH_FILES, console, links, refusal, send
from tests.test_calls import serving
from tests.test_channel_properties import CUSTOMER, connector, provider
from tests.test_simulators import talking

MARK = "injected"
OPERATORS: tuple[Any, ...] = ({"$ne": MARK}, {"$gt": "", "toString": MARK}, [MARK], {"$where": f"'{MARK}'"})
BY_ADDRESS = ("chatwoot", "instagram", "messenger", "slack", "teams", "twilio")
"""Channels whose messages say where a file is."""


def received(name: str, event: Event) -> Received:
    headers = {key.lower(): value for key, value in event.headers.items()}
    query = dict(parse_qsl(event.query.removeprefix("?")))
    return connector(name).parse(Request(event.method, query, headers, event.body, time(), f"/webhooks/{name}"))


def leaves(told: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    if not inner:
        yield at
    for key, value in inner:
        yield from leaves(value, (*at, key))


def changed(told: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(told) if isinstance(told, dict) else list(told)
    copy[at[0]] = changed(told[at[0]], at[1:], value)
    return copy


def injections(event: Event) -> Iterator[bytes]:
    """The event with an object in the place of each of its values; a form's names as PHP and Ruby read them."""
    form = event.body.startswith((b"payload=", b"AccountSid=")) and dict(parse_qsl(event.body.decode()))
    if form and "payload" not in form:
        for name in form:
            rest = {key: value for key, value in form.items() if key != name}
            yield urlencode({**rest, f"{name}[$ne]": MARK}).encode()
        return
    told = json.loads(form["payload"] if form else event.body)
    for at in leaves(told):
        for operator in OPERATORS:
            body = json.dumps(changed(told, at, operator))
            yield urlencode({"payload": body}).encode() if form else body.encode()


def events(real: Simulator) -> Iterator[Event]:
    yield real.said(CUSTOMER, "hello")
    if isinstance(real, TelegramBotApi):
        yield real.update(message=real.message(CUSTOMER, location={"latitude": 52.5, "longitude": 13.4}))
        yield real.update(message=real.message(CUSTOMER, contact={"phone_number": "+49"}, caption="a friend"))
    if isinstance(real, SimulatedChatwoot):
        real.kind = "Channel::Telegram"  # where a press is a message
    yield real.pressed(CUSTOMER, Choice("Again", "5f0c86d1-2-0"), Shown("answer", (Choice("Again", "5f0c86d1-2-0"),)))
    if isinstance(real, Provider) and real.name in WITH_FILES:
        yield real.sent_file(CUSTOMER, PICTURE)


@pytest.mark.parametrize("name", WEBHOOKS)
def test_an_object_where_a_text_belongs_is_no_text(name: str) -> None:
    """Rocket.Chat: CVE-2021-22911, CVE-2021-22910, CVE-2026-30833, CVE-2026-45689."""
    real, seen = provider(name), 0
    for event in events(real):
        for body in injections(event):
            try:
                found = received(name, replace(event, body=body))
            except Malformed:
                continue
            seen += 1
            assert MARK not in repr(found), (body, found)
    assert seen


@pytest.mark.parametrize("name", BY_ADDRESS)
async def test_a_files_address_that_leads_inside_is_called_by_nobody(name: str, tmp_path: Path) -> None:
    """Rocket.Chat: CVE-2024-39713 (Twilio's `MediaUrl0`, of a request that nobody signed); Typebot: CVE-2025-64709."""
    called = list[str]()

    async def metadata(request: web.Request) -> web.Response:
        called.append(request.path)
        return web.Response(body=PICTURE.body, content_type="image/png")

    async with serving(metadata) as inside, talking(tmp_path, name) as (real, service), console(service) as session:
        assert isinstance(real, Provider)
        event = real.sent_file(CUSTOMER, PICTURE)
        body = event.body
        for own in (real.url, quote(real.url, safe="")):
            body = body.replace(own.encode(), (inside if "://" in own else quote(inside, safe="")).encode())
        assert body != event.body
        unsigned = replace(event, body=body, headers={"Content-Type": event.headers["Content-Type"]})
        assert await real.exchange(unsigned) == (401, b"")
        assert await service.journal.conversations() == []

        service_url = {"serviceUrl": f"{real.url}/emea/"} if name == "teams" else {}
        signed = json.dumps({**json.loads(body), **service_url}).encode() if service_url else body
        assert 200 <= await real.post(real.resigned(event, signed)) < 300
        (found,) = await service.journal.conversations()
        talk = f"/console/conversations/{quote(found.conversation_id, safe='')}"
        for link in (*await links(session, f"{service.url}{talk}"), f"{talk}/attachments/1/0"):
            assert await refusal(session, service, link)
        assert called == []


@pytest.mark.parametrize("name", WITH_FILES)
async def test_a_picture_that_is_a_page_is_never_shown(name: str, tmp_path: Path) -> None:
    """Chatwoot: CVE-2021-3741, CVE-2021-3742 (SVG)."""
    svg = File("avatar.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    async with talking(tmp_path, name) as (real, service), console(service) as session:
        await send(real, svg)
        (found,) = await service.journal.conversations()
        talk = f"{service.url}/console/conversations/{quote(found.conversation_id, safe='')}"
        (link,) = await links(session, talk)
        async with session.get(f"{service.url}{link}") as answer:
            saved = answer.headers.get("Content-Disposition", "").startswith("attachment; ")
            assert answer.status == 422 or (saved and answer.content_type == "text/plain")


async def test_a_foreign_source_reaches_nobody_elses_conversation(tmp_path: Path) -> None:
    """Chatwoot: CVE-2026-115725 (a bot reached other accounts by `source_id`)."""
    async with talking(tmp_path, "chatwoot") as (real, service):
        assert isinstance(real, SimulatedChatwoot)
        await real.say("4911", "ask")
        await real.say("4922", "ask")
        told = json.loads(real.said("4922", "mine").body)
        told["conversation"]["contact_inbox"]["source_id"] = "source-1"
        told["source_id"] = "source-1"
        assert await real.post(real.signed(json.dumps(told).encode())) == 200
        assert await texts(service, "chatwoot-1:1") == ["ask"]
        assert await texts(service, "chatwoot-1:2") == ["ask", "mine"]
        foreign = {**told, "account": {"id": 2}}
        assert await real.exchange(real.signed(json.dumps(foreign).encode())) == (401, b"")


async def texts(service: Service, conversation_id: str) -> list[str]:
    return [one.message.text for one in await service.journal.entries(conversation_id) if one.message_id]


@pytest.mark.parametrize("sql", ["' OR '1'='1", "%", "_", "x'; DROP TABLE entries; --", '" OR ""="', "\\"])
async def test_what_is_asked_for_is_no_part_of_a_query(sql: str, tmp_path: Path) -> None:
    """Chatwoot: CVE-2025-21628."""
    async with talking(tmp_path, "telegram") as (real, service), console(service) as session:
        await send(real, PICTURE)
        (found,) = await service.journal.conversations()
        assert await service.journal.conversation(sql) is None
        assert await service.journal.attached(sql, 0, 9) == {}
        assert await service.journal.named(sql) == []
        there = quote(sql, safe="")
        for path in (f"conversations/{there}", f"conversations/{there}/attachments/1/0"):
            async with session.get(f"{service.url}/console/{path}") as answer:
                assert answer.status == 404
        for show in (sql, f"queue{sql}"):
            async with session.get(f"{service.url}/console/list", params={"show": show}) as answer:
                assert answer.status == 200
        await real.deliver(real.said(CUSTOMER, sql))
        assert await texts(service, found.conversation_id) == ["[file]", sql]
