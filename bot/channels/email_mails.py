"""A customer's mail: who wrote it, whether a person did, and what they said."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from itertools import islice
from typing import Any, Literal, Self

from bot.channels.imap import LARGEST
from bot.channels.received import Attachment, Message, conversation
from bot.mails import addresses, body, header, headers, is_automatic, subject, time_of, without_quotes
from bot.wire import Malformed, clean_text

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}")
"""One that can be answered over any server."""
ADDRESS_CHARS, NAME_CHARS, SUBJECT_CHARS = 200, 100, 200
MESSAGE_ID = re.compile(r"<[!-;=?-~]{3,250}>")
REFERENCES, ATTACHMENTS = 10, 20
"""The last ones, and the first ones."""
_COMMENT = re.compile(r"\([^()]{0,500}\)")
_DMARC = re.compile(r"\bdmarc\s*=\s*([a-z]+)", re.IGNORECASE)
_FROM = re.compile(r"\bheader\.from\s*=\s*([^\s;()]+)", re.IGNORECASE)
_SILENCE = re.compile(r"\b(?:all|oof|autoreply)\b", re.IGNORECASE)
_SIGNATURES = ("application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature")
_Kind = Literal["image", "audio", "video", "file"]
_KINDS: dict[str, _Kind] = {"image": "image", "audio": "audio", "video": "video"}


@dataclass(frozen=True, slots=True)
class Mail:
    parts: EmailMessage
    raw: bytes
    sender: str
    """As it is written."""

    @classmethod
    def of(cls, parts: EmailMessage, raw: bytes) -> Self:
        """Raises Malformed for one whose sender could not be answered."""
        return cls(parts, raw, _sender(parts))

    @property
    def customer(self) -> str:
        return self.sender.lower()

    def vouched(self, server: str) -> bool:
        """Whether that server found the sender's domain to be right (RFC 8601). It writes at the top: what a sender
        made up comes later. Within a line a sender may have a say, by an address that looks like a result; then not
        all of it agrees."""
        domain = self.customer.rpartition("@")[2]
        for line in headers(self.parts, "Authentication-Results"):
            told = _COMMENT.sub(" ", line)
            if told.partition(";")[0].split()[:1] == [server] and _DMARC.search(told):
                results = {found.lower() for found in _DMARC.findall(line)}
                return results == {"pass"} and {found.lower() for found in _FROM.findall(line)} <= {domain}
        return False

    def is_automatic(self) -> bool:
        """Whoever answers such a mail may be answered for ever."""
        nobody = "".join(header(self.parts, "Return-Path").split()) == "<>"
        silent = _SILENCE.search(header(self.parts, "X-Auto-Response-Suppress"))
        report = self.parts.get_content_type() == "multipart/report"
        return nobody or report or bool(silent) or is_automatic(self.parts, self.customer)

    def message(self, where: str, *, vouched: bool) -> Message:
        """`where`: the mail's name in its mailbox, of which attachments have theirs."""
        name = clean_text(parseaddr(header(self.parts, "From"))[0])[:NAME_CHARS]
        return Message(
            conversation("email", self.customer),
            self._id(),
            {"to": self.sender, "subject": clean_text(subject(self.parts))[:SUBJECT_CHARS], **self._thread()},
            self._text(),
            attachments=tuple(islice(self._attachments(where), ATTACHMENTS)),
            at=time_of(self.parts),
            metadata={"subject": self._title()[:SUBJECT_CHARS], "name": name, "vouched": vouched},
        )

    def _title(self) -> str:
        return clean_text(header(self.parts, "Subject"))

    def _id(self) -> str:
        named = MESSAGE_ID.search(header(self.parts, "Message-ID"))
        return named[0] if named else f"sha256:{hashlib.sha256(self.raw).hexdigest()}"

    def _text(self) -> str:
        """What was written now. The subject belongs to it in a mail that begins a thread."""
        written, title = without_quotes(body(self.parts)), self._title()
        answers = header(self.parts, "In-Reply-To") or header(self.parts, "References")
        replies = answers or header(self.parts, "Subject") != subject(self.parts)
        if replies or " ".join(written.split()).startswith(title):
            return written
        return f"{title}\n{written}".strip()

    def _thread(self) -> dict[str, str]:
        """By which a mail program puts our answer to theirs."""
        own = MESSAGE_ID.findall(header(self.parts, "Message-ID"))[:1]
        before = MESSAGE_ID.findall(header(self.parts, "References") or header(self.parts, "In-Reply-To"))
        return {"in_reply_to": own[0], "references": " ".join([*before, *own][-REFERENCES:])} if own else {}

    def _attachments(self, where: str) -> Iterator[Attachment]:
        for section, part in _leaves(self.parts):
            kind, name = part.get_content_type(), _name(part)
            given = name or part.get_content_disposition() == "attachment"
            if kind not in _SIGNATURES and (given or not kind.startswith(("text/", "message/"))):
                size = None if len(self.raw) >= LARGEST else len(part.get_payload(decode=True) or b"")
                shown = _KINDS.get(part.get_content_maintype(), "file")
                yield Attachment(shown, f"{where}/;SECTION={section}", kind, name, size)


def _sender(parts: EmailMessage) -> str:
    """With two of them, a server could vouch for the other one."""
    found, written = addresses(parts, "From"), header(parts, "From")
    if len(headers(parts, "From")) != 1 or len(found) != 1:
        raise Malformed("A mail needs one sender.")
    start = written.casefold().find(found[0])
    sender = written[start : start + len(found[0])]
    if start < 0 or len(sender) > ADDRESS_CHARS or not ADDRESS.fullmatch(sender):
        raise Malformed("The sender's address cannot be answered.")
    return sender


def _leaves(part: Any, section: str = "") -> Iterator[tuple[str, Any]]:
    """What is no multipart, with the names that IMAP has for them."""
    if part.get_content_maintype() != "multipart" or not isinstance(part.get_payload(), list):
        yield section or "1", part
        return
    for number, child in enumerate(part.get_payload(), 1):
        yield from _leaves(child, f"{section}.{number}" if section else str(number))


def _name(part: Any) -> str:
    try:
        return clean_text(" ".join(str(part.get_filename() or "").split()))[:NAME_CHARS]
    except Exception:  # the library's parser has many ways to fail
        return ""
