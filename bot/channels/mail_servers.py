"""Servers of mail, by addresses such as `imaps://imap.example.com`: over TLS, or on this machine."""

from __future__ import annotations

import base64
import binascii
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Self

PORTS = {"imap": 143, "imaps": 993, "smtp": 587, "smtps": 465}
_URL = re.compile(r"(imaps?|smtps?)://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?/?")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class MailServer:
    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Raises ValueError for what is no address of one."""
        found = _URL.fullmatch(url)
        if found is None or int(found[3] or 1) not in range(1, 65536):
            raise ValueError("must be an address such as imaps://imap.example.com or smtp://smtp.example.com:587")
        return cls(found[1], found[2].strip("[]"), int(found[3] or PORTS[found[1]]))

    @property
    def tls(self) -> bool:
        """From the first byte on. Else STARTTLS follows, unless the server is on this machine."""
        return self.scheme.endswith("s")

    @property
    def here(self) -> bool:
        return self.host in _HERE


def credentials(user: str, password: str) -> str:
    """As the header Authorization has them (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def read_credentials(header: str) -> tuple[str, str]:
    """User and password; both are empty where there are none."""
    try:
        user, _, password = base64.b64decode(header.removeprefix("Basic "), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def trouble(error: BaseException) -> str:
    """Why nothing came of a connection, in words of ours: those of others repeat names and addresses."""
    if isinstance(error, socket.gaierror):
        return "The mail server's name is not known."
    if isinstance(error, ssl.SSLCertVerificationError):
        return "The mail server's certificate is not accepted: use the name that it is for, or set SSL_CERT_FILE."
    if isinstance(error, ssl.SSLError):
        return "The mail server speaks no TLS there: imaps:// and smtps:// do at once, imap:// and smtp:// by STARTTLS."
    if isinstance(error, TimeoutError):
        return "The mail server does not answer in time."
    if isinstance(error, ConnectionRefusedError):
        return "Nobody answers at the mail server's address; look at host and port."
    return "The connection to the mail server broke."
