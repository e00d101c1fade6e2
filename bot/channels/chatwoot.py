"""Chatwoot, as an Agent Bot: it answers what is pending, and opens the conversation when people should go on.

https://www.chatwoot.com/hc/user-guide/articles/1677497472-how-to-use-agent-bots
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Self

import orjson
from pydantic import Field, SecretStr, field_validator, model_validator

from bot.channels.capabilities import Capabilities
from bot.channels.chatwoot_events import KEY, Events, account_of
from bot.channels.chatwoot_inboxes import UNKNOWN, shows
from bot.channels.connector import Check, Connector, Signing, with_headers
from bot.channels.guard import origin_of
from bot.channels.proof import is_one_of, is_recent
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import Piece, pieces
from bot.channels.settings import Base, ChannelSettings, Limits
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Author, Json, Owner
from bot.wire import Malformed, object_or_empty, read_object

API, FILES = "/api/v1/", "/rails/active_storage/"
"""Below Chatwoot's address: what our token is for, and what customers sent."""


class ChatwootSettings(ChannelSettings):
    account: int = Field(ge=1, description="The account's number: in the address of its pages, `/app/accounts/1/`.")
    token: SecretStr = Field(description="The bot's `Access Token`.")
    secrets: tuple[SecretStr, ...] = Field(
        (), description="The bot's webhook secret, as a JSON list; two while it changes."
    )
    key: SecretStr | None = Field(
        None,
        description="For a Chatwoot before 4.13, which signs nothing: a long random text; the webhook's address ends "
        "with `?key=` and it.",
    )
    lengths: dict[str, int] = Field(
        {}, description='Longest messages of inboxes by their numbers, `{"3": 320}`; else what their kind takes.'
    )
    api: Base = Field("https://app.chatwoot.com", description="Where Chatwoot is.")

    @field_validator("key")
    @classmethod
    def _key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[A-Za-z0-9_-]{24,}", key.get_secret_value()):
            raise ValueError("must be 24 letters and digits or more, such as `openssl rand -hex 24` makes")
        return key

    @field_validator("lengths")
    @classmethod
    def _lengths(cls, lengths: dict[str, int]) -> dict[str, int]:
        if any(longest < 50 for longest in lengths.values()):
            raise ValueError("must be lengths of 50 characters or more")
        return lengths

    @model_validator(mode="after")
    def _proof(self) -> Self:
        if not all(secret.get_secret_value() for secret in self.secrets):
            raise ValueError("has an empty secret")
        if not self.secrets and self.key is None:
            raise ValueError("needs SECRETS, or KEY for a Chatwoot that signs nothing")
        return self

    def connect(self, limits: Limits) -> Chatwoot:
        return Chatwoot(
            str(self.account),
            self.api,
            self.token.get_secret_value(),
            tuple(secret.get_secret_value().encode() for secret in self.secrets),
            self.key.get_secret_value() if self.key else None,
            self.lengths,
            limits,
        )


