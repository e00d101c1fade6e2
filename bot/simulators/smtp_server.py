"""As much of an SMTP server as our client uses, and strict about that (RFC 5321)."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP

LONGEST_LINE = 998
Step = Callable[[str], str | None]
"""The answer that a command is to get instead of the usual one."""
Take = Callable[[EmailMessage, str], Awaitable[str]]
"""A mail, and whom it is for; returns the answer."""


class WrongMail(Exception):
    """Our client must not say this; the sentence says what is wrong."""


class Cut(Exception):
    """The connection ends here."""


@dataclass
class SmtpSession:
    login: tuple[str, str]
    planned: Step
    take: Take
    tls: ssl.SSLContext | None
    """For STARTTLS."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    sender: str = ""
    recipient: str = ""

    async def run(self) -> None:
        """Until the client goes. Raises WrongMail and Cut."""
        self._say(self.planned("greeting") or "220 mx.shop.example ESMTP")
        while line := await self.reader.readline():
            if not line.endswith(b"\r\n"):
                raise WrongMail(f"SMTP: {line[:60]!r}")
            words = line.decode().strip().split(" ", 1)
            await self._command(words[0].upper(), words[1] if len(words) > 1 else "")
            await self.writer.drain()
            if words[0].upper() == "QUIT":
                return

    def _say(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def _command(self, command: str, rest: str) -> None:
        planned = self.planned(command.lower())
        if planned is not None:
            self._say(planned)
        elif command == "DATA":
            await self._data()
        elif command == "STARTTLS" and self.tls:
            self._say("220 go ahead")
            await self.writer.start_tls(self.tls)
            self.tls = None
        else:
            self._say(*self._answer(command, rest))

    def _answer(self, command: str, rest: str) -> tuple[str, ...]:
        if command == "EHLO":
            return "250-mx.shop.example", f"250-{'STARTTLS' if self.tls else 'AUTH PLAIN'}", "250 SIZE 35882577"
        if command == "AUTH":
            return (self._log_in(rest),)
        if command == "QUIT":
            return ("221 bye",)
        found = re.fullmatch(r"(?:FROM|TO):<([^<>\s]+)>(?: SIZE=\d+)?", rest)
        if found is None or command not in ("MAIL", "RCPT"):
            raise WrongMail(f"SMTP: {command} {rest}")
        if command == "MAIL":
            self.sender = found[1]
        else:
            self.recipient = found[1]
        return ("250 ok",)

    def _log_in(self, rest: str) -> str:
        given = base64.b64decode(rest.removeprefix("PLAIN ")).decode()
        return "235 welcome" if tuple(given.split("\0")[1:]) == self.login else "535 5.7.8 authentication failed"

    async def _data(self) -> None:
        if not self.sender or not self.recipient:
            raise WrongMail("SMTP: DATA without sender and recipient")
        self._say("354 go ahead")
        lines: list[bytes] = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise Cut
            lines.append(line[1:] if line.startswith(b".") else line)
        self._say(await self.take(self._checked(lines), self.recipient))

    def _checked(self, lines: list[bytes]) -> EmailMessage:
        if any(len(line) > LONGEST_LINE + 2 or not line.endswith(b"\r\n") for line in lines):
            raise WrongMail("SMTP: a line that is too long, or ends with something else")
        mail = BytesParser(policy=SMTP).parsebytes(b"".join(lines))
        assert isinstance(mail, EmailMessage)
        for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
            if len(mail.get_all(name, [])) != 1:
                raise WrongMail(f"SMTP: {name} {mail.get_all(name)}")
        if (mail["From"].addresses[0].addr_spec, mail["To"].addresses[0].addr_spec) != (self.sender, self.recipient):
            raise WrongMail("SMTP: the envelope is not the mail's")
        return mail
