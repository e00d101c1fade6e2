"""Mailboxes: nothing is lost between the mail server and the journal, and nothing is answered twice."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client import REGISTRY

from bot.channels import mail_servers
from bot.channels.checking import findings
from bot.channels.connector import Mailbox
from bot.channels.guard import Refused
from bot.channels.mail_parts import attached, fetched
from bot.channels.set_up import set_up
from bot.config import Settings
from bot.journal.errors import Unavailable
from bot.journal.values import DeliveryState
from bot.simulators.email import MailServers
from bot.simulators.imap_server import LEFT, READ, StoredMail
from bot.simulators.simulator import Event, File, Simulator
from tests.command import environment, ran
from tests.deliveries import settled
from tests.service import running
from tests.several import several, until
from tests.test_attachments import PICTURE, console, links, refusal
from tests.test_simulators import talking

CUSTOMER = "ada"


def simulated() -> MailServers:
    email = Settings(email=MailServers.sample("http://127.0.0.1:9")).email
    assert email is not None
    return MailServers.of(email)


def mailbox_of(mails: MailServers) -> Mailbox:
    return Mailbox(f"imap://127.0.0.1:{mails.url.rpartition(':')[2]}", mails.mailbox.user, mails.mailbox.password)


def servers(provider: Simulator) -> MailServers:
    assert isinstance(provider, MailServers)
    return provider


def stored(provider: MailServers, event: Event) -> StoredMail:
    head = "".join(f"{name}: {value}\r\n" for name, value in event.headers.items())
    return provider.mailbox.put(head.encode() + event.body)


def ignored(kind: str) -> float:
    return REGISTRY.get_sample_value("frontdesk_events_ignored_total", {"channel": "email", "kind": kind}) or 0.0


def failures() -> float:
    return REGISTRY.get_sample_value("frontdesk_mailbox_failures_total", {"channel": "email"}) or 0.0


async def test_a_conversation_stays_in_its_thread(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service):
        mails = servers(provider)
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 1)
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 2)
        first, second = mails.sent
        assert (first["Subject"], second["Subject"]) == ("Re: ask", "Re: ask")
        assert second["In-Reply-To"] == "<2.ada@customers.example>"
        assert first["Message-ID"] in second["References"]
        assert first["Auto-Submitted"] == "auto-replied"
        (conversation,) = await service.journal.conversations()
        assert conversation.conversation_id == "email-ada@customers.example"
        assert [mail.flags for mail in mails.mailbox.mails] == [{READ}, {READ}]


async def test_who_is_cut_off_between_accepting_and_marking_reads_again_and_answers_once(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service):
        mails = servers(provider)
        mails.mailbox.cut_at.append("STORE")
        assert await mails.say(CUSTOMER, "ask") == 200
        assert mails.mailbox.mails[0].fetched == 2
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 2)
        (conversation,) = await service.journal.conversations()
        assert conversation.entries == 4


async def test_processes_that_are_killed_between_accepting_and_marking_lose_nothing(tmp_path: Path) -> None:
    async with simulated().open() as mails:
        sample = MailServers.sample(mails.url)
        env = {f"FRONTDESK_EMAIL__{key.upper()}": value for key, value in sample.items()}
        async with several(tmp_path, **env) as service:
            mails.mailbox.hold_at = "STORE"
            mail = stored(mails, mails.said(CUSTOMER, "ask"))
            async with asyncio.timeout(60):
                await mails.mailbox.held.wait()
            for worker in service.workers():
                os.kill(worker, signal.SIGKILL)
            await mails.until(lambda: len(mails.sent) == 1, seconds=60)
            await until(lambda: mail.flags == {READ})
            assert mail.fetched > 1, "it was read again, on a busy machine by two processes one after the other"
            assert await mails.say(CUSTOMER, "ask") == 200
            await mails.until(lambda: len(mails.sent) >= 2)
            answered = [message["In-Reply-To"] for message in mails.sent]
            assert len(answered) == len(set(answered)) == 2, "each mail once"


@pytest.mark.parametrize("command", ["LOGIN", "SELECT", "SEARCH", "FETCH"])
async def test_a_server_that_goes_away_is_come_back_to(command: str, tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, _):
        mails = servers(provider)
        if command in ("LOGIN", "SELECT"):
            mails.mailbox.cut_at.append("NOOP")  # a new connection has to be made first
        mails.mailbox.cut_at.append(command)
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 1)
        assert mails.mailbox.cut_at == []


async def test_a_server_that_is_looked_at_often_is_not_left_alone_for_long(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    sample = MailServers.sample(f"http://127.0.0.1:{nobody}") | {"every": 0.001}
    before = failures()
    async with running(tmp_path, email=sample):
        await until(lambda: failures() > before + 9)


async def test_a_service_that_died_before_it_marked_a_mail_knows_it_again(tmp_path: Path) -> None:
    async with simulated().open() as mails:
        given = MailServers.sample(mails.url)
        mail = stored(mails, mails.said(CUSTOMER, "ask"))
        async with running(tmp_path, email=given):
            await mails.until(lambda: len(mails.sent) == 1)
        mail.flags.clear()
        async with running(tmp_path, email=given) as service:
            await mails.say(CUSTOMER, "ask")
            await mails.until(lambda: len(mails.sent) == 2)
            (conversation,) = await service.journal.conversations()
            assert conversation.entries == 4
            assert (mail.fetched, mail.flags) == (2, {READ})


async def test_one_strange_mail_is_left_and_the_next_one_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(tmp_path, "email", trusted_server="") as (provider, _):
        mails, before = servers(provider), ignored("malformed")
        assert await mails.post(Event(b"these are the words of a stranger")) == 401
        assert await mails.post(Event(b"From: a@x.org, b@x.org\r\n\r\nthe words of a stranger")) == 401
        assert ignored("malformed") == before + 2
        assert await mails.say(CUSTOMER, "ask") == 200
        await mails.until(lambda: len(mails.sent) == 1)
        assert [mail.flags for mail in mails.mailbox.mails] == [{LEFT}, {LEFT}, {READ}]
        assert [mail.fetched for mail in mails.mailbox.mails] == [1, 1, 1]
        assert "stranger" not in caplog.text


async def test_a_mail_that_the_server_does_not_give_out_keeps_no_other_from_being_answered(tmp_path: Path) -> None:
    before = ignored("withheld")
    async with talking(tmp_path, "email") as (provider, _):
        mails = servers(provider)
        broken = stored(mails, mails.said("eve", "ask"))
        broken.withheld = True
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 1)
        assert mails.mailbox.logins == 1
        await broken.marked.wait()
        assert (broken.flags, broken.fetched, ignored("withheld")) == ({LEFT}, 3, before + 1)


async def test_a_mail_on_which_reading_fails_is_left_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with talking(tmp_path, "email") as (provider, _):
        mails = servers(provider)

        def broken(*_: Any, **__: Any) -> Any:
            raise KeyError("the words of a customer")

        monkeypatch.setattr("bot.channels.email.Mail.message", broken)
        assert await mails.say(CUSTOMER, "ask") == 401
        monkeypatch.undo()
        assert await mails.say(CUSTOMER, "ask") == 200
        assert "(KeyError) and is left" in caplog.text
        assert "words of a customer" not in caplog.text


async def test_in_whose_name_anybody_may_have_written_is_left(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service):
        mails, before = servers(provider), ignored("forged")
        event = mails.said(CUSTOMER, "ask")
        assert await mails.post(Event(event.body, {"Authentication-Results": "mx.evil.example; dmarc=pass"})) == 401
        assert ignored("forged") == before + 1
        assert await service.journal.conversations() == []


async def test_nobody_brings_mail_to_a_webhook(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service), aiohttp.ClientSession() as session:
        event = provider.said(CUSTOMER, "ask")
        head = "".join(f"{name}: {value}\r\n" for name, value in event.headers.items()).encode()
        async with session.post(provider.webhook, data=head + event.body) as answer:
            assert (answer.status, await answer.read()) == (401, b"")
        assert await service.journal.conversations() == []


async def test_a_machine_is_not_answered_and_one_that_does_not_say_so_ends(tmp_path: Path) -> None:
    async with talking(tmp_path, "email", hourly=2) as (provider, _):
        mails = servers(provider)
        automatic = mails.said("robot", "ask")
        assert await mails.post(Event(b"Auto-Submitted: auto-replied\r\n" + automatic.body, automatic.headers)) == 200
        assert [await mails.say(CUSTOMER, "ask") for _ in range(3)] == [200, 200, 401]
        assert await mails.say("eve", "ask") == 200
        await mails.until(lambda: len(mails.sent) == 3)
        assert mails.texts("robot") == []


async def test_a_mail_that_cannot_be_stored_comes_again_and_takes_its_customers_turn_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with talking(tmp_path, "email", hourly=1) as (provider, service):
        mails, accept, tries = servers(provider), service.journal.accept, [0]

        async def away(inbound: Any) -> Any:
            tries[0] += 1
            if tries[0] < 4:
                raise Unavailable("the disk is full", 0.05)
            return await accept(inbound)

        monkeypatch.setattr(type(service.journal), "accept", lambda _, inbound: away(inbound))
        assert await mails.say(CUSTOMER, "ask") == 200
        assert tries[0] == 4


async def test_what_is_read_starred_or_old_is_left_alone(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, _):
        mails = servers(provider)
        body = mails.said("eve", "ask").body
        old = mails.mailbox.put(body, READ)
        mails.mailbox.put(body, LEFT)
        mails.mailbox.put(body).day = old.day - timedelta(5)
        await mails.say(CUSTOMER, "ask")
        assert [mail.fetched for mail in mails.mailbox.mails] == [0, 0, 0, 1]


async def test_of_two_servers_one_reads_and_the_other_takes_over(tmp_path: Path, valkey_url: str) -> None:
    async with simulated().open() as mails, AsyncExitStack() as second:
        given = {"email": MailServers.sample(mails.url), "redis_url": valkey_url}
        given["database_url"] = f"sqlite:///{tmp_path / 'journal.db'}"
        async with running(tmp_path / "one", **given):
            await mails.say(CUSTOMER, "ask")
            await second.enter_async_context(running(tmp_path / "two", **given))
            await mails.say(CUSTOMER, "ask")
            await mails.until(lambda: len(mails.sent) == 2)
            assert mails.mailbox.logins == 1
        await mails.say(CUSTOMER, "ask")
        await mails.until(lambda: len(mails.sent) == 3)
        assert mails.mailbox.logins == 2


async def test_a_report_makes_a_dead_letter_of_what_it_is_about(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service):
        mails = servers(provider)
        await mails.say(CUSTOMER, "ask")
        await settled(service.journal, DeliveryState.DELIVERED)
        name = mails.sent[0]["Message-ID"]
        report = (
            "From: MAILER-DAEMON@customers.example\r\nReturn-Path: <>\r\nMIME-Version: 1.0\r\n"
            'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
            "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nAction: failed\r\n"
            "Status: 5.2.2\r\n\r\n"
            f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {name}\r\n--b--\r\n"
        )
        assert await mails.post(Event(report.encode())) == 200
        (letter,) = await settled(service.journal, DeliveryState.GIVEN_UP)
        assert letter.error == "The customer's mail server did not take it (5.2.2)."


# What came with a mail


async def test_a_picture_is_fetched_out_of_the_mailbox_when_a_person_opens_it(tmp_path: Path) -> None:
    async with talking(tmp_path, "email") as (provider, service), console(service) as session:
        mails = servers(provider)
        assert await mails.post(mails.sent_file(CUSTOMER, PICTURE)) == 200
        talk = f"{service.url}/console/conversations/email-ada@customers.example"
        (link,) = await links(session, talk)
        async with session.get(f"{service.url}{link}") as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "image/png", PICTURE.body)
        mails.mailbox.validity += 1
        assert await refusal(session, service, link) == "The mail is not in the mailbox any more."
        mails.mailbox.validity -= 1
        mails.mailbox.mails.clear()
        assert await refusal(session, service, link) == "The mail is not in the mailbox any more."


async def test_a_file_that_is_too_large_is_not_fetched_in_whole() -> None:
    async with simulated().open() as mails:
        mails.mailbox.put(mails.sent_file(CUSTOMER, File("a.png", "image/png", b"x" * 3_000_000)).body)
        name = "/INBOX;UIDVALIDITY=7/;UID=1/;SECTION=2"
        whole = await asyncio.to_thread(attached, mailbox_of(mails), name, 3_000_000, 5.0)
        assert whole.body == b"x" * 3_000_000
        for most in (2_900_000, 1_000_000):
            with pytest.raises(Refused, match=f"larger than {most // 1_000_000} MB"):
                await asyncio.to_thread(attached, mailbox_of(mails), name, most, 5.0)


@pytest.mark.parametrize("step", ["LOGIN", "SELECT", "FETCH"])
async def test_for_a_file_that_nobody_waits_for_any_more_no_thread_does(step: str) -> None:
    async with simulated().open() as mails, asyncio.timeout(60):
        mails.mailbox.put(mails.sent_file(CUSTOMER, PICTURE).body)
        mails.mailbox.hold_at = step
        name = "/INBOX;UIDVALIDITY=7/;UID=1/;SECTION=2"
        fetching = asyncio.create_task(fetched(mailbox_of(mails), name, 1_000_000, 600.0))
        await mails.mailbox.held.wait()
        fetching.cancel()
        await mails.mailbox.left.wait()


@pytest.mark.parametrize(
    "name", ["/Other;UIDVALIDITY=7/;UID=1/;SECTION=1", "/INBOX;UIDVALIDITY=7/;UID=1:9/;SECTION=1", "https://x.org/y"]
)
async def test_only_what_a_mailbox_would_name_is_asked_for(name: str) -> None:
    async with simulated().open() as mails:
        mails.mailbox.put(b"From: a@x.org\n\nhello")
        mailbox = mailbox_of(mails)
        with pytest.raises(Refused, match="not in the mailbox"):
            await asyncio.to_thread(attached, mailbox, name, 1_000_000, 5.0)
        one = await asyncio.to_thread(attached, mailbox, "/INBOX;UIDVALIDITY=7/;UID=1/;SECTION=1", 1_000_000, 5.0)
        assert (one.body, one.headers) == (b"hello", {"content-type": "text/plain"})


# Sending


@pytest.mark.parametrize(
    ("plan", "state", "error"),
    [
        ("rcpt 550", DeliveryState.GIVEN_UP, "The mail server knows no way to the customer's address (550)."),
        ("554", DeliveryState.GIVEN_UP, "The mail server refuses what the mail says (554)."),
        ("cut", DeliveryState.UNKNOWN, "The connection to the mail server broke."),
        ("lost", DeliveryState.UNKNOWN, "The connection to the mail server broke."),
    ],
)
async def test_what_will_never_arrive_or_may_have_is_a_dead_letter(
    plan: str, state: DeliveryState, error: str, tmp_path: Path
) -> None:
    async with talking(tmp_path, "email", plan) as (provider, service):
        await provider.say(CUSTOMER, "ask")
        (letter,) = await settled(service.journal, state)
        assert letter.error == error


@pytest.mark.parametrize("plan", ["greeting 421", "rcpt 450", "data 451", "452"])
async def test_what_is_refused_for_now_is_sent_again(plan: str, tmp_path: Path) -> None:
    async with talking(tmp_path, "email", plan) as (provider, service):
        mails = servers(provider)
        await mails.say(CUSTOMER, "ask")
        await settled(service.journal, DeliveryState.DELIVERED)
        assert mails.calls == [plan, "ok"]


async def test_an_account_that_is_refused_waits_for_a_person(tmp_path: Path) -> None:
    async with talking(tmp_path, "email", "auth 535") as (provider, service):
        await provider.say(CUSTOMER, "ask")
        async with asyncio.timeout(60):
            while not (found := [one for one in await service.journal.deliveries() if one.error]):
                await asyncio.sleep(0.01)
        assert found[0].state is DeliveryState.WAITING
        assert found[0].error == "The mail server does not take user and password (535)."


# frontdesk channels check


async def checked(mails: MailServers, **more: Any) -> dict[str, str | None]:
    given = {**MailServers.sample(mails.url), **more}
    read = Settings(email=given, delivery_timeout=2.0)
    return {one.what: one.wrong for one in await findings(set_up(read)["email"], read)}


async def test_all_is_well(tmp_path: Path) -> None:
    async with simulated().open() as mails:
        assert await checked(mails) == {"The mailbox": None, "Sending": None}


async def test_what_is_wrong_is_a_sentence() -> None:
    async with simulated().open() as mails:
        wrong = await checked(mails, password="wrong")
        assert str(wrong["The mailbox"]).startswith("The mail server does not take user and password;")
        assert wrong["Sending"] == "The mail server does not take user and password (535)."
        wrong = await checked(mails, folder="Support")
        assert str(wrong["The mailbox"]).startswith("The mailbox has no folder Support that may be changed;")
        mails.mailbox.readonly = True
        assert str((await checked(mails))["The mailbox"]).startswith("The mailbox has no folder INBOX")
        mails.plan.append("mail 553")
        wrong = await checked(mails)
        assert wrong["Sending"] == "The mail server does not let this account send from the address (553)."
        wrong = await checked(mails, imap="imap://127.0.0.1:9", smtp="smtp://127.0.0.1:9")
        assert set(wrong.values()) == {"Nobody answers at the mail server's address; look at host and port."}
        port = int(mails.url.rpartition(":")[2])
        wrong = await checked(mails, imap=f"imaps://localhost:{port}", smtp=f"smtps://localhost:{port + 1}")
        assert all("speaks no TLS" in str(one) for one in wrong.values()), wrong
        mails.faults.clear()


async def test_the_mail_servers_are_played_in_the_terminal(tmp_path: Path) -> None:
    async with simulated().open() as free:
        port = int(free.url.rpartition(":")[2])
    sample = MailServers.sample(f"http://127.0.0.1:{port}")
    env = environment(tmp_path, **{f"FRONTDESK_EMAIL__{key.upper()}": str(value) for key, value in sample.items()})
    async with running(tmp_path / "service", email=sample):
        words = ("channels", "simulate", "email", "--port", port)
        ended = await asyncio.to_thread(ran, *words, env=env, stdin=b"ask\n")
    assert ended.code == 0, ended.err
    assert "< answer" in ended.out


# TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """Of localhost, by nobody; what serves with it, and the file that makes it good."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = tmp_path / "public.pem", tmp_path / "private.pem"
    public.write_bytes(made.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


def addresses(mails: MailServers, s: str) -> dict[str, str]:
    port = int(mails.url.rpartition(":")[2])
    return {"imap": f"imap{s}://localhost:{port}", "smtp": f"smtp{s}://localhost:{port + 1}"}


@pytest.mark.parametrize("s", ["s", ""])
async def test_a_certificate_has_to_be_good(
    s: str, certificate: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_servers, "_HERE", frozenset())  # as if it were another machine
    mails = simulated()
    mails.tls, mails.at_once = certificate[0], s == "s"
    async with mails.open():
        wrong = await checked(mails, **addresses(mails, s))
        assert all("certificate is not accepted" in str(one) for one in wrong.values()), wrong
        assert mails.mailbox.logins == 0
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[1]))
        assert await checked(mails, **addresses(mails, s)) == {"The mailbox": None, "Sending": None}


async def test_no_password_leaves_the_machine_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_servers, "_HERE", frozenset())
    async with simulated().open() as mails:
        wrong = await checked(mails, **addresses(mails, ""))
        assert all("offers no STARTTLS" in str(one) for one in wrong.values()), wrong
        assert mails.mailbox.logins == 0
