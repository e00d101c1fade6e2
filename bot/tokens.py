"""Session tokens: minted and signed by the server, each naming one conversation and opening no other."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_VERSION = "1"
_ID_BYTES = 16  # 128 bits from the system's generator: nobody guesses a conversation


class BadToken(Exception):
    """The token was not signed by this service, or not for this purpose."""


@dataclass(frozen=True, slots=True)
class Signer:
    key: bytes

    def mint(self, purpose: str, subject: str) -> str:
        """A token that `read` with the same purpose turns back into the subject."""
        body = _encode(subject.encode())
        return f"{_VERSION}.{body}.{self._signature(purpose, body)}"

    def read(self, purpose: str, token: str) -> str:
        parts = token.split(".")
        if len(parts) != 3 or parts[0] != _VERSION or not token.isascii():
            raise BadToken
        if not hmac.compare_digest(self._signature(purpose, parts[1]), parts[2]):
            raise BadToken
        return _decode(parts[1]).decode()

    def _signature(self, purpose: str, body: str) -> str:
        message = f"{_VERSION}.{purpose}.{body}".encode()
        return _encode(hmac.digest(self.key, message, sha256))


def new_conversation_id(channel: str) -> str:
    return f"{channel}-{secrets.token_hex(_ID_BYTES)}"


def load_key(home: Path, secret: str | None) -> bytes:
    """The signing key: from the setting, else from the home folder, where it is made at first start."""
    if secret:
        return sha256(secret.encode()).digest()
    path = home / "secret.key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(32))
    return path.read_bytes()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
