"""Signed REST in both directions, by Standard Webhooks: a program of yours sends messages and gets the replies.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from bot.channels.connector import Call, Capabilities, Fate, Outcome, Request, Verdict, usual_verdict
from bot.messages import Entry, Inbound, Json
from bot.wire import Malformed, clean_text, read_object, text_field

TOLERANCE = 300
"""Seconds that a request's time may be off ours."""
SIGNATURES = 8
"""More than anybody needs while secrets change; the rest is not looked at."""
ID_CHARS = 255
CONVERSATION_CHARS = 200
CAPABILITIES = Capabilities(deduplicates=True)
"""Who receives our webhooks is told to keep their ids."""


@dataclass(frozen=True, slots=True)
class Limits:
    text: int
    depth: int


@dataclass(frozen=True, slots=True)
class Signed:
    url: str
    keys: tuple[bytes, ...]
    """Each is good for what comes in; what goes out is signed with all of them."""
    limits: Limits
    name: str = "signed"
    capabilities: Capabilities = CAPABILITIES

    def verify(self, request: Request) -> bool:
        message_id, at = request.headers.get("webhook-id", ""), request.headers.get("webhook-timestamp", "")
        given = request.headers.get("webhook-signature", "").split(" ")[:SIGNATURES]
        if request.method != "POST" or not _usable(message_id) or not _recent(at, request.now):
            return False
        wanted = [signature(key, message_id, at, request.body) for key in self.keys]
        return any(_equal(one, other) for one in wanted for other in given)

    def parse(self, request: Request) -> tuple[Inbound, ...]:
        event = read_object(request.body, self.limits.depth)
        if event.get("type") != "message":
            return ()
        data = event.get("data")
        if not isinstance(data, dict):
            raise Malformed("`data` must be an object.")
        return (self._message(data, request),)

    def _message(self, data: Json, request: Request) -> Inbound:
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
        return Inbound(
            conversation_id=f"{self.name}-{conversation}",
            message_id=request.headers["webhook-id"],
            text=text or str(payload),
            channel=self.name,
            at=request.now,
            payload=payload,
            metadata=metadata,
            address={"conversation": conversation},
        )

    def render(self, address: Json, entry: Entry) -> tuple[Call, ...]:
        message = entry.message.to_json()
        data = {
            "conversation": address["conversation"],
            "seq": entry.seq,
            "reply_to": entry.reply_to,
            "author": entry.author.value,
            **{name: message[name] for name in ("text", "buttons", "image", "cards", "source", "custom")},
        }
        at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")
        return (Call(self.url, orjson.dumps({"type": "message", "timestamp": at, "data": data})),)

    def sign(self, call: Call, key: str, now: float) -> dict[str, str]:
        at = str(int(now))
        signatures = " ".join(signature(secret, key, at, call.body) for secret in self.keys)
        return {"webhook-id": key, "webhook-timestamp": at, "webhook-signature": signatures}

    def classify(self, outcome: Outcome) -> Verdict:
        verdict = usual_verdict(outcome)
        if verdict.fate is Fate.GIVE_UP:
            return Verdict(Fate.GIVE_UP, f"{verdict.error} Look at FRONTDESK_WEBHOOK_URL and what serves it.")
        return verdict


def signature(key: bytes, message_id: str, at: str, body: bytes) -> str:
    signed = hmac.digest(key, f"{message_id}.{at}.".encode("utf-8", "surrogateescape") + body, "sha256")
    return f"v1,{base64.b64encode(signed).decode()}"


def _usable(message_id: str) -> bool:
    """The signed text is joined by dots, so an id with a dot could be another id with another time."""
    return 0 < len(message_id) <= ID_CHARS and "." not in message_id


def _recent(at: str, now: float) -> bool:
    """Plain digits alone: int() would take signs, spaces and other scripts' digits."""
    return at.isascii() and at.isdigit() and len(at) <= 16 and abs(now - int(at)) <= TOLERANCE


def _equal(wanted: str, given: str) -> bool:
    return hmac.compare_digest(wanted.encode(), given.encode("utf-8", "surrogateescape"))
