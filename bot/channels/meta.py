"""What Meta's channels share: how it signs, greets, counts errors and takes calls.

https://developers.facebook.com/docs/graph-api/webhooks/getting-started
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256

from pydantic import Field, SecretStr, field_validator

from bot.channels.connector import with_headers
from bot.channels.proof import is_one_of
from bot.channels.received import Received, Reply, Request
from bot.channels.settings import Base, ChannelSettings
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, in_words, retry_after, usual_verdict
from bot.messages import Json
from bot.wire import inner, object_or_empty

DAY = 24 * 3600.0
"""Seconds after a customer's message in which it may be answered freely."""
SECRETS = 4
"""More than anybody needs while a secret changes."""


class MetaSettings(ChannelSettings):
    """What an app of Meta's has."""

    app_secrets: tuple[SecretStr, ...] = Field(
        min_length=1, max_length=SECRETS, description="The app's `App secret`, as a JSON list; two while it changes."
    )
    verify_token: SecretStr = Field(
        min_length=16,
        description="What you typed as `Verify token` beside the webhook's address: 16 characters or more.",
    )
    token: SecretStr = Field(min_length=1, description="The access token; one of a system user does not run out.")
    version: str = Field("v23.0", pattern=r"^v\d{1,3}\.\d$", description="Of the Graph API.")
    api: Base = Field("https://graph.facebook.com", description="Where the Graph API is.")

    @field_validator("app_secrets")
    @classmethod
    def _app_secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(re.fullmatch(r"[\x21-\x7e]{16,128}", secret.get_secret_value()) for secret in secrets):
            raise ValueError("must be a list of app secrets such as 0123456789abcdef0123456789abcdef")
        return secrets

    def url(self, path: str) -> str:
        return f"{self.api}/{self.version}/{path}"


def is_believed(request: Request, settings: MetaSettings) -> bool:
    """A greeting, or an event signed with the app's secret."""
    if request.method == "GET":
        return _greets(request, settings.verify_token.get_secret_value())
    return request.method == "POST" and _is_signed(request, settings.app_secrets)


def _greets(request: Request, verify_token: str) -> bool:
    """Meta asks once whether the address is ours, by a GET with the token that a person typed into its console."""
    same = is_one_of(request.query.get("hub.verify_token", ""), [verify_token])
    return same and request.query.get("hub.mode") == "subscribe"


def _is_signed(request: Request, secrets: Iterable[SecretStr]) -> bool:
    """X-Hub-Signature-256, over the bytes as they came."""
    keys = [secret.get_secret_value().encode() for secret in secrets]
    wanted = [f"sha256={hmac.new(key, request.body, sha256).hexdigest()}" for key in keys]
    return is_one_of(request.headers.get("x-hub-signature-256", ""), wanted)


def greeted(request: Request) -> Received:
    challenge = request.query.get("hub.challenge", "")[:200]
    return Received(reply=Reply(body=challenge.encode("utf-8", "replace")))


def with_token(call: Call, token: SecretStr, *prefixes: str) -> Call:
    """The token goes to Meta alone: to addresses that begin with one of these."""
    if call.url.startswith(prefixes):
        return with_headers(call, Authorization=f"Bearer {token.get_secret_value()}")
    return call


@dataclass(frozen=True, slots=True)
class Codes:
    """A channel's error codes, by what follows from them."""

    later: frozenset[int]
    account: frozenset[int] = field(default_factory=frozenset)
    """Those of `later` that are about the whole account."""
    unclear: frozenset[int] = field(default_factory=frozenset)
    refused: frozenset[int] = frozenset({0, 3, 10, 190, *range(200, 300)})
    words: tuple[tuple[int, str], ...] = ()
    """What a code means, in a sentence."""


def judged(outcome: Outcome, codes: Codes, provider_id: str | None) -> Verdict:
    """Of a call to the Graph API. https://developers.facebook.com/docs/graph-api/guides/error-handling"""
    if isinstance(outcome, Silence):
        return usual_verdict(outcome)
    if 200 <= outcome.status < 300:
        return Verdict(Fate.ARRIVED, provider_id=provider_id)
    code = inner(object_or_empty(outcome.body), "error").get("code")
    if not isinstance(code, int):
        return usual_verdict(outcome)
    sentence = sentence_of(code, codes) or f"{in_words(outcome.status)[:-1]}, with error {code}."
    if code in codes.later or outcome.status == 429:
        return Verdict(Fate.RETRY, sentence, retry_after(outcome), account=code in codes.account)
    if code in codes.unclear or (outcome.status >= 500 and code not in codes.refused):
        return Verdict(Fate.AMBIGUOUS, sentence)
    return Verdict(Fate.REFUSED if code in codes.refused else Fate.GIVE_UP, sentence)


def sentence_of(code: object, codes: Codes) -> str | None:
    return next((sentence for known, sentence in codes.words if known == code), None)


TOKEN_REFUSED = (190, "Meta does not take the access token; make a new one and set TOKEN.")


def refusal(outcome: Outcome) -> str | None:
    """What the Graph API has against a question, for `channels check`."""
    if isinstance(outcome, Silence):
        return outcome.reason
    if outcome.status == 200:
        return None
    error = inner(object_or_empty(outcome.body), "error")
    return f"Meta answered {outcome.status}: {str(error.get('message') or 'no reason')[:200]}"


def body_of(outcome: Outcome) -> Json:
    return object_or_empty(outcome.body) if isinstance(outcome, Answer) else {}
