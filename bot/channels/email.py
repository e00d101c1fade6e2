"""E-mail: a mailbox that is read by IMAP, answers by SMTP, in the customer's thread."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from pydantic import Field, SecretStr, field_validator

from bot.channels import smtp
from bot.channels.capabilities import Capabilities, Markup
from bot.channels.connector import Check, Connector, Mailbox, Risk, Signing, with_headers
from bot.channels.email_mails import ADDRESS, ADDRESS_CHARS, MESSAGE_ID, Mail
from bot.channels.email_reports import is_report, read_report
from bot.channels.mail_parts import PART
from bot.channels.mail_servers import MailServer, credentials
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import pieces
from bot.channels.settings import ChannelSettings, Limits
from bot.channels.smtp import CONTENT, LOGIN, RECIPIENT, SENDER, STEP
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict
from bot.journal.values import Delivery
from bot.mails import parsed
from bot.messages import Author
from bot.wire import Malformed, clean_text

CAPABILITIES = Capabilities(longest=sys.maxsize)
CAPABILITIES_OF_HTML = replace(CAPABILITIES, markup=Markup.HTML)
NO_SUBJECT = "Your message"
FORGED = Risk(
    "The senders",
    "FRONTDESK_EMAIL__TRUSTED_SERVER is not set, so mail is answered whoever wrote it in a customer's name; "
    "docs/channels/email.md says where its name stands.",
)
GOING = 421
"""SMTP's code of a server that closes the connection, whatever was asked."""


class EmailSettings(ChannelSettings):
    address: str = Field(description="The address that customers write to and get answers from.")
    imap: str = Field(description="Where the mailbox is, `imaps://imap.example.com`; `imap://` goes on by STARTTLS.")
    smtp: str = Field(description="Where mail is sent, `smtps://smtp.example.com`; `smtp://` goes on by STARTTLS.")
    password: SecretStr = Field(description="The account's password, or one made for one program.")
    user: str = Field("", description="Who logs in; empty: the address.")
    smtp_password: SecretStr | None = Field(None, description="If sending has a password of its own.")
    smtp_user: str = Field("", description="If another one logs in to send; empty: as for the mailbox.")
    sender: str = Field("", max_length=100, description="The name that customers see beside the address.")
    folder: str = Field("INBOX", description="The folder that is read, as the server names it.")
    every: float = Field(10.0, gt=0, description="Seconds between two looks into the mailbox.")
    days: int = Field(3, ge=0, description="Unread mail that is more days old is left alone.")
    hourly: int = Field(30, ge=1, description="Mails of one customer that are answered in an hour; more are left.")
    trusted_server: str = Field(
        "",
        description="The name by which your mail server signs `Authentication-Results`: mail of whose sender it is not "
        "sure is left.",
    )

    @field_validator("address")
    @classmethod
    def _address(cls, address: str) -> str:
        if not ADDRESS.fullmatch(address) or len(address) > ADDRESS_CHARS:
            raise ValueError("must be an address such as support@example.com")
        return address

    @field_validator("imap", "smtp")
    @classmethod
    def _server(cls, url: str, info: object) -> str:
        MailServer.of(url)
        name = str(getattr(info, "field_name", ""))
        if not url.startswith(name):
            raise ValueError(f"must begin with {name}s:// or {name}://")
        return url

    @field_validator("sender", "folder", "user", "smtp_user", "trusted_server")
    @classmethod
    def _line(cls, text: str) -> str:
        if not text.isprintable():
            raise ValueError("must be one line without control characters")
        return text

    @field_validator("folder", "user", "smtp_user", "trusted_server")
    @classmethod
    def _ascii(cls, text: str) -> str:
        if not text.isascii():
            raise ValueError("must be plain letters, digits and signs; a folder's name as IMAP writes it")
        return text

    @field_validator("password", "smtp_password")
    @classmethod
    def _password(cls, password: SecretStr | None) -> SecretStr | None:
        if password is not None and not re.fullmatch(r"[ -~]+", password.get_secret_value()):
            raise ValueError("must be one line of plain letters, digits and signs")
        return password

    def connect(self, limits: Limits) -> Email:
        return Email(self)


