"""WhatsApp, by Meta's Cloud API: https://developers.facebook.com/docs/whatsapp/cloud-api"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import Field

from bot.channels.capabilities import Capabilities, Markup, Options, Pace
from bot.channels.connector import Check, Connector, Signing
from bot.channels.meta import (
    DAY,
    TOKEN_REFUSED,
    Codes,
    MetaSettings,
    body_of,
    greeted,
    is_believed,
    judged,
    refusal,
    with_token,
)
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import Choice, Piece, Way, pieces
from bot.channels.settings import Base, Limits
from bot.channels.verdict import Answer, Call, Outcome, Verdict
from bot.channels.whatsapp_events import CHANNEL, Events, changes, number_of
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import inner, object_or_empty, objects, read_object

CAPABILITIES = Capabilities(
    longest=4096,
    markup=Markup.WHATSAPP,
    buttons=Options(most=3, title=20, text=1024, pictured=1024),
    choices=Options(most=10, title=24, text=1024),
    images=True,
    caption=1024,
    typing=25.0,
    window=DAY,
    account=Pace(80, 80),
    conversation=Pace(1 / 6, 45),
)
CODES = Codes(
    later=frozenset({4, 80007, 130429, 131048, 131056, 131057, 131064, 133016}),
    account=frozenset({4, 80007, 130429, 131048, 131057, 131064, 133016}),
    unclear=frozenset({1, 2, 131000, 131016}),
    refused=frozenset({0, 3, 10, 190, *range(200, 300), 368, 131005, 131031, 131042, 131045}),
    words=(
        TOKEN_REFUSED,
        (131026, "WhatsApp cannot reach the number: it has no WhatsApp, an old one, or has not accepted the terms."),
        (131030, "The number is not among those that the test account may write to."),
        (131047, "The customer wrote more than 24 hours ago: only a template may be sent."),
        (131048, "WhatsApp holds messages back because too many were reported as spam."),
        (131051, "WhatsApp does not know the kind of message."),
        (131056, "Too many messages went to this customer at once."),
        (130429, "The number sends more than its messages a second."),
        (131042, "Meta's bill was not paid; look at the account's payment method."),
        (131031, "Meta has locked the account."),
    ),
)


class WhatsappSettings(MetaSettings):
    phone_number_id: str = Field(
        pattern=r"^\d{5,25}$", description="`Phone number ID` in the app's WhatsApp settings; not the number itself."
    )
    choose: str = Field("Choose", min_length=1, max_length=20, description="On the button that opens a list.")
    template: str = Field(
        "", description="Name of an approved template without parameters, for answers after 24 hours; empty: none."
    )
    template_language: str = Field("en_US", description="The template's language.")
    files: Base = Field("https://lookaside.fbsbx.com", description="Where the files are that customers send.")

    def connect(self, limits: Limits) -> Whatsapp:
        return Whatsapp(self, limits)


@dataclass(frozen=True, slots=True)
class Whatsapp(Connector):
    settings: WhatsappSettings
    limits: Limits
    name: str = CHANNEL
    capabilities: Capabilities = CAPABILITIES

    def verify(self, request: Request) -> bool:
        return is_believed(request, self.settings) and self._ours(request)

    def _ours(self, request: Request) -> bool:
        """Not of another number alone that the same app serves."""
        event = object_or_empty(request.body, self.limits.depth)
        numbers = {number_of(inner(change, "value")) for change in changes(event)} - {""}
        return not numbers or self.settings.phone_number_id in numbers

    def parse(self, request: Request) -> Received:
        if request.method == "GET":
            return greeted(request)
        events = Events(self.settings.phone_number_id, dict(CODES.words))
        return events.read(read_object(request.body, self.limits.depth))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        found = pieces(delivery, self.capabilities)
        return tuple(self._message(delivery.address, _shown(piece, self.settings.choose)) for piece in found)

    def render_late(self, delivery: Delivery) -> tuple[Call, ...]:
        if not self.settings.template:
            return ()
        language = {"code": self.settings.template_language}
        shown = {"type": "template", "template": {"name": self.settings.template, "language": language}}
        return (self._message(delivery.address, shown),)

    def _message(self, address: Json, shown: Json) -> Call:
        to = {"to": address["phone"]} if "phone" in address else {"recipient": address["user"]}
        return self._post({"recipient_type": "individual", **to, **shown})

    def _post(self, body: Json) -> Call:
        url = self.settings.url(f"{self.settings.phone_number_id}/messages")
        return Call(url, orjson.dumps({"messaging_product": "whatsapp", **body}))

    def sign(self, call: Call, signing: Signing) -> Call:
        """The key comes back in what WhatsApp tells of the message."""
        body = call.body
        if b'"recipient_type"' in body:
            body = orjson.dumps({**orjson.loads(body), "biz_opaque_callback_data": signing.key})
        call = replace(call, body=body)
        return with_token(call, self.settings.token, self.settings.url(""), f"{self.settings.files}/")

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        sent = objects(body_of(outcome), "messages")
        name = sent[0].get("id") if sent else None
        return judged(outcome, CODES, name if isinstance(name, str) else None)

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        """Marks the message as read, too."""
        if "message" not in address:
            return None
        read = {"status": "read", "message_id": address["message"]}
        return self._post({**read, "typing_indicator": {"type": "text"}})

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """Its address, for which Meta asks the token too, then the file."""
        if attachment.kind in ("place", "contact") or len(before) > 1:
            return None
        if not before:
            known = re.fullmatch(r"[0-9]{1,40}", attachment.reference)
            return Call(self.settings.url(attachment.reference), method="GET", headers={}) if known else None
        url = object_or_empty(before[0].body).get("url")
        ours = isinstance(url, str) and url.startswith(f"{self.settings.files}/")
        return Call(str(url), method="GET", headers={}) if ours else None

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.api, self.settings.files)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        fields = "display_phone_number,verified_name,quality_rating,webhook_configuration"
        url = self.settings.url(f"{self.settings.phone_number_id}?fields={fields}")
        asked = self.sign(Call(url, method="GET", headers={}), Signing("check", 0.0))
        webhook = f"{public_url}/webhooks/{self.name}"
        return (Check("The token and the phone number", asked, refusal), Check("The webhook", asked, _leads(webhook)))


def _leads(webhook: str) -> Callable[[Outcome], str | None]:
    def judge(outcome: Outcome) -> str | None:
        if wrong := refusal(outcome):
            return wrong
        found = inner(body_of(outcome), "webhook_configuration")
        told = {value for value in found.values() if isinstance(value, str)}
        if told and webhook not in told:
            where = ", ".join(sorted(told))
            return f"Meta sends messages to {where}, not to {webhook}; set the Callback URL of the app."
        return None

    return judge


def _shown(piece: Piece, choose: str) -> Json:
    picture = {"link": piece.image}
    if piece.image and not piece.offer:
        return {"type": "image", "image": picture | ({"caption": piece.text} if piece.text else {})}
    if not piece.offer:
        return {"type": "text", "text": {"body": piece.text, "preview_url": False}}
    offered = _buttons(piece.offer) if piece.way is Way.BUTTONS else _list(piece.offer, choose)
    header = {"header": {"type": "image", "image": picture}} if piece.image else {}
    return {"type": "interactive", "interactive": {**header, "body": {"text": piece.text}, **offered}}


def _buttons(offer: tuple[Choice, ...]) -> Json:
    buttons = [{"type": "reply", "reply": {"id": choice.id, "title": choice.title}} for choice in offer]
    return {"type": "button", "action": {"buttons": buttons}}


def _list(offer: tuple[Choice, ...], choose: str) -> Json:
    rows = [{"id": choice.id, "title": choice.title} for choice in offer]
    return {"type": "list", "action": {"button": choose, "sections": [{"rows": rows}]}}
