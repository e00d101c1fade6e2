"""Mailboxes: what customers wrote by e-mail, and conversations that a chat tool mailed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from email.message import EmailMessage
from email.utils import getaddresses
from itertools import islice
from pathlib import Path

from bot.mails import addresses, body, header, is_automatic, is_nobody, parsed, subject, time_of, without_quotes
from bot.transcripts import writers
from bot.transcripts.chat_lines import Line, said
from bot.transcripts.message import STAFF, Items, LeftOut, Message, Way, Writer
from bot.transcripts.opened import bytes_of
from nlu.source import DataError

AUTOMATIC, UNREADABLE = "an automatic e-mail", "no readable e-mail"
LARGEST = 4 << 20
"""Bytes of a message that are read: behind them are attachments."""
_LOOKED_AT = 200
"""Messages from which the shop's own address is told."""
_FREE_MAIL = (
    "gmail.com googlemail.com outlook.com hotmail.com yahoo.com icloud.com gmx.de gmx.net web.de aol.com proton.me"
)
_FREE = frozenset(_FREE_MAIL.split())

Raw = Generator[tuple[int, bytes], None, None]
"""The line on which a message begins, and its bytes."""


def read_mbox(path: Path, way: Way) -> Items:
    way = _with_own(_of_mbox(path, way), way)
    yield from _read(_of_mbox(path, way), way)


def read_maildir(path: Path, way: Way) -> Items:
    way = _with_own(_of_maildir(path), way)
    yield from _read(_of_maildir(path), way)


def read_one(path: Path, way: Way) -> Items:
    with bytes_of(path, way) as file:
        yield from _read(iter([(1, file.read(LARGEST))]), way)


def _of_mbox(path: Path, way: Way) -> Raw:
    """A message begins with a line `From ` behind an empty one."""
    with bytes_of(path, way) as file:
        lines: list[bytes] = []
        begins, size, blank = 1, 0, True
        for number, line in enumerate(iter(lambda: file.readline(LARGEST), b""), 1):
            if blank and line.startswith(b"From "):
                if lines:
                    yield begins, b"".join(lines)
                lines, begins, size = [], number, 0
            elif size < LARGEST:
                lines.append(line[1:] if line.startswith(b">From ") else line)
                size += len(line)
            blank = not line.strip()
        if lines:
            yield begins, b"".join(lines)


def _of_maildir(path: Path) -> Raw:
    files = (file for folder in ("cur", "new") for file in sorted((path / folder).glob("*")) if file.is_file())
    for number, file in enumerate(files, 1):
        try:
            with file.open("rb") as opened:
                yield number, opened.read(LARGEST)
        except OSError as error:
            raise DataError(file, None, f"the file cannot be read ({error.strerror}).") from None


def _with_own(raw: Raw, way: Way) -> Way:
    """The address that most messages were sent to, and its domain unless it is everybody's."""
    if way.own:
        return way
    seen = Counter(address for _, data in islice(raw, _LOOKED_AT) for address in _recipients(parsed(data)))
    raw.close()
    if not seen:
        return way
    address, _ = seen.most_common(1)[0]
    domain = address.rpartition("@")[2]
    own = frozenset({address} if domain in _FREE else {address, domain})
    way.remarks.append(f"what {' or '.join(sorted(own, reverse=True))} sent is taken as yours (--own names others)")
    return replace(way, own=own)


def _recipients(mail: EmailMessage | None) -> Iterable[str]:
    """One vote a message for each; of what was sent from this mailbox the sender has three."""
    if mail is None:
        return []
    if "sent" in header(mail, "X-Gmail-Labels").casefold():
        return addresses(mail, "From") * 3
    return {*addresses(mail, "To"), *addresses(mail, "Delivered-To")}


def _read(raw: Iterator[tuple[int, bytes]], way: Way) -> Items:
    for line, data in raw:
        mail = parsed(data)
        if mail is None:
            yield LeftOut(line, UNREADABLE)
            continue
        text = body(mail)
        chat = said(text, way.customers | _names(mail, way))
        yield from _chat(line, mail, chat, way) if chat else _letter(line, mail, text, way)


def _chat(line: int, mail: EmailMessage, chat: list[tuple[Line, Writer]], way: Way) -> Items:
    for one, writer in chat:
        yield Message(
            line,
            one.text,
            writer,
            one.who,
            conversation=_identity(mail),
            id=str(one.number),
            at=time_of(mail),
            customer=next(iter(_customers(mail, way)), None),
        )


def _letter(line: int, mail: EmailMessage, written: str, way: Way) -> Items:
    sender = next(iter(addresses(mail, "From")), "")
    if way.own and writers.by_address(sender, way.own) is Writer.STAFF:
        yield LeftOut(line, STAFF)
    elif is_automatic(mail, sender):
        yield LeftOut(line, AUTOMATIC)
    else:
        text = without_quotes(written) or subject(mail)
        yield Message(
            line, text, conversation=_thread(mail), id=_identity(mail), at=time_of(mail), customer=sender or None
        )


def _customers(mail: EmailMessage, way: Way) -> list[str]:
    """The addresses in a chat tool's mail that are not the shop's or the tool's."""
    found = [*addresses(mail, "Reply-To"), *addresses(mail, "From")]
    return [one for one in found if writers.by_address(one, way.own) is Writer.CUSTOMER and not is_nobody(one)]


def _names(mail: EmailMessage, way: Way) -> frozenset[str]:
    """The names of these addresses."""
    known = set(_customers(mail, way))
    pairs = getaddresses([header(mail, "Reply-To"), header(mail, "From")])
    return frozenset(name.casefold() for name, address in pairs if name and address.casefold() in known)


def _identity(mail: EmailMessage) -> str | None:
    return header(mail, "Message-ID") or None


def _thread(mail: EmailMessage) -> str | None:
    first = (header(mail, "References") or header(mail, "In-Reply-To")).split()
    return header(mail, "X-GM-THRID") or (first[0] if first else _identity(mail))
