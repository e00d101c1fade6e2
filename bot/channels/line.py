"""LINE, by its Messaging API: https://developers.line.biz/en/reference/messaging-api/"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Options, Pace, Unit
from bot.channels.connector import Check, Connector, Signing, with_headers
from bot.channels.line_events import CHANNEL, Events
from bot.channels.proof import is_one_of
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import Choice, Piece, Way, pieces
from bot.channels.settings import Base, ChannelSettings, Limits
from bot.channels.splitting import shortened
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, retry_after, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import object_or_empty, objects, read_object

SECRETS = 4
TOGETHER = 5
"""Messages in one call, which arrive together and in order."""
FRESH = 50.0
"""Seconds for which an answer may be a reply: LINE's token for it is good for about a minute, once, and free."""
CAPABILITIES = Capabilities(
    longest=5000,
    unit=Unit.UTF16,
    buttons=Options(most=4, title=20, text=160),
    choices=Options(most=13, title=20, text=5000),
    images=True,
    typing=20.0,
    account=Pace(500, 1000),
)
_NO_FILES = ("place", "sticker")
_GIVE_UP = "LINE does not take the message."


class LineSettings(ChannelSettings):
    channel_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        max_length=SECRETS,
        description="`Channel secret` under Basic settings, as a JSON list; two while it changes.",
    )
    token: SecretStr = Field(min_length=1, description="`Channel access token` under Messaging API.")
    user_id: str = Field(
        "",
        description="The account's own id, `U...` under Basic settings: what is for others is refused.",
    )
    api: Base = Field("https://api.line.me", description="Where the Messaging API is.")
    api_data: Base = Field("https://api-data.line.me", description="Where the files are that customers send.")

    @field_validator("channel_secrets")
    @classmethod
    def _secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(re.fullmatch(r"[\x21-\x7e]{8,128}", secret.get_secret_value()) for secret in secrets):
            raise ValueError("must be a list of channel secrets such as 0123456789abcdef0123456789abcdef")
        return secrets

    def connect(self, limits: Limits) -> Line:
        return Line(self, limits)