@dataclass(frozen=True, slots=True)
class Chatwoot(Connector):
    account: str
    api: str
    access_token: str
    secrets: tuple[bytes, ...]
    key: str | None
    lengths: Mapping[str, int]
    limits: Limits
    name: str = "chatwoot"
    capabilities: Capabilities = UNKNOWN
    again: int = HTTPStatus.INTERNAL_SERVER_ERROR
    """At any other error but 429 Chatwoot takes the bot for dead and opens the conversation."""

    def verify(self, request: Request) -> bool:
        """Each proof that is set up has to hold."""
        signed = not self.secrets or _signed(self.secrets, request)
        keyed = self.key is None or is_one_of(request.query.get("key", ""), [self.key])
        return request.method == "POST" and signed and keyed and self._is_of_account(request)

    def _is_of_account(self, request: Request) -> bool:
        """A bot of the whole installation gets other accounts' events too."""
        try:
            return account_of(read_object(request.body, self.limits.depth)) in (None, self.account)
        except Malformed:
            return True  # which `parse` says

    def parse(self, request: Request) -> Received:
        event = read_object(request.body, self.limits.depth)
        return Events(self.name, self.account, self.lengths).received(event)

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        where = delivery.address
        if delivery.entry.author is Author.SYSTEM and delivery.owner is Owner.BOT:
            return ()  # people gave it back: Chatwoot shows that, and nobody should write into what they resolved
        found = pieces(delivery, shows(where, self.lengths))
        said = tuple(Call(self._url(where, "messages"), orjson.dumps(_message(piece))) for piece in found)
        return (*said, self._opened(where)) if delivery.owner is Owner.QUEUE else said

    def _opened(self, where: Mapping[str, Any]) -> Call:
        """For people. Once more changes nothing."""
        return Call(self._url(where, "toggle_status"), orjson.dumps({"status": "open"}), repeatable=True)

    def _url(self, where: Mapping[str, Any], verb: str) -> str:
        return f"{self.api}{API}accounts/{self.account}/conversations/{where['conversation']}/{verb}"

    def sign(self, call: Call, signing: Signing) -> Call:
        """The token goes to Chatwoot alone."""
        if _is_message(call):
            message = orjson.loads(call.body)
            message.setdefault("content_attributes", {})[KEY] = signing.key
            call = replace(call, body=orjson.dumps(message))
        ours = call.url.startswith(f"{self.api}{API}")
        return with_headers(call, api_access_token=self.access_token) if ours else call

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        verdict = usual_verdict(outcome)
        if isinstance(outcome, Silence):
            return verdict
        match outcome.status:
            case HTTPStatus.OK:
                return replace(verdict, provider_id=_number_in(outcome.body) if _is_message(call) else None)
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                return replace(verdict, fate=Fate.REFUSED, error=f"{verdict.error} {_MEND}")
            case HTTPStatus.NOT_FOUND:
                return replace(verdict, error=f"{verdict.error} The conversation was deleted in Chatwoot.")
            case HTTPStatus.TOO_MANY_REQUESTS:
                return replace(verdict, account=True)
        return verdict

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """Chatwoot's address of a file leads on to where it is stored; neither is told our token."""
        url = attachment.reference
        known = origin_of(url) and (not url.startswith(f"{self.api}/") or url.startswith(f"{self.api}{FILES}"))
        return Call(url, headers={}, method="GET") if known and not before else None

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.api,)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        """Chatwoot counts conversations from 1, so nothing is opened."""
        call = self._opened({"conversation": "0"})
        return (Check("The token", self.sign(call, Signing("check", 0.0)), _judge),)


_MEND = "Compare FRONTDESK_CHATWOOT__TOKEN with the bot's Access Token, and choose the bot in an inbox of the account."


def _judge(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence):
        return f"{outcome.reason} Look at FRONTDESK_CHATWOOT__API."
    if outcome.status == HTTPStatus.NOT_FOUND and b'"error"' in outcome.body:
        return None
    if outcome.status == HTTPStatus.UNAUTHORIZED:
        return f"it is not taken. {_MEND}"
    return f"the answer is {outcome.status}, and not Chatwoot's. Look at FRONTDESK_CHATWOOT__API."


def _message(piece: Piece) -> Json:
    said: Json = {"content": piece.text, "message_type": "outgoing", "private": False, "content_type": "text"}
    if not piece.offer:
        return said
    items = [{"title": choice.title, "value": choice.id} for choice in piece.offer]
    return {**said, "content_type": "input_select", "content_attributes": {"items": items}}


def _is_message(call: Call) -> bool:
    return call.url.endswith("/messages")


def _number_in(body: bytes) -> str | None:
    number = object_or_empty(body).get("id")
    return str(number) if isinstance(number, int) else None


def signature(secret: bytes, at: str, body: bytes) -> str:
    return "sha256=" + hmac.digest(secret, at.encode("utf-8", "surrogatepass") + b"." + body, "sha256").hex()


def _signed(secrets: tuple[bytes, ...], request: Request) -> bool:
    at, given = request.headers.get("x-chatwoot-timestamp", ""), request.headers.get("x-chatwoot-signature", "")
    return is_one_of(given, [signature(secret, at, request.body) for secret in secrets]) and is_recent(at, request.now)
