"""Whether Microsoft's Bot Connector sent a request: everything that its documentation demands of a token.

https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-authentication
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.channels.received import Request
from bot.channels.verdict import Answer, Call, Outcome
from bot.messages import Json
from bot.wire import object_or_empty, objects

if TYPE_CHECKING:
    from jwt import PyJWK  # imported late: commands that have nothing to do with it start at once

LEEWAY = 300
"""Seconds that a token's times may be off ours."""
LIFE = 86_400.0
"""Seconds for which keys are good."""
PAUSE, BURST, SPACING = 300.0, 3, 10.0
"""Seconds between two questions for keys, whoever seems to need them; a few may come sooner, but not closer than that:
what is signed with a new key should not have to wait."""
LONGEST = 8192
ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True)
class Key:
    public: PyJWK
    endorsements: frozenset[str]
    """The channels for which it signs."""


@dataclass(slots=True)
class Keys:
    """Microsoft's, as last published: the one part of the channel that changes while it runs."""

    metadata: str
    """Where it stands where the keys are."""
    _known: dict[str, Key] = field(default_factory=dict)
    _learnt_at: float = -LIFE
    _asked_at: float = -LIFE
    _spent_until: float = -LIFE
    """When all questions that may come sooner are there again."""
    _next: str | None = None

    def named(self, name: str) -> Key | None:
        return self._known.get(name)

    def missing(self, name: str, now: float) -> Call | None:
        """The next question on the way to that key."""
        if self._next is not None:
            return Call(self._next, headers={}, method="GET")
        known = name in self._known and now - self._learnt_at < LIFE
        if known or now - self._asked_at < SPACING or self._spent_until - now > (BURST - 1) * PAUSE:
            return None
        return Call(self.metadata, headers={}, method="GET")

    def learn(self, outcome: Outcome, now: float) -> None:
        """Keys that cannot be had now leave the old ones as they are."""
        asked, self._next, self._asked_at = self._next, None, now
        told = object_or_empty(outcome.body) if isinstance(outcome, Answer) and outcome.status == 200 else {}
        if asked is None:
            self._spent_until = max(self._spent_until, now) + PAUSE
            self._next = self._beside(told.get("jwks_uri"))
        elif found := dict(_keys(told)):
            self._known, self._learnt_at = found, now

    def _beside(self, url: object) -> str | None:
        """An address of the same server: nobody else tells us Microsoft's keys."""
        if not isinstance(url, str) or urlsplit(url)[:2] != urlsplit(self.metadata)[:2]:
            return None
        return url


def _keys(told: Json) -> list[tuple[str, Key]]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    found = []
    for data in objects(told, "keys"):
        endorsed = data.get("endorsements")
        names = (
            frozenset(one for one in endorsed if isinstance(one, str)) if isinstance(endorsed, list) else frozenset()
        )
        try:
            found.append((str(data["kid"]), Key(PyJWK(data, ALGORITHM), names)))
        except (PyJWTError, KeyError, ValueError, TypeError):
            continue  # of another kind
    return found


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token as a stranger sent it."""

    token: str
    key_name: str
    claims: Mapping[str, Any]
    """As it says itself."""


def bearer(request: Request) -> Bearer | None:
    """None for what is no token of that kind."""
    import jwt

    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or len(token) > LONGEST or not token.isascii():
        return None
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return None
    name = read["header"].get("kid")
    if read["header"].get("alg") != ALGORITHM or not isinstance(name, str):
        return None
    return Bearer(token, name, read["payload"])


def holds(bearer: Bearer, key: Key, issuer: str, app: str, now: float) -> bool:
    """Whether it is signed with the key, by that issuer, for that app, for this time."""
    import jwt

    try:
        claims = jwt.decode(
            bearer.token,
            key.public,
            algorithms=[ALGORITHM],
            audience=app,
            issuer=issuer,
            options={
                "require": ["exp", "iss", "aud"],
                "strict_aud": True,
                "verify_exp": False,  # below, by our clock
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return False
    return _time(claims["exp"]) > now - LEEWAY and _time(claims.get("nbf", 0)) < now + LEEWAY


def _time(value: object) -> float:
    """What is no number is no time that holds."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
