"""Mailboxes: what customers wrote by e-mail, and conversations that a chat tool mailed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from email import policy
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime
from itertools import islice
from pathlib import Path

from bot.transcripts import writers
from bot.transcripts.chat_lines import Line, said
from bot.transcripts.message import STAFF, Items, LeftOut, Message, Way, Writer
from bot.transcripts.opened import bytes_of
from bot.transcripts.plain import of_html
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
_QUOTED = re.compile(
    r"^\s*(?:>|-{2,}\s*(?:original message|ursprüngliche nachricht|forwarded message|message d'origine)|_{10,}"
    r"|##- .* -##)"
    r"|^\s*(?:on|am|le|el|il|op) .{6,200} (?:wrote|schrieb.*|a écrit|escribió|ha scritto|schreef)\s*:\s*$"
    r"|^\s*(?:from|von|de): .+@.+$",
    re.IGNORECASE,
)
_BEGINS_QUOTE = re.compile(r"^\s*(?:on|am|le|el|il|op) .{6,200}$", re.IGNORECASE)
_ENDS_QUOTE = re.compile(r"(?:wrote|schrieb.*|a écrit|escribió|ha scritto|schreef)\s*:\s*$", re.IGNORECASE)
_SIGNATURE = re.compile(r"^-- ?$|^(?:sent from my|von meinem .* gesendet|get outlook for)", re.IGNORECASE)
_REPLY = re.compile(r"^(?:(?:re|aw|fwd?|wg|sv|antw)\s*:\s*)+", re.IGNORECASE)
_NOBODY = re.compile(r"^(?:no[-_.]?reply|do[-_.]?not[-_.]?reply|mailer-daemon|postmaster|bounces?)\b", re.IGNORECASE)

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
    seen = Counter(address for _, data in islice(raw, _LOOKED_AT) for address in _recipients(_parsed(data)))
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
    if "sent" in _header(mail, "X-Gmail-Labels").casefold():
        return _addresses(mail, "From") * 3
    return {*_addresses(mail, "To"), *_addresses(mail, "Delivered-To")}


def _read(raw: Iterator[tuple[int, bytes]], way: Way) -> Items:
    for line, data in raw:
        mail = _parsed(data)
        if mail is None or not (mail.keys() and data.strip()):
            yield LeftOut(line, UNREADABLE)
            continue
        body = _body(mail)
        chat = said(body, way.customers | _names(mail, way))
        yield from _chat(line, mail, chat, way) if chat else _letter(line, mail, body, way)


def _parsed(data: bytes) -> EmailMessage | None:
    try:
        return BytesParser(policy=policy.default).parsebytes(data)
    except Exception:
        return None


def _chat(line: int, mail: EmailMessage, chat: list[tuple[Line, Writer]], way: Way) -> Items:
    for one, writer in chat:
        yield Message(
            line,
            one.text,
            writer,
            one.who,
            conversation=_identity(mail),
            id=str(one.number),
            at=_time(mail),
            customer=next(iter(_customers(mail, way)), None),
        )


def _letter(line: int, mail: EmailMessage, body: str, way: Way) -> Items:
    sender = next(iter(_addresses(mail, "From")), "")
    if way.own and writers.by_address(sender, way.own) is Writer.STAFF:
        yield LeftOut(line, STAFF)
    elif _is_automatic(mail, sender):
        yield LeftOut(line, AUTOMATIC)
    else:
        text = _without_quotes(body) or _REPLY.sub("", _header(mail, "Subject"))
        yield Message(
            line, text, conversation=_thread(mail), id=_identity(mail), at=_time(mail), customer=sender or None
        )


def _is_automatic(mail: EmailMessage, sender: str) -> bool:
    automatic = _header(mail, "Auto-Submitted").casefold() not in ("", "no")
    bulk = _header(mail, "Precedence").casefold() in ("bulk", "list", "junk", "auto_reply")
    listed = bool(_header(mail, "List-Id") or _header(mail, "List-Unsubscribe"))
    return automatic or bulk or listed or bool(_NOBODY.match(sender))


def _body(mail: EmailMessage) -> str:
    try:
        part = mail.get_body(preferencelist=("plain", "html"))
        if part is None:
            return ""
        text = _decoded(part)
    except Exception:
        return ""
    return of_html(text) if part.get_content_type() == "text/html" else text.replace("\r\n", "\n")


def _decoded(part: MIMEPart) -> str:
    try:
        return str(part.get_content())
    except (LookupError, UnicodeError):  # a character set that nobody knows
        raw = part.get_payload(decode=True)
        return raw.decode("latin-1") if isinstance(raw, bytes) else ""


def _without_quotes(body: str) -> str:
    """What was written now: no quoted mail, no signature."""
    kept: list[str] = []
    lines = body.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        broken = _BEGINS_QUOTE.match(line) and _ENDS_QUOTE.search(following)
        if _QUOTED.match(line) or broken or _SIGNATURE.match(line.strip()):
            break
        kept.append(line)
    return "\n".join(kept).strip()


def _header(mail: EmailMessage, name: str) -> str:
    try:
        return str(mail.get(name, "")).strip()
    except Exception:
        return ""


def _addresses(mail: EmailMessage, name: str) -> list[str]:
    return [address.casefold() for _, address in getaddresses([_header(mail, name)]) if "@" in address]


def _customers(mail: EmailMessage, way: Way) -> list[str]:
    """The addresses in a chat tool's mail that are not the shop's or the tool's."""
    found = [*_addresses(mail, "Reply-To"), *_addresses(mail, "From")]
    return [one for one in found if writers.by_address(one, way.own) is Writer.CUSTOMER and not _NOBODY.match(one)]


def _names(mail: EmailMessage, way: Way) -> frozenset[str]:
    """The names of these addresses."""
    known = set(_customers(mail, way))
    pairs = getaddresses([_header(mail, "Reply-To"), _header(mail, "From")])
    return frozenset(name.casefold() for name, address in pairs if name and address.casefold() in known)


def _identity(mail: EmailMessage) -> str | None:
    return _header(mail, "Message-ID") or None


def _thread(mail: EmailMessage) -> str | None:
    first = (_header(mail, "References") or _header(mail, "In-Reply-To")).split()
    return _header(mail, "X-GM-THRID") or (first[0] if first else _identity(mail))


def _time(mail: EmailMessage) -> float | None:
    try:
        return parsedate_to_datetime(_header(mail, "Date")).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
