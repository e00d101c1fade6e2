"""What the simulators of Meta's channels share: Graph API errors, signatures, the greeting."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from bot.channels.meta import MetaSettings
from bot.simulators.provider import Event, need

SAMPLE = {
    "app_secrets": ["0123456789abcdef0123456789abcdef"],
    "verify_token": "only-for-trying-things-out",
    "token": "only-for-trying-things-out",
}


def authorised(request: web.Request, settings: MetaSettings) -> None:
    """Raises NotTaken."""
    given = request.headers.get("Authorization")
    wanted = f"Bearer {settings.token.get_secret_value()}"
    need(given == wanted, graph_error(401, 190, "Invalid OAuth access token."), "the access token")


def graph_error(status: int, code: int, message: str) -> web.Response:
    error = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"}
    return web.json_response({"error": error}, status=status)


def signed(body: bytes, settings: MetaSettings) -> Event:
    key = settings.app_secrets[0].get_secret_value().encode()
    signature = hmac.new(key, body, sha256).hexdigest()
    return Event(body, {"Content-Type": "application/json", "X-Hub-Signature-256": f"sha256={signature}"})


def greeting(settings: MetaSettings, challenge: str = "1158201444", token: str | None = None) -> Event:
    asked: Sequence[tuple[str, Any]] = (
        ("hub.mode", "subscribe"),
        ("hub.challenge", challenge),
        ("hub.verify_token", settings.verify_token.get_secret_value() if token is None else token),
    )
    return Event(method="GET", query=f"?{urlencode(asked)}")
