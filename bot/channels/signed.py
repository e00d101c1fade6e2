"""Signed REST in both directions, by Standard Webhooks: a program of yours sends messages and gets the replies.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
import re
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import orjson
from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Options
from bot.channels.connector import Connector, Signing, with_headers
from bot.channels.proof import is_one_of, is_recent
from bot.channels.received import Message, Received, Reply, Request
from bot.channels.settings import ChannelSettings, Limits
from bot.channels.verdict import Call, Fate, Outcome, Verdict, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Json
from bot.secrets import read_secrets
from bot.wire import Malformed, clean_text, read_object, text_field

SIGNATURES = 8
"""More than anybody needs while secrets change; the rest is not looked at."""
ID_CHARS = 255
CONVERSATION_CHARS = 200
CAPABILITIES = Capabilities(longest=sys.maxsize, buttons=Options(sys.maxsize, sys.maxsize))


class SignedSettings(ChannelSettings):
    url: str = Field(description="Where replies are sent, `https://...`.")
    secrets: tuple[SecretStr, ...] = Field(
        description="Secrets, `whsec_...`, as a JSON list; more than one while they change."
    )

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not re.match(r"https?://[^/]", url):
            raise ValueError("must be a URL such as https://example.com/replies")
        return url

    @field_validator("secrets")
    @classmethod
    def _secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not secrets:
            raise ValueError("at least one secret is needed")
        read_secrets(secret.get_secret_value() for secret in secrets)
        return secrets

    def connect(self, limits: Limits) -> Signed:
        return Signed(self.url, read_secrets(secret.get_secret_value() for secret in self.secrets), limits)


@dataclass(frozen=True, slots=True)
class Signed(Connector):
    url: str
    keys: tuple[bytes, ...]
    """Each is good for what comes in; what goes out is signed with all of them."""
    limits: Limits
    name: str = "signed"
    capabilities: Capabilities = CAPABILITIES
    strict: bool = True

    def verify(self, request: Request) -> bool:
        message_id, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        given = request.headers.get("webhook-signature", "").split(" ")[:SIGNATURES]
        if request.method != "POST" or not _usable(message_id) or not is_recent(at, request.now):
            return False
        wanted = [signature(key, message_id, at, request.body) for key in self.keys]
        return any([is_one_of(one, wanted) for one in given])  # noqa: C419  all of them

    def parse(self, request: Request) -> Received:
        event = read_object(request.body, self.limits.depth)
        if event.get("type") != "message":
            body = orjson.dumps({"accepted": []})
            return Received(ignored=("other",), reply=Reply(body=body, content_type="application/json"))
        data = event.get("data")
        if not isinstance(data, dict):
            raise Malformed("`data` must be an object.")
        message = self._message(data, request)
        body = orjson.dumps({"accepted": [{"message_id": message.id}]})
        return Received((message,), reply=Reply(body=body, content_type="application/json"))

    def _message(self, data: Json, request: Request) -> Message:
        conversation = clean_text(text_field(data, "conversation", longest=CONVERSATION_CHARS))
        text = clean_text(text_field(data, "text", longest=self.limits.text, default=""))
        payload = text_field(data, "payload", longest=self.limits.text, default="") or None
        metadata = data.get("metadata") or {}
        if not conversation:
            raise Malformed("`conversation` is empty.")
        if not text and not payload:
            raise Malformed("`text` is empty.")
        if not isinstance(metadata, dict):
            raise Malformed("`metadata` must be an object.")
        return Message(
            conversation_id=f"{self.name}-{conversation}",
            id=request.headers["webhook-id"],
            address={"conversation": conversation},
            text=text,
            payload=payload,
            metadata=metadata,
        )

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        entry, message = delivery.entry, delivery.entry.message.to_json()
        data = {
            "conversation": delivery.address["conversation"],
            "seq": entry.seq,
            "reply_to": entry.reply_to,
            "author": entry.author.value,
            **{name: message[name] for name in ("text", "buttons", "image", "cards", "source", "custom")},
        }
        at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
        body = orjson.dumps({"type": "message", "timestamp": at, "data": data})
        return (Call(self.url, body, repeatable=True),)  # who receives our webhooks is told to keep their ids

    def sign(self, call: Call, signing: Signing) -> Call:
        at = str(int(signing.now))
        signatures = " ".join(signature(secret, signing.key, at, call.body) for secret in self.keys)
        return with_headers(call, webhook_id=signing.key, webhook_timestamp=at, webhook_signature=signatures)

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        verdict = usual_verdict(outcome)
        if verdict.fate is Fate.GIVE_UP:
            return replace(verdict, error=f"{verdict.error} Look at FRONTDESK_SIGNED__URL and what serves it.")
        return verdict


def signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    signed = hmac.digest(key, f"{message_id}.{at}.".encode("utf-8", "surrogateescape") + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def _usable(message_id: str) -> bool:
    """The signed text is joined by dots, so an id with a dot could be another id with another time."""
    return 0 < len(message_id) <= ID_CHARS and "." not in message_id
