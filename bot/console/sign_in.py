"""One-time links in, a signed cookie afterwards."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from aiohttp import web

from bot.journal.journal import Journal
from bot.tokens import BadToken, Signer

COOKIE = "frontdesk_console"
_LINK = "console-link"
_SESSION = "console-session"
_LINK_SECONDS = 3600
_SESSION_SECONDS = 12 * 3600
_NAME_CHARS = 40


@dataclass(frozen=True, slots=True)
class Agent:
    """A signed-in person."""

    name: str


def one_time_code(signer: Signer) -> str:
    """A code that opens the console once, within the hour."""
    return signer.mint(_LINK, f"{secrets.token_hex(8)}:{int(time.time()) + _LINK_SECONDS}")


def one_time_link(url: str, signer: Signer) -> str:
    """Such a code behind the address of the service at `url`."""
    return f"{url}/console/enter?code={one_time_code(signer)}"


@dataclass(frozen=True, slots=True)
class SignIn:
    signer: Signer
    journal: Journal

    async def redeem(self, code: str, name: str) -> str | None:
        """The session cookie's value; None if the code is spent, too old or not ours."""
        name = " ".join(name.replace(":", " ").split())[:_NAME_CHARS]
        nonce, until = self._read(_LINK, code)
        if not name or time.time() > until:
            return None
        if not await self.journal.spend(nonce, until):
            return None
        return self.signer.mint(_SESSION, f"{name}:{int(time.time()) + _SESSION_SECONDS}")

    def agent(self, request: web.Request) -> Agent | None:
        name, until = self._read(_SESSION, request.cookies.get(COOKIE, ""))
        return Agent(name) if name and time.time() <= until else None

    def _read(self, purpose: str, token: str) -> tuple[str, float]:
        try:
            subject, _, until = self.signer.read(purpose, token).rpartition(":")
            return subject, float(until)
        except (BadToken, ValueError):
            return "", 0.0


def set_cookie(response: web.StreamResponse, value: str, *, secure: bool) -> None:
    response.set_cookie(
        COOKIE, value, max_age=_SESSION_SECONDS, path="/console", httponly=True, samesite="Strict", secure=secure
    )


def check_same_site(request: web.Request) -> None:
    """Forms are taken from our own pages only; every browser that posts says where from."""
    origin = request.headers.get("Origin", "")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin" or (
        origin.partition("://")[2] != request.host
    ):
        raise web.HTTPForbidden(text="This form was sent from another site.")
