"""How Twilio signs: https://www.twilio.com/docs/usage/security#validating-requests"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Iterator, Sequence
from hashlib import sha256
from urllib.parse import SplitResult, parse_qs, urlsplit

from bot.channels.proof import is_one_of
from bot.channels.received import Request

_PORTS = {"https": 443, "http": 80}


def is_signed(request: Request, public_url: str, tokens: Sequence[str], form: Sequence[tuple[str, str]]) -> bool:
    """Over the address as Twilio called it, with the form's fields. Never raises."""
    signed = form
    if hashes := parse_qs(request.path.partition("?")[2]).get("bodySHA256"):
        if not is_one_of(hashes[0], [sha256(request.body).hexdigest()]):
            return False
        signed = ()
    wanted = [signature(token, url, signed) for token in tokens for url in _spellings(public_url, request.path)]
    return is_one_of(request.headers.get("x-twilio-signature", ""), wanted)


def signature(token: str, url: str, form: Sequence[tuple[str, str]]) -> str:
    """Each field's values once and in order, as Twilio's own libraries do."""
    fields: dict[str, set[str]] = {}
    for name, value in form:
        fields.setdefault(name, set()).add(value)
    told = url + "".join(name + value for name in sorted(fields) for value in sorted(fields[name]))
    return base64.b64encode(hmac.digest(token.encode(), told.encode("utf-8", "replace"), "sha1")).decode()


def _spellings(public_url: str, path: str) -> Iterator[str]:
    """With the port and without: Twilio does both."""
    parts = urlsplit(public_url)
    base = parts.path.rstrip("/")
    for netloc in _netlocs(parts):
        yield f"{parts.scheme}://{netloc}{base}{path}"


def _netlocs(parts: SplitResult) -> Iterator[str]:
    host = parts.netloc.rpartition("@")[2]
    bare, port = host, ""
    if not host.endswith("]") and ":" in host:
        bare, _, port = host.rpartition(":")
    yield bare
    yield f"{bare}:{port or _PORTS.get(parts.scheme, 443)}"
