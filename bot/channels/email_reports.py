"""What a mail server says later of a mail that it was given (RFC 3464)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import EmailMessage
from itertools import islice
from typing import Any

from bot.channels.email_mails import MESSAGE_ID
from bot.channels.received import Receipt, Received
from bot.journal.values import Arrival
from bot.mails import header, parsed

PARTS = 100
_ARRIVALS = {"failed": Arrival.FAILED, "delivered": Arrival.DELIVERED}
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


def is_report(mail: EmailMessage) -> bool:
    kind = header(mail, "Content-Type").lower()
    return kind.startswith("multipart/report") and "delivery-status" in kind


def read_report(mail: EmailMessage) -> Received:
    """Of one that tells nothing new, that is waits say, it is ignored."""
    parts = list(islice(mail.walk(), 1, PARTS))
    arrival, status = next(_fates(parts), (None, ""))
    name = next(_named(parts), None)
    if arrival is None or name is None:
        return Received(ignored=("report",))
    error = f"The customer's mail server did not take it{f' ({status})' if status else ''}."
    return Received(receipts=(Receipt(arrival, name, error=error if arrival is Arrival.FAILED else None),))


def _fates(parts: list[Any]) -> Iterator[tuple[Arrival, str]]:
    """The fields of each recipient look like headers; our mails have one recipient."""
    for part in parts:
        arrival = _ARRIVALS.get(header(part, "Action").lower())
        if arrival is not None:
            status = _STATUS.search(header(part, "Status"))
            yield arrival, status[0] if status else ""


def _named(parts: list[Any]) -> Iterator[str]:
    """The Message-ID of the mail that came back, which is there in whole or with its headers alone."""
    for part in parts:
        kept = part
        if part.get_content_type() == "text/rfc822-headers":
            raw = part.get_payload(decode=True)
            kept = parsed(raw + b"\n\n") if isinstance(raw, bytes) else None
        if kept is not None and (found := MESSAGE_ID.search(header(kept, "Message-ID"))):
            yield found[0]
