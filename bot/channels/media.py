"""Fetches what attachments refer to, when a person asks for it: each step of the way is judged anew.

A reference was written by a stranger, and what is behind it too. So an address has to be public, is resolved once and
called where it was judged; redirects are steps like others, and carry no secret; size, time and type are bounded.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from bot import metrics
from bot.channels.calls import in_words_of, lower
from bot.channels.connector import Connector
from bot.channels.guard import Refused, Resolve, Target, Why, judged, origin_of, resolved
from bot.channels.mail_parts import PART, fetched
from bot.channels.media_types import TYPES, Kind, kind_of
from bot.channels.received import Attachment
from bot.channels.verdict import Answer, Call, in_words

AT_ONCE = 4
"""Files are held in memory while they come."""
STEPS, REDIRECTS = 3, 3
"""Calls that a connector may need, and redirects at each."""
MEGABYTE = 1_000_000
_MOVED = frozenset({301, 302, 303, 307, 308})
_SENTENCES: Mapping[int, str] = {
    HTTPStatus.ACCEPTED: "The provider is still preparing it; try again in a minute.",
    HTTPStatus.NOT_FOUND: "The provider does not have it any more.",
    HTTPStatus.GONE: "The provider does not have it any more.",
}


@dataclass(frozen=True, slots=True)
class MediaLimits:
    megabytes: int
    seconds: float
    """For a file, all in all."""
    types: frozenset[str] = TYPES
    origins: tuple[str, ...] = ()
    """Of storages that are the operator's own."""


@dataclass(frozen=True, slots=True)
class File:
    kind: Kind
    body: bytes


Sign = Callable[[Connector, Call], Awaitable[Call]]
"""Adds what is secret. Raises Refused."""


class Media:
    def __init__(self, sign: Sign, limits: MediaLimits, resolve: Resolve = resolved) -> None:
        self._sign, self._limits, self._resolve = sign, limits, resolve
        self._room = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, connector: Connector, attachment: Attachment) -> File:
        """Raises Refused, and nothing else."""
        outcome = "fetched"
        try:
            return await self._fetched(connector, attachment)
        except Refused as refused:
            outcome = refused.why.value
            raise
        finally:
            metrics.MEDIA.labels(connector.name, outcome).inc()

    async def _fetched(self, connector: Connector, attachment: Attachment) -> File:
        if attachment.size is not None and attachment.size > self._most:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._limits.seconds), self._room:
                answer = await self._through(connector, attachment)
        except TimeoutError:
            raise Refused(Why.TIME, f"It did not come within {self._limits.seconds:g} seconds.") from None
        kind = kind_of(answer.body, answer.headers.get("content-type", ""), self._limits.types)
        return File(kind, answer.body)

    @property
    def _most(self) -> int:
        return self._limits.megabytes * MEGABYTE

    def _too_large(self) -> Refused:
        return Refused(Why.SIZE, f"The file is larger than {self._limits.megabytes} MB.")

    async def _through(self, connector: Connector, attachment: Attachment) -> Answer:
        before: tuple[Answer, ...] = ()
        while len(before) < STEPS and (call := connector.media(attachment, before)) is not None:
            before += (await self._answer(connector, call),)
        if not before:
            raise Refused(Why.NOTHING, "There is nothing to fetch, or not where this channel has its files.")
        return before[-1]

    async def _answer(self, connector: Connector, call: Call) -> Answer:
        """Once it has been followed to where it is. Secrets go where the connector sent them, and no further."""
        mailbox = connector.mailbox()
        if mailbox is not None and call.url == mailbox.url:
            return await fetched(mailbox, call.headers[PART], self._most, self._limits.seconds)
        call = await self._sign(connector, call)
        trusted = {origin for url in (*connector.bases, *self._limits.origins) if (origin := origin_of(url))}
        for _ in range(REDIRECTS + 1):
            target = await judged(call.url, trusted, self._resolve)
            if target.origin not in trusted:
                trusted = set()  # whom strangers send on, strangers have sent
            answer = await self._call(call, target)
            if answer.status not in _MOVED or call.method != "GET":
                return _good(answer)
            call = Call(_further(call.url, answer.headers.get("location", "")), headers={}, method="GET")
        raise Refused(Why.REDIRECTS, "It leads from one address to the next, without an end.")

    async def _call(self, call: Call, target: Target) -> Answer:
        try:
            async with (
                _session(target) as session,
                session.request(
                    call.method, target.url, data=call.body or None, headers=call.headers, allow_redirects=False
                ) as response,
            ):
                body = b"" if response.status in _MOVED else await self._read(response)
                return Answer(response.status, lower(response.headers), body, 0.0)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            connected = not isinstance(error, aiohttp.ClientConnectorError)
            raise Refused(Why.PROVIDER, in_words_of(error, connected)) from None

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The bytes as they came. What they unpack to may have any size, and we asked for none that are packed."""
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise Refused(Why.TYPE, "It came packed, though that was not asked for.")
        if (response.content_length or 0) > self._most:
            raise self._too_large()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._most:
                raise self._too_large()
        return bytes(body)


def _further(url: str, location: str) -> str:
    """Where a redirect leads; nowhere if it cannot be read."""
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def _good(answer: Answer) -> Answer:
    """Raises Refused."""
    if answer.status != HTTPStatus.OK:
        raise Refused(Why.PROVIDER, _SENTENCES.get(answer.status) or in_words(answer.status))
    return answer


def _session(target: Target) -> aiohttp.ClientSession:
    """For one call: it knows the way to one host."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(resolver=_Pinned(target.addresses), force_close=True),
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "Frontdesk", "Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
    )


class _Pinned(AbstractResolver):
    """Answers what was judged, whatever the host's name means by now."""

    def __init__(self, addresses: Collection[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        pass
