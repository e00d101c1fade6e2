"""Calls over the protocol that their address names: HTTP, or what mail servers speak."""

from __future__ import annotations

import asyncio
import time

from bot.channels.calls import Caller
from bot.channels.connector import Mailbox
from bot.channels.imap import Folder, MailboxError
from bot.channels.mail_servers import read_credentials
from bot.channels.smtp import Smtp
from bot.channels.verdict import Answer, Call, Outcome, Silence


class Transports:
    """`seconds` is the time a call may take, all in all. Whoever opens it closes it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._http, self._smtp = Caller(seconds), Smtp(seconds)

    async def close(self) -> None:
        await self._http.close()

    async def call(self, call: Call) -> Outcome:
        """Never raises."""
        if call.url.startswith(("smtp://", "smtps://")):
            return await self._smtp.call(call)
        if call.url.startswith(("imap://", "imaps://")):
            return await asyncio.to_thread(_opened, call, self._seconds)
        return await self._http.call(call)


def _opened(call: Call, seconds: float) -> Outcome:
    """Whether a folder can be read, which is all that a call asks a mailbox: what comes in is fetched by a reader."""
    user, password = read_credentials(call.headers.get("Authorization", ""))
    try:
        Folder.open(Mailbox(call.url, user, password, call.headers.get("Folder", "INBOX")), seconds).close()
    except (MailboxError, ValueError) as error:
        return Silence(False, str(error))
    return Answer(200, {}, b"", time.time())
