"""Where the service lets itself be sent: an address that somebody else named is judged before it is called."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote

from yarl import URL

LONGEST_URL = 8000
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[!-\"$->@-\[\]-~]*)?(\?[!-\[\]-~]*)?(#[!-\[\]-~]*)?"
)
"""Narrower than what any reader of addresses takes, so that all of them find the same host: no names or passwords, no
backslashes, nothing but ASCII."""
_PORTS = {"http": 80, "https": 443}
_CLOSED_4 = tuple(
    map(
        ip_network,
        (
            # https://www.iana.org/assignments/iana-ipv4-special-registry, and what is not unicast
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15"),
            *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
            "168.63.129.16/32",  # public in form alone: Azure's machines find their own secrets there
        ),
    )
)
_OPEN_6 = ip_network("2000::/3")
_CLOSED_6 = tuple(map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")))
_NAT64 = ip_network("64:ff9b::/96")


class Why(StrEnum):
    """Kinds of refusals: they are counted."""

    ADDRESS = "address"
    SIZE = "size"
    TYPE = "type"
    TIME = "time"
    REDIRECTS = "redirects"
    PROVIDER = "provider"
    NOTHING = "nothing"


class Refused(Exception):
    """Something is not fetched; the sentence tells a person why."""

    def __init__(self, why: Why, sentence: str) -> None:
        super().__init__(sentence)
        self.why = why


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be called, and where its host is: nobody is asked for that again."""

    url: URL
    origin: str
    addresses: tuple[str, ...]


Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host and a port to IP addresses. Raises OSError or UnicodeError."""


async def resolved(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(where[0]) for *_, where in found]


def origin_of(url: str) -> str | None:
    """`https://host:443`; None if it cannot be called."""
    parts = _URL.fullmatch(url) if len(url) <= LONGEST_URL else None
    if parts is None or not 0 < (port := int(parts["port"] or _PORTS[parts["scheme"]])) < 1 << 16:
        return None
    if parts["host"].startswith("[") and not isinstance(_read(parts["host"][1:-1]), IPv6Address):
        return None
    return f"{parts['scheme']}://{parts['host'].lower()}:{port}"


async def judged(url: str, trusted: Collection[str], resolve: Resolve = resolved) -> Target:
    """Raises Refused. `trusted` are origins that the settings name: they may be anywhere."""
    origin = origin_of(url)
    if origin is None or _climbs(url):
        raise Refused(Why.ADDRESS, "It is at an address that is none.")
    host, port = _host(origin), int(origin.rpartition(":")[2])
    if origin not in trusted:
        _check_form(origin.partition("://")[0], host, port)
    addresses = await _addresses(host, port, resolve)
    if origin not in trusted and not all(map(is_public, addresses)):
        raise Refused(
            Why.ADDRESS,
            f"It is at {origin}, which is no public address. If that is a storage of yours, add it to "
            "FRONTDESK_MEDIA_ORIGINS.",
        )
    return Target(URL(url, encoded=True), origin, addresses)


def _climbs(url: str) -> bool:
    """Whether its path goes up, out of where it seems to be."""
    path = re.split(r"[?#]", url.partition("://")[2], maxsplit=1)[0]
    return any(part in (".", "..") for part in re.split(r"[/\\]", unquote(path)))


def _host(origin: str) -> str:
    return origin.partition("://")[2].rpartition(":")[0].strip("[]")


def _check_form(scheme: str, host: str, port: int) -> None:
    if scheme != "https":
        raise Refused(Why.ADDRESS, "It is at an address without encryption, which is not called.")
    if port != _PORTS["https"]:
        raise Refused(Why.ADDRESS, f"It is at port {port} of a server; only 443 is called.")
    if host.rstrip(".").rpartition(".")[2][:1].isdigit() and _read(host) is None:
        raise Refused(Why.ADDRESS, "It is at an IP address that is written as nobody writes them.")


async def _addresses(host: str, port: int, resolve: Resolve) -> tuple[str, ...]:
    """An IP address is its own."""
    if _read(host) is not None:
        return (host,)
    try:
        found = tuple(await resolve(host, port))
    except (OSError, UnicodeError):
        found = ()
    if not found:
        raise Refused(Why.PROVIDER, "The host's name is not known.")
    return found


def is_public(address: str) -> bool:
    """Whether it is somebody's on the internet: no machine of ours, of our network or of our cloud."""
    ip = _read(address)
    if isinstance(ip, IPv6Address):
        inner = _inner(ip)
        if inner is None:
            return ip in _OPEN_6 and ip.scope_id is None and not any(ip in some for some in _CLOSED_6)
        ip = inner
    return ip is not None and not any(ip in some for some in _CLOSED_4)


def _inner(ip: IPv6Address) -> IPv4Address | None:
    """The address in an address: written so by a host without IPv6, or for one without IPv4."""
    return ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)


def _read(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(address)
    except ValueError:
        return None