@dataclass(frozen=True, slots=True)
class Email(Connector):
    settings: EmailSettings
    name: str = "email"
    capabilities: Capabilities = CAPABILITIES

    # -- in

    def mailbox(self) -> Mailbox:
        ours = self.settings
        user, password = ours.user or ours.address, ours.password.get_secret_value()
        return Mailbox(ours.imap, user, password, ours.folder, ours.every, ours.days, ours.hourly)

    def verify(self, request: Request) -> bool:
        """Reports come from no domain that a server could be sure of; each names a mail of ours."""
        if not self.settings.trusted_server:
            return True
        parts = parsed(request.body)
        if parts is None:
            return False
        try:
            return is_report(parts) or Mail.of(parts, request.body).vouched(self.settings.trusted_server)
        except Malformed:
            return False

    def parse(self, request: Request) -> Received:
        parts = parsed(request.body)
        if parts is None:
            raise Malformed("This is no e-mail.")
        if is_report(parts):
            return read_report(parts)
        mail = Mail.of(parts, request.body)
        if mail.customer == self.settings.address.lower():
            return Received(ignored=("own",))
        if mail.is_automatic():
            return Received(ignored=("automatic",))
        message = mail.message(request.path, vouched=bool(self.settings.trusted_server))
        if not message.text and not message.attachments:
            return Received(ignored=("empty",))
        return Received((message,))

    # -- out

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        """One mail, as plain text and as HTML."""
        texts = [piece.text for piece in pieces(delivery, CAPABILITIES)]
        if not texts:
            return ()
        mail = EmailMessage(policy=SMTP)
        mail.set_content("\n\n".join(texts) + "\n", cte="quoted-printable")
        mail.add_alternative(_page(delivery), subtype="html", cte="quoted-printable")
        mail.set_boundary(f"=_{delivery.epoch}-{delivery.entry.seq}")  # else it is another one each time
        head = "".join(f"{name}: {value}\r\n" for name, value in self._head(delivery))
        envelope = {"From": self.settings.address, "To": delivery.address["to"], "Message-ID": self._named(delivery)}
        return (Call(self.settings.smtp, head.encode("ascii") + mail.as_bytes(), envelope, smtp.SEND),)

    def _head(self, delivery: Delivery) -> Iterator[tuple[str, str]]:
        """Written here: the library encodes long ids, which no program then finds, and loses blanks in subjects."""
        address = delivery.address
        title = " ".join(clean_text(str(address.get("subject", ""))).split()) or NO_SUBJECT
        yield "From", _address(self.settings.sender, self.settings.address)
        yield "To", address["to"]
        yield "Subject", _folded(f"Re: {title}", "Subject")
        yield "Date", format_datetime(datetime.fromtimestamp(delivery.entry.at, UTC))
        yield "Message-ID", self._named(delivery)
        for name, key in (("In-Reply-To", "in_reply_to"), ("References", "references")):
            if known := MESSAGE_ID.findall(str(address.get(key, ""))):
                yield name, "\r\n ".join(known)
        if delivery.entry.author is not Author.AGENT:  # RFC 3834: machines do not answer this
            yield "Auto-Submitted", "auto-replied"
            yield "X-Auto-Response-Suppress", "All"

    def _named(self, delivery: Delivery) -> str:
        return f"<{delivery.epoch}-{delivery.entry.seq}@{self.settings.address.rpartition('@')[2]}>"

    def sign(self, call: Call, signing: Signing) -> Call:
        if call.url != self.settings.smtp:
            return call
        ours = self.settings
        password = (ours.smtp_password or ours.password).get_secret_value()
        return with_headers(call, Authorization=credentials(ours.smtp_user or ours.user or ours.address, password))

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        if isinstance(outcome, Silence):
            fate = Fate.AMBIGUOUS if outcome.sent else Fate.RETRY
            return Verdict(fate, outcome.reason, account=not outcome.sent)
        if 200 <= outcome.status < 300:
            return Verdict(Fate.ARRIVED, provider_id=call.headers.get("Message-ID"))
        return _refusal(outcome.status, outcome.headers.get(STEP, ""))

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """By its name in the mailbox, which the one who fetches it compares with what the mailbox says."""
        if before or not attachment.reference.startswith(f"/{self.settings.folder};UIDVALIDITY="):
            return None
        return Call(self.settings.imap, headers={PART: attachment.reference}, method="FETCH")

    # -- frontdesk channels check

    def checks(self, public_url: str) -> tuple[Check, ...]:
        ours, mailbox = self.settings, self.mailbox()
        login = {"Authorization": credentials(mailbox.user, mailbox.password), "Folder": mailbox.folder}
        sending = self.sign(Call(ours.smtp, headers={"From": ours.address}, method=smtp.CHECK), Signing("check", 0.0))
        return (
            Check("The mailbox", Call(ours.imap, headers=login, method=smtp.CHECK), self._wrong),
            Check("Sending", sending, self._wrong),
        )

    @property
    def risks(self) -> tuple[Risk, ...]:
        return () if self.settings.trusted_server else (FORGED,)

    def _wrong(self, outcome: Outcome) -> str | None:
        return self.classify(Call(self.settings.smtp), outcome).error


def _refusal(code: int, step: str) -> Verdict:
    """By RFC 5321, 4.2.1: 4yz is for now, 5yz for good."""
    for_good = 500 <= code < 600
    if step == LOGIN and for_good:
        return Verdict(Fate.REFUSED, f"The mail server does not take user and password ({code}).")
    if step == SENDER and for_good:
        return Verdict(Fate.REFUSED, f"The mail server does not let this account send from the address ({code}).")
    if step == RECIPIENT and for_good:
        return Verdict(Fate.GIVE_UP, f"The mail server knows no way to the customer's address ({code}).")
    if step == CONTENT and for_good:
        return Verdict(Fate.GIVE_UP, f"The mail server refuses what the mail says ({code}).")
    if step == CONTENT and not 400 <= code < 500:
        return Verdict(Fate.AMBIGUOUS, "The mail server answered something that is no answer.")
    whole = code == GOING or step not in (RECIPIENT, CONTENT)
    return Verdict(Fate.RETRY, f"The mail server takes nothing for now ({code}).", account=whole)


def _folded(text: str, name: str) -> str:
    return Header(text, None if text.isascii() else "utf-8", 75, name).encode(linesep="\r\n")


def _address(name: str, address: str) -> str:
    return formataddr((name, address)) if name.isascii() else f"{_folded(name, 'From')} <{address}>"


def _page(delivery: Delivery) -> str:
    """The text with its marks. Nothing in it is fetched: an image is a link."""
    texts = [piece.text for piece in pieces(delivery, CAPABILITIES_OF_HTML)]
    lines = "<br><br>".join(texts).replace("\n", "<br>\n")
    return f"<!doctype html>\n<html><body>\n<div>{lines}</div>\n</body></html>\n"
