"""As much of an IMAP server as our client uses, and strict about that (RFC 3501)."""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email import message_from_bytes
from typing import Any

READ, LEFT = r"\Seen", r"\Flagged"
_COMMAND = re.compile(rb"([A-Z0-9]{1,20}) (?:UID )?([A-Z]+)(?: (.*))?\r\n")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^)]*\)|[^\s"]+)')
_FETCH = re.compile(r"\(BODY\.PEEK\[\]<0\.(\d+)>\)")
_PART = re.compile(r"\(BODY\.PEEK\[HEADER\] BODY\.PEEK\[([\d.]+)\.MIME\] BODY\.PEEK\[\1\]<0\.(\d+)>\)")
_SAID = {"CAPABILITY": "* CAPABILITY IMAP4rev1", "NOOP": "* OK still here", "LOGOUT": "* BYE"}


@dataclass
class StoredMail:
    uid: int
    raw: bytes
    day: date = field(default_factory=lambda: datetime.now(UTC).date())
    flags: set[str] = field(default_factory=set)
    marked: asyncio.Event = field(default_factory=asyncio.Event)
    """What becomes of it is decided."""
    fetched: int = 0
    withheld: bool = False
    """The server has it and does not give it out."""


@dataclass
class Mailbox:
    user: str
    password: str
    folder: str = "INBOX"
    mails: list[StoredMail] = field(default_factory=list)
    validity: int = 7
    logins: int = 0
    readonly: bool = False
    cut_at: list[str] = field(default_factory=list)
    """Commands at which the connection is cut, each once."""
    hold_at: str = ""
    """A command that gets no answer, once."""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Whoever got no answer has gone."""

    def put(self, raw: bytes, *flags: str) -> StoredMail:
        mail = StoredMail(len(self.mails) + 1, raw, flags=set(flags))
        self.mails.append(mail)
        return mail

    def unread(self) -> list[StoredMail]:
        return [mail for mail in self.mails if not mail.flags & {READ, LEFT}]


class WrongCommand(Exception):
    """Our client must not say this; the sentence says what is wrong."""


@dataclass
class ImapSession:
    mailbox: Mailbox
    tls: ssl.SSLContext | None
    """For STARTTLS."""
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    state: str = "new"

    async def run(self) -> None:
        """Until the client goes, or is cut off. Raises WrongCommand."""
        self._say("* OK IMAP4rev1 at your service")
        while line := await self.reader.readline():
            found = _COMMAND.fullmatch(line)
            if found is None:
                raise WrongCommand(f"IMAP: {line[:60]!r}")
            tag, command, rest = found[1].decode(), found[2].decode(), (found[3] or b"").decode()
            if command == self.mailbox.hold_at:
                self.mailbox.hold_at = ""
                self.mailbox.held.set()
                await self.reader.read()
                self.mailbox.left.set()
                return
            if command in self.mailbox.cut_at:
                self.mailbox.cut_at.remove(command)
                return
            self._say(f"{tag} {self._answer(command, rest)}")
            await self.writer.drain()
            if command == "LOGOUT":
                return
            if command == "STARTTLS" and self.tls:
                await self.writer.start_tls(self.tls)
                self.tls = None

    def _say(self, text: str, literal: bytes | None = None) -> None:
        self.writer.write(text.encode() + (b"\r\n" if literal is None else b"\r\n" + literal + b")\r\n"))

    def _answer(self, command: str, rest: str) -> str:
        words = [quoted or plain for quoted, plain in _WORD.findall(rest)]
        if command in _SAID or (command == "STARTTLS" and self.tls):
            self._say(_SAID.get(command, "* OK") + (" STARTTLS" if command == "CAPABILITY" and self.tls else ""))
            return "OK done"
        if command == "LOGIN":
            return self._log_in(*words)
        if command == "SELECT" and self.state != "new":
            return self._select(*words)
        if self.state != "selected":
            raise WrongCommand(f"IMAP: {command} while {self.state}")
        if command == "SEARCH":
            return self._search(words)
        return self._fetch(*words) if command == "FETCH" else self._store(command, *words)

    def _log_in(self, user: str, password: str) -> str:
        self.mailbox.logins += 1
        if (user, password) != (self.mailbox.user, self.mailbox.password):
            return "NO [AUTHENTICATIONFAILED] Invalid credentials"
        self.state = "known"
        return "OK logged in"

    def _select(self, folder: str) -> str:
        if folder != self.mailbox.folder:
            return "NO no such folder"
        self.state = "selected"
        self._say(f"* {len(self.mailbox.mails)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {self.mailbox.validity}] UIDs valid")
        return f"OK [{'READ-ONLY' if self.mailbox.readonly else 'READ-WRITE'}] selected"

    def _search(self, words: list[str]) -> str:
        *keys, since, day = words
        if keys != ["UNSEEN", "UNFLAGGED", "UNDELETED"] or since != "SINCE":
            raise WrongCommand(f"IMAP: SEARCH {words}")
        first = datetime.strptime(day, "%d-%b-%Y").date()
        found = [str(mail.uid) for mail in self.mailbox.unread() if mail.day >= first]
        self._say(" ".join(["* SEARCH", *reversed(found)]))
        return "OK searched"

    def _fetch(self, uid: str, what: str) -> str:
        if part := _PART.fullmatch(what):
            return self._fetch_part(uid, part[1], int(part[2]))
        found = _FETCH.fullmatch(what)
        if found is None:
            raise WrongCommand(f"IMAP: FETCH {what}")
        for mail in self._named(uid):
            mail.fetched += 1
            if mail.withheld:
                return "NO Server Unavailable. 15"
            raw = mail.raw[: int(found[1])]
            self._say(f"* {mail.uid} FETCH (UID {uid} BODY[]<0> {{{len(raw)}}}", raw)
        return "OK fetched"

    def _fetch_part(self, uid: str, section: str, most: int) -> str:
        for mail in self._named(uid):
            whole, own, body = _part(mail.raw, section)
            for name, text in (("HEADER", whole), (f"{section}.MIME", own)):
                start = f"* {mail.uid} FETCH (UID {uid} " if name == "HEADER" else " "
                self.writer.write(f"{start}BODY[{name}] {{{len(text)}}}\r\n".encode() + text)
            self._say(f" BODY[{section}]<0> {{{len(body[:most])}}}", body[:most])
        return "OK fetched"

    def _store(self, command: str, uid: str, how: str, flags: str) -> str:
        if command != "STORE" or how != "+FLAGS.SILENT" or flags not in (f"({READ})", f"({LEFT})"):
            raise WrongCommand(f"IMAP: {command} {how} {flags}")
        for mail in self._named(uid):
            mail.flags.add(flags.strip("()"))
            mail.marked.set()
        return "OK stored"

    def _named(self, uid: str) -> list[StoredMail]:
        return [mail for mail in self.mailbox.mails if str(mail.uid) == uid]


def _part(raw: bytes, section: str) -> tuple[bytes, bytes, bytes]:
    """The mail's headers, the part's own, and the part as it is written; a mail without parts is its first one."""
    mail = message_from_bytes(raw)
    part: Any = mail
    for at in section.split(".") if mail.is_multipart() else ():
        part = part.get_payload(int(at) - 1)
    whole, own = (one.as_bytes().partition(b"\n\n") for one in (mail, part))
    return whole[0] + b"\n\n", own[0] + b"\n\n" if part is not mail else b"", own[2]
