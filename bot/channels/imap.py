"""A folder of a mailbox, read by IMAP. What is done with a mail is kept where people see it: in the mailbox.

https://www.rfc-editor.org/rfc/rfc3501. Everything that talks to the server blocks.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from imaplib import IMAP4, IMAP4_SSL
from typing import Any, Self

from bot.channels.connector import Mailbox
from bot.channels.mail_servers import MailServer, trouble

LARGEST = 1 << 20
"""Bytes of a mail that are fetched: behind them are attachments."""
READ, LEFT = r"\Seen", r"\Flagged"
"""What a mail is marked with that was taken, and one that is left to people: it stays unread, with a star."""
PART_TEXTS = 3
_PART = re.compile(r"/;UID=(\d{1,10})/;SECTION=(\d{1,3}(?:\.\d{1,3}){0,20})")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


class MailboxError(Exception):
    """The mailbox cannot be read; the sentence says why and what to do."""


class Withheld(MailboxError):
    """The server does not give out this one mail; the folder can be used further."""


@dataclass(slots=True)
class Line:
    """A connection that another thread may cut, also before there is one."""

    _imap: IMAP4 | None = None
    _cut: bool = False

    def made(self, imap: IMAP4) -> None:
        self._imap = imap
        if self._cut:
            _interrupt(imap)

    def cut(self) -> None:
        self._cut = True
        if self._imap is not None:
            _interrupt(self._imap)


@dataclass(frozen=True, slots=True)
class Folder:
    """Open from `open` to `close`. Every method raises MailboxError, and then the folder is of no use any more."""

    imap: IMAP4
    path: str
    """With UIDVALIDITY: while it is the same, a UID names the same mail."""

    @classmethod
    def open(cls, mailbox: Mailbox, seconds: float, line: Line | None = None) -> Self:
        """`seconds`: for each answer of the server. By `line` another thread can end it."""
        imap = _connected(MailServer.of(mailbox.url), seconds, line or Line())
        try:
            _log_in(imap, mailbox)
            _select(imap, mailbox.folder)
            return cls(imap, f"/{mailbox.folder};UIDVALIDITY={_text(imap.response('UIDVALIDITY')[1])}")
        except BaseException:
            _shut(imap)
            raise

    def unread(self, since: date) -> list[str]:
        """UIDs of the mails that nobody has read or put a star on, the oldest first."""
        with _told():
            self.imap.noop()  # some servers tell of new mail only then
            day = f"{since.day:02}-{_MONTHS[since.month - 1]}-{since.year}"
            found = _ok(self.imap.uid("SEARCH", "UNSEEN", "UNFLAGGED", "UNDELETED", "SINCE", day))
            return sorted(_text(found).split(), key=int)

    def name(self, uid: str) -> str:
        """The mail's, as RFC 5092 writes it."""
        return f"{self.path}/;UID={uid}"

    def fetch(self, uid: str) -> bytes | None:
        """The mail, or the beginning of a large one; it stays unread. None: it is gone. Raises Withheld, too."""
        with _told():
            answer, parts = self.imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{LARGEST}>)")
        if answer != "OK":
            raise Withheld("The mail server does not give out a mail.")
        return next((part[1] for part in parts if isinstance(part, tuple) and b"BODY[" in part[0]), None)

    def part(self, name: str, most: int) -> bytes | None:
        """A part of a mail, by its name: with the headers that tell how it is written, and so many bytes. None: it is
        not there, or not any more."""
        found = _PART.fullmatch(name.removeprefix(self.path)) if name.startswith(self.path) else None
        if found is None:
            return None
        with _told():
            asked = f"(BODY.PEEK[HEADER] BODY.PEEK[{found[2]}.MIME] BODY.PEEK[{found[2]}]<0.{most}>)"
            answer = _ok(self.imap.uid("FETCH", found[1], asked))
        texts = [part[1] for part in answer if isinstance(part, tuple)]
        if len(texts) != PART_TEXTS or not texts[-1]:
            return None
        whole, own, body = texts  # a mail that is one part alone has no headers but the mail's
        return bytes((own.strip() or whole.strip()) + b"\r\n\r\n" + body)

    def mark(self, uid: str, flag: str) -> None:
        with _told():
            _ok(self.imap.uid("STORE", uid, "+FLAGS.SILENT", f"({flag})"))

    def interrupt(self) -> None:
        """From another thread: whoever waits for an answer waits no longer."""
        _interrupt(self.imap)

    def close(self) -> None:
        _shut(self.imap)


def _connected(server: MailServer, seconds: float, line: Line) -> IMAP4:
    imap = _greeted(server, seconds)
    line.made(imap)
    if not server.tls and not server.here:
        _secure(imap)
        line.made(imap)  # over another socket by now
    return imap


def _greeted(server: MailServer, seconds: float) -> IMAP4:
    with _told():
        if server.tls:
            return IMAP4_SSL(server.host, server.port, ssl_context=ssl.create_default_context(), timeout=seconds)
        return IMAP4(server.host, server.port, timeout=seconds)


def _secure(imap: IMAP4) -> None:
    try:
        if "STARTTLS" not in imap.capabilities:
            raise MailboxError("The mail server offers no STARTTLS: use imaps://, or the port at which it does.")
        with _told():
            imap.starttls(ssl.create_default_context())
    except MailboxError:
        _shut(imap)
        raise


def _log_in(imap: IMAP4, mailbox: Mailbox) -> None:
    if not mailbox.password.isascii() or not mailbox.user.isascii():
        raise MailboxError("IMAP's login takes plain letters, digits and signs alone: choose another password.")
    with _told("The mail server does not take user and password; some want a password made for one program."):
        imap.login(_quoted(mailbox.user), mailbox.password)


def _select(imap: IMAP4, folder: str) -> None:
    with _told(f"The mailbox has no folder {folder} that may be changed; look at its name and rights."):
        _ok(imap.select(_quoted(folder)))


def _quoted(text: str) -> str:
    """The library does so with passwords alone."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@contextmanager
def _told(refused: str = "The mail server refuses; its log may say why.") -> Iterator[None]:
    """Every failure as a MailboxError; `refused` says what it means that the server says no."""
    try:
        yield
    except IMAP4.readonly:
        raise MailboxError(refused) from None
    except IMAP4.abort as error:
        raise MailboxError(trouble(error)) from None
    except IMAP4.error:
        raise MailboxError(refused) from None
    except (OSError, ValueError) as error:
        raise MailboxError(trouble(error)) from None


def _ok(answer: tuple[str, list[Any]]) -> list[Any]:
    if answer[0] != "OK":
        raise IMAP4.error
    return answer[1]


def _text(answer: list[Any]) -> str:
    """The first line that is one."""
    return next((line.decode("ascii", "replace") for line in answer or [] if isinstance(line, bytes)), "")


def _interrupt(imap: IMAP4) -> None:
    with suppress(OSError):
        imap.sock.shutdown(socket.SHUT_RDWR)


def _shut(imap: IMAP4) -> None:
    with suppress(OSError, ValueError):
        imap.shutdown()
