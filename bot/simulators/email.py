"""A mail server with one mailbox, and the customers who write to it: IMAP on a port, SMTP on the next one."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlsplit

from bot.channels.email import EmailSettings
from bot.channels.settings import ChannelSettings
from bot.simulators.imap_server import LEFT, READ, ImapSession, Mailbox, WrongCommand
from bot.simulators.provider import HANG_SECONDS
from bot.simulators.simulator import Choice, Event, File, Shown, Simulator
from bot.simulators.smtp_server import Cut, SmtpSession, WrongMail

SERVER, CUSTOMERS = "mx.shop.example", "customers.example"
ADDRESS = "support@shop.example"
LOOKED_SECONDS = 30.0
"""After which nobody seems to read the mailbox."""


@dataclass
class MailServers(Simulator):
    """A customer is known by what stands before the @. `plan` may also say `STEP CODE`, as in `rcpt 550`."""

    name: ClassVar[str] = "email"
    refusals: ClassVar[Mapping[int, str]] = {
        0: "Nobody fetched the mail; start the service with the same settings.",
        401: "The mail was left in the mailbox; the service's log says why.",
    }

    settings: EmailSettings = field(kw_only=True)
    mailbox: Mailbox = field(init=False)
    sent: list[EmailMessage] = field(default_factory=list)
    """Every mail of ours that was taken."""
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    """TLS begins with the connection; else STARTTLS is offered, if there is a certificate."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _sessions: set[asyncio.Task[None]] = field(default_factory=set)

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        port = urlsplit(url).port or 0
        return {
            "address": ADDRESS,
            "imap": f"imap://127.0.0.1:{port}",
            "smtp": f"smtp://127.0.0.1:{port + 1}",
            "password": "only for trying things out",
            "trusted_server": SERVER,
            "every": 0.2,
            "hourly": 1000,
        }

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("EmailSettings", settings))

    def __post_init__(self) -> None:
        ours = self.settings
        self.mailbox = Mailbox(ours.user or ours.address, ours.password.get_secret_value(), ours.folder)

    # -- from the customer

    def said(self, customer: str, text: str) -> Event:
        return self.resigned(Event(), self._mail(customer, text).as_bytes())

    def _mail(self, customer: str, text: str) -> EmailMessage:
        """With the mail of ours that it answers, as mail programs do."""
        mail = EmailMessage(policy=SMTP)
        seen = self.seen[customer]
        mail["From"] = address(customer)
        mail["To"] = self.settings.address
        mail["Subject"] = "Re: " + self._title(customer) if seen else " ".join(text.split())[:60]
        mail["Date"] = formatdate(time.time())
        mail["Message-ID"] = f"<{next(self._numbers)}.{customer.partition('@')[0]}@{CUSTOMERS}>"
        if seen:
            mail["In-Reply-To"] = seen[-1].id
        mail.set_content(text + (f"\n\nOn Monday the shop wrote:\n> {seen[-1].text[:40]}\n" if seen else ""))
        return mail

    def sent_file(self, customer: str, file: File) -> Event:
        mail = self._mail(customer, "")
        maintype, _, subtype = file.type.partition("/")
        mail.add_attachment(file.body, maintype=maintype, subtype=subtype, filename=file.name)
        return self.resigned(Event(), mail.as_bytes())

    def _title(self, customer: str) -> str:
        return next((str(mail["Subject"]).removeprefix("Re: ") for mail in reversed(self.sent)), "")

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        return self.said(customer, choice.title)

    def resigned(self, event: Event, body: bytes) -> Event:
        """The headers are what the mail server writes above the mail."""
        return Event(body, {"Authentication-Results": f"{SERVER}; spf=pass; dmarc=pass header.from={CUSTOMERS}"})

    async def exchange(self, event: Event) -> tuple[int, bytes]:
        """401: it was left in the mailbox. 0: nobody looked."""
        written = "".join(f"{name}: {value}\r\n" for name, value in event.headers.items())
        stored = self.mailbox.put(written.encode() + event.body)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOKED_SECONDS):
                await stored.marked.wait()
        return 200 if READ in stored.flags else 401 if LEFT in stored.flags else 0, b""

    # -- from our service

    @asynccontextmanager
    async def open(self, port: int = 0) -> AsyncIterator[Self]:
        servers = await self._listening(port)
        self.url = f"http://127.0.0.1:{servers[0].sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            for server in servers:
                server.close()
            for session in list(self._sessions):
                session.cancel()
            await asyncio.gather(*self._sessions, return_exceptions=True)
        assert self.faults == [], self.faults

    async def _listening(self, port: int) -> tuple[asyncio.Server, asyncio.Server]:
        """Two ports in a row."""
        for _ in range(20):
            tls = self.tls if self.at_once else None
            imap = await asyncio.start_server(self._imap, "127.0.0.1", port, ssl=tls)
            following = imap.sockets[0].getsockname()[1] + 1
            with suppress(OSError):
                return imap, await asyncio.start_server(self._smtp, "127.0.0.1", following, ssl=tls)
            imap.close()
        raise OSError(f"The port after {port} is taken; choose another one.")

    async def _imap(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve(ImapSession(self.mailbox, self._starttls(), reader, writer).run(), writer)

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ours = self.settings
        user, password = ours.smtp_user or self.mailbox.user, ours.smtp_password or ours.password
        login = (user, password.get_secret_value())
        session = SmtpSession(login, self._planned, self._take, self._starttls(), reader, writer)
        await self._serve(session.run(), writer)

    def _starttls(self) -> ssl.SSLContext | None:
        return None if self.at_once else self.tls

    async def _serve(self, session: Coroutine[Any, Any, None], writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(session)
        self._sessions.add(task)
        try:
            await task
        except (WrongCommand, WrongMail) as wrong:
            self.faults.append(str(wrong))
        except (Cut, ConnectionError):
            writer.transport.abort()
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._sessions.discard(task)
            self._came.set()
            writer.close()

    def _planned(self, step: str) -> str | None:
        """`rcpt 550` is for that command alone."""
        if self.plan and self.plan[0].startswith(f"{step} "):
            self.calls.append(self.plan.popleft())
            return f"{self.calls[-1].split()[1]} as planned"
        return None

    async def _take(self, mail: EmailMessage, recipient: str) -> str:
        kind = self.plan.popleft() if self.plan else "ok"
        self.calls.append(kind)
        if kind.isdigit():
            return f"{_code(int(kind))} not now"
        if kind == "lost":
            raise Cut
        self.sent.append(mail)
        self.show(customer(recipient), _shown(mail))
        if kind == "cut":
            raise Cut
        if kind == "hang":
            await asyncio.sleep(HANG_SECONDS)
        return f"{_code(int(kind[5:]))} not now" if kind.startswith("late ") else "250 queued"


def address(customer: str) -> str:
    return customer if "@" in customer else f"{customer}@{CUSTOMERS}"


def customer(recipient: str) -> str:
    return recipient.removesuffix(f"@{CUSTOMERS}")


def _code(status: int) -> int:
    """What other providers say with HTTP's numbers; 4yz and 5yz mean nearly the opposite in SMTP."""
    return {429: 451, 500: 554, 503: 421}.get(status, status)


def _shown(mail: EmailMessage) -> Shown:
    """As a mail program without HTML does."""
    part = mail.get_body(("plain",))
    assert part is not None
    return Shown(str(part.get_content()).replace("\r\n", "\n").strip(), id=str(mail["Message-ID"]))
