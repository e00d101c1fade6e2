"""Signed-in customers: the shop's server vouches for who looks at its page."""

from __future__ import annotations

import binascii
from collections.abc import Mapping

import orjson

from bot.dialogue.slots import CUSTOMER
from bot.text import storable
from bot.tokens import BadToken, Signer

__all__ = ["CUSTOMER", "conversation_of", "is_called", "plain", "vouch", "vouched"]

PURPOSE = "customer"


def vouch(signer: Signer, claims: Mapping[str, str], until: float) -> str:
    """A token for the page: the claims, `email` for one, hold until then (Unix time)."""
    return signer.mint(PURPOSE, orjson.dumps({**claims, "until": until}).decode())


def vouched(signer: Signer, token: str, now: float) -> dict[str, str]:
    """The claims; none when the token is not ours or has run out: the customer is then one who is not signed in."""
    try:
        claims = orjson.loads(signer.read(PURPOSE, token))
    except (BadToken, orjson.JSONDecodeError, UnicodeDecodeError, binascii.Error):
        return {}
    if not isinstance(claims, dict) or not isinstance(claims.get("until"), int | float) or claims["until"] < now:
        return {}
    return {name: value for name, value in claims.items() if isinstance(value, str)}


def conversation_of(signer: Signer, channel: str, customer: str) -> str:
    """The one conversation of a customer whom the shop knows by that id; nobody else can tell its name."""
    return f"{channel}-{signer.digest('conversation', customer)[:32]}"


def is_called(claims: Mapping[str, str], name: str) -> bool:
    """Whether the customer goes by that id or address."""
    return any(plain(claims.get(claim)) == plain(name) for claim in ("id", "email"))


def plain(name: object) -> str | None:
    """As names are compared."""
    return storable(name).strip().casefold() if isinstance(name, str) else None
