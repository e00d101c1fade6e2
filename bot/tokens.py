"""Session tokens: minted and signed by the server, each naming one conversation and opening no other."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pydantic import SecretStr

from nlu.source import Mendable

_VERSION = "1"
_KEY_BYTES = 32
_ID_BYTES = 16  # 128 bits from the system's generator: nobody guesses a conversation


class BadToken(Exception):
    """The token was not signed by this service, or not for this purpose."""


class BadKey(Mendable):
    """The key in the home folder is none; the sentence says what to do."""


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

    def digest(self, purpose: str, subject: str) -> str:
        """The same for the same subject, in hexadecimal digits; only this service can make it."""
        return hmac.digest(self.key, f"{_VERSION}.{purpose}.{subject}".encode(), sha256).hex()

    def _signature(self, purpose: str, body: str) -> str:
        message = f"{_VERSION}.{purpose}.{body}".encode()
        return _encode(hmac.digest(self.key, message, sha256))


def new_conversation_id(channel: str) -> str:
    return f"{channel}-{secrets.token_hex(_ID_BYTES)}"


def load_key(home: Path, secret: SecretStr | None) -> bytes:
    """The signing key: from the setting, else from the home folder, where it is made at first start. Raises BadKey."""
    if secret:
        return sha256(secret.get_secret_value().encode()).digest()
    path = home / "secret.key"
    if not path.exists():
        _make_key(path)
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise BadKey(f"{path} is damaged: remove it, and a new key is made; people have to sign in again.")
    return key


def _make_key(path: Path) -> None:
    """Whole or not at all: everybody could sign with the empty key that a full disk leaves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".key-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was faster: its key is everybody's
            os.link(name, path)
    finally:
        os.unlink(name)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
