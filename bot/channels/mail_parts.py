"""What came with a mail, fetched from the mailbox in which the mail still is."""

from __future__ import annotations

import asyncio
import time

from bot.channels.connector import Mailbox
from bot.channels.guard import Refused, Why
from bot.channels.imap import Folder, Line, MailboxError
from bot.channels.verdict import Answer
from bot.mails import parsed

PART = "Part"
"""The header of a call that names the part."""
GROWN = 1.4
"""Base64, with its line ends, makes so much of a file."""


async def fetched(mailbox: Mailbox, name: str, most: int, seconds: float) -> Answer:
    """As `attached`, in a thread that goes no further when nobody waits for it any more."""
    line = Line()
    try:
        return await asyncio.to_thread(attached, mailbox, name, most, seconds, line)
    except asyncio.CancelledError:
        line.cut()
        raise


def attached(mailbox: Mailbox, name: str, most: int, seconds: float, line: Line | None = None) -> Answer:
    """Its bytes, and its type as the sender says. Blocks; raises Refused. `seconds`: for each answer of the server."""
    longest = int(most * GROWN)
    try:
        folder = Folder.open(mailbox, seconds, line)
        try:
            raw = folder.part(name, longest)
        finally:
            folder.close()
    except MailboxError as error:
        raise Refused(Why.PROVIDER, str(error)) from None
    part = parsed(raw) if raw else None
    if raw is None or part is None:
        raise Refused(Why.PROVIDER, "The mail is not in the mailbox any more.")
    body = part.get_payload(decode=True)
    if len(raw) > longest or not isinstance(body, bytes) or len(body) > most:
        raise Refused(Why.SIZE, f"The file is larger than {most // 1_000_000} MB.")
    return Answer(200, {"content-type": part.get_content_type()}, body, time.time())
