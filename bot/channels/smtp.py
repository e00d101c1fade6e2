"""Sends mails by SMTP, and tells one that was certainly not taken from one that may have been.

https://www.rfc-editor.org/rfc/rfc5321. A call's method is SEND or CHECK, its headers are the envelope: From, To, and
Authorization.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from bot.channels.mail_servers import MailServer, read_credentials, trouble
from bot.channels.verdict import Answer, Call, Outcome, Silence

SEND, CHECK = "SEND", "CHECK"
STEP = "step"
"""The header of an Answer that says at what the server said it."""
GREETING, LOGIN, SENDER, RECIPIENT, CONTENT = "greeting", "login", "sender", "recipient", "content"
QUIT_SECONDS = 1.0


class _Unable(Exception):
    """The server cannot be used so; the sentence says what to do."""


@dataclass(slots=True)
class _Progress:
    step: str = GREETING
    taken: int | None = None
    """What the server said when it took it."""

    @property
    def sent(self) -> bool:
        """The server may have all of the mail."""
        return self.step == CONTENT


class Smtp:
    """`seconds` is the time a mail may take, all in all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._tls: ssl.SSLContext | None = None

    async def call(self, call: Call) -> Outcome:
        """Never raises. What the server says is an Answer with SMTP's codes."""
        progress = _Progress()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._connected(call, progress)
        except SMTPResponseException as refusal:
            return _answer(refusal.code, progress)
        except _Unable as unable:
            return Silence(False, str(unable))
        except (SMTPException, OSError, RuntimeError, ValueError, KeyError) as error:
            if progress.taken is not None:  # and then there was no time to part in peace
                return _answer(progress.taken, progress)
            return Silence(progress.sent, trouble(error.__cause__ if isinstance(error.__cause__, OSError) else error))

    async def _connected(self, call: Call, progress: _Progress) -> Outcome:
        server = MailServer.of(call.url)
        client = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=False,
            timeout=None,
            local_hostname=call.headers["From"].rpartition("@")[2],
            tls_context=self._context(),
        )
        try:
            await client.connect()
            await _secured(client, server)
            await _logged_in(client, server, call, progress)
            return await _sent(client, call, progress)
        finally:
            client.close()

    def _context(self) -> ssl.SSLContext:
        """Made once: it reads a file of certificates."""
        self._tls = self._tls or ssl.create_default_context()
        return self._tls


async def _secured(client: SMTP, server: MailServer) -> None:
    await client.ehlo()
    if server.tls or server.here:
        return
    if not client.supports_extension("starttls"):
        raise _Unable("The mail server offers no STARTTLS: use smtps://, or the port at which it does.")
    await client.starttls()
    await client.ehlo()


async def _logged_in(client: SMTP, server: MailServer, call: Call, progress: _Progress) -> None:
    """A relay on this machine may ask for nothing."""
    progress.step = LOGIN
    user, password = read_credentials(call.headers.get("Authorization", ""))
    if user and client.supported_auth_methods:
        await client.login(user, password)
    elif not server.here:
        raise _Unable("The mail server offers no login with a password; look at host and port.")


async def _sent(client: SMTP, call: Call, progress: _Progress) -> Outcome:
    progress.step = SENDER
    code = (await client.mail(call.headers["From"])).code
    if call.method == SEND:
        progress.step = RECIPIENT
        await client.rcpt(call.headers["To"])
        progress.step = CONTENT
        code = progress.taken = (await client.data(call.body)).code
    with suppress(SMTPException, OSError, RuntimeError):
        async with asyncio.timeout(QUIT_SECONDS):
            await client.quit()
    return _answer(code, progress)


def _answer(code: int, progress: _Progress) -> Answer:
    return Answer(code, {STEP: progress.step}, b"", time.time())
