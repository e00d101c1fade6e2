"""Calls providers, and tells a call that certainly did not leave from one that may have arrived."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp

from bot.channels.verdict import Answer, Call, Outcome, Silence

LARGEST_ANSWER = 1 << 18
"""Bytes; what comes after them is not read. Lists of published keys, with their certificates, are the longest."""
KEPT_SECONDS = 2.0
"""A connection is used again so long after its last call. Servers close idle ones after five seconds and more; one that
closes in the very moment of a call would leave open whether it arrived."""


@dataclass(slots=True)
class _Progress:
    connected: bool = False
    """From here on some of the call may have reached the provider."""


class Caller:
    """`seconds` is the time a call may take, all in all. Whoever opens it closes it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, call: Call) -> Outcome:
        """Never raises: that nobody answers is an outcome."""
        progress = _Progress()
        try:
            async with asyncio.timeout(self._seconds):
                return await self._send(call, progress)
        except TimeoutError:
            return Silence(progress.connected, f"There was no answer within {self._seconds:g} seconds.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Silence(progress.connected, in_words_of(error, progress.connected))

    async def _send(self, call: Call, progress: _Progress) -> Outcome:
        sent = self._client().request(
            call.method,
            call.url,
            data=call.body or None,
            headers=call.headers,
            allow_redirects=False,
            trace_request_ctx=progress,
        )
        async with sent as response:
            body = await _read(response)
            return Answer(response.status, lower(response.headers), body, time.time())

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_connected)
            trace.on_connection_reuseconn.append(_connected)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=KEPT_SECONDS, limit=0),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Frontdesk", "Accept-Encoding": "identity"},
                trace_configs=[trace],
            )
        return self._session


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    context.trace_request_ctx.connected = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            break
    return bytes(body[:LARGEST_ANSWER])


def lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def in_words_of(error: Exception, connected: bool) -> str:
    """In words of ours: the exception's own repeat addresses."""
    if connected:
        return "The connection broke before an answer came."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "The host's name is not known."
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "The host's certificate was not accepted."
    return "Nobody answers at the address."