@dataclass(frozen=True, slots=True)
class Line(Connector):
    settings: LineSettings
    limits: Limits
    name: str = CHANNEL
    capabilities: Capabilities = CAPABILITIES

    # -- inbound

    def verify(self, request: Request) -> bool:
        """https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/"""
        keys = [secret.get_secret_value().encode() for secret in self.settings.channel_secrets]
        wanted = [base64.b64encode(hmac.digest(key, request.body, "sha256")).decode() for key in keys]
        same = is_one_of(request.headers.get("x-line-signature", ""), wanted)
        return same and request.method == "POST" and self._ours(request)

    def _ours(self, request: Request) -> bool:
        own = self.settings.user_id
        return not own or object_or_empty(request.body, self.limits.depth).get("destination", own) == own

    def parse(self, request: Request) -> Received:
        return Events().read(read_object(request.body, self.limits.depth))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        shown = [_message(piece) for piece in pieces(delivery, self.capabilities)]
        some = [shown[start : start + TOGETHER] for start in range(0, len(shown), TOGETHER)]
        replying = self._replies(delivery)
        return tuple(
            self._reply(delivery.address, messages) if replying and not n else self._push(delivery.address, messages)
            for n, messages in enumerate(some)
        )

    def _replies(self, delivery: Delivery) -> bool:
        """Whether the first call is a reply. A token is good once, so a second attempt is a push; but if the first one
        was a reply and may have arrived, the second one is as unrepeatable as that was."""
        given = delivery.address.get("token_at")
        if given is None or delivery.parts:
            return False
        age = delivery.entry.at - float(given)
        if delivery.doubt and delivery.attempts == 2:
            return age < FRESH  # also if the customer wrote again since, and the token is another one
        return delivery.attempts <= 1 and 0 <= age < FRESH

    def _reply(self, address: Json, messages: list[Json]) -> Call:
        body = {"replyToken": address["token"], "messages": messages}
        return Call(f"{self.settings.api}/v2/bot/message/reply", orjson.dumps(body))

    def _push(self, address: Json, messages: list[Json]) -> Call:
        body = {"to": address["to"], "messages": messages}
        return Call(f"{self.settings.api}/v2/bot/message/push", orjson.dumps(body), repeatable=True)

    def sign(self, call: Call, signing: Signing) -> Call:
        """The token goes to LINE alone."""
        if not call.url.startswith((f"{self.settings.api}/", f"{self.settings.api_data}/")):
            return call
        signed = with_headers(call, Authorization=f"Bearer {self.settings.token.get_secret_value()}")
        if not call.repeatable:
            return signed
        return with_headers(signed, X_Line_Retry_Key=str(uuid5(NAMESPACE_URL, f"frontdesk:{signing.key}")))

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        """https://developers.line.biz/en/docs/messaging-api/retrying-api-request/"""
        if isinstance(outcome, Silence):
            return usual_verdict(outcome)
        answer = object_or_empty(outcome.body)
        if outcome.status == 409:  # it was taken under the same key before
            return Verdict(Fate.ARRIVED)
        if outcome.status == 200:
            sent = objects(answer, "sentMessages")
            return Verdict(Fate.ARRIVED, provider_id=str(sent[0]["id"]) if sent and "id" in sent[0] else None)
        return self._failed(outcome, str(answer.get("message") or ""))

    def _failed(self, outcome: Answer, message: str) -> Verdict:
        if outcome.status in (401, 403):
            return Verdict(Fate.REFUSED, "LINE does not take the access token; issue a new one and set it.")
        if outcome.status == 429 and "monthly" in message:
            return Verdict(Fate.GIVE_UP, "The account has sent all messages that its plan has in a month.")
        if outcome.status == 429:
            return Verdict(Fate.RETRY, "LINE asks for a pause.", retry_after(outcome), account=True)
        if outcome.status == 400 and "reply token" in message:
            return Verdict(Fate.RETRY, "The time for a free reply was over; the next attempt pushes.", 0.0)
        return usual_verdict(outcome) if outcome.status >= 500 else Verdict(Fate.GIVE_UP, _GIVE_UP)

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        """LINE shows it in chats with one person alone."""
        if not str(address.get("to", "")).startswith("U"):
            return None
        body = {"chatId": address["to"], "loadingSeconds": int(CAPABILITIES.typing or 20)}
        return Call(f"{self.settings.api}/v2/bot/chat/loading/start", orjson.dumps(body))

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        if before or attachment.kind in _NO_FILES or not re.fullmatch(r"[0-9]{1,30}", attachment.reference):
            return None
        url = f"{self.settings.api_data}/v2/bot/message/{attachment.reference}/content"
        return Call(url, method="GET", headers={})

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.api_data,)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        webhook = f"{public_url}/webhooks/{self.name}"
        signing = Signing("check", 0.0)
        info = Call(f"{self.settings.api}/v2/bot/info", method="GET", headers={})
        endpoint = Call(f"{self.settings.api}/v2/bot/channel/webhook/endpoint", method="GET", headers={})
        return (
            Check("The token", self.sign(info, signing), _known),
            Check("The webhook", self.sign(endpoint, signing), lambda outcome: _leads(outcome, webhook)),
        )


def _known(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence):
        return outcome.reason
    return None if outcome.status == 200 else f"LINE answered {outcome.status}; compare FRONTDESK_LINE__TOKEN."


def _leads(outcome: Outcome, webhook: str) -> str | None:
    if wrong := _known(outcome):
        return wrong
    assert isinstance(outcome, Answer)
    found = object_or_empty(outcome.body)
    if found.get("endpoint") != webhook:
        return f"LINE sends events to {found.get('endpoint') or 'nobody'}, not to {webhook}; set the Webhook URL."
    return None if found.get("active") else "Use webhook is switched off; switch it on under Messaging API."


def _message(piece: Piece) -> Json:
    if piece.image:
        return {"type": "image", "originalContentUrl": piece.image, "previewImageUrl": piece.image}
    if not piece.offer:
        return {"type": "text", "text": piece.text}
    actions = [_action(choice) for choice in piece.offer]
    if piece.way is Way.BUTTONS:
        shown = {"type": "buttons", "text": piece.text, "actions": actions}
        return {"type": "template", "altText": shortened(piece.text, 400, Unit.UTF16), "template": shown}
    items = [{"type": "action", "action": action} for action in actions]
    return {"type": "text", "text": piece.text, "quickReply": {"items": items}}


def _action(choice: Choice) -> Json:
    return {"type": "postback", "label": choice.title, "data": choice.id, "displayText": choice.title}
