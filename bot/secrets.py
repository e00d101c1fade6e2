"""The secrets of Standard Webhooks as people write them: `whsec_` and a key in base64."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

PREFIX = "whsec_"


def read_secrets(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The keys in `whsec_...` secrets. Raises ValueError with a sentence that does not tell them."""
    return tuple(map(_read_secret, secrets))


def _read_secret(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(PREFIX) or not 24 <= len(key) <= 64:
        raise ValueError(f"a secret is {PREFIX} and 24 to 64 bytes in base64: {PREFIX}$(openssl rand -base64 32)")
    return key
