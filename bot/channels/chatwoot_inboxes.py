"""What Chatwoot's inboxes show: each hands our messages on to an app of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.channels.capabilities import Capabilities, Markup, Options, Pace
from bot.messages import Json
from bot.wire import inner, text_in

_PACE = Pace(rate=20, burst=40)
"""Chatwoot takes 3000 requests a minute from an address."""
_TWILIO_WHATSAPP = "Twilio WhatsApp"


def _inbox(longest: int, *, choices: Options | None = None, markup: Markup = Markup.PLAIN) -> Capabilities:
    return Capabilities(longest, markup=markup, choices=choices, account=_PACE)


UNKNOWN = _inbox(1000)
KINDS = {
    "Channel::WebWidget": _inbox(10_000, choices=Options(most=20, title=80), markup=Markup.MARKDOWN),
    "Channel::Telegram": _inbox(4096, choices=Options(most=20, title=64), markup=Markup.MARKDOWN),
    "Channel::Whatsapp": _inbox(4096, choices=Options(most=10, title=20, text=1024)),
    "Channel::FacebookPage": _inbox(2000, choices=Options(most=13, title=20)),
    "Channel::Email": _inbox(25_000, markup=Markup.MARKDOWN),
    "Channel::Api": _inbox(10_000),
    "Channel::Line": _inbox(2000),
    _TWILIO_WHATSAPP: _inbox(1600),
    "Channel::TwilioSms": _inbox(320),
    "Channel::Sms": _inbox(320),
}
"""By what Chatwoot calls them; Twilio's two are told apart by us."""


def address(conversation: Json, number: str) -> dict[str, str]:
    """Where the answer goes, and into what kind of inbox."""
    kind, inbox = text_in(conversation, "channel", 50), conversation.get("inbox_id")
    if text_in(inner(conversation, "contact_inbox"), "source_id").startswith("whatsapp:"):
        kind = _TWILIO_WHATSAPP
    return {"conversation": number, "inbox": str(inbox)[:20] if isinstance(inbox, int) else "", "kind": kind}


def shows(where: Mapping[str, Any], lengths: Mapping[str, int]) -> Capabilities:
    """What that inbox shows; `lengths` are the operator's, by the inboxes' numbers."""
    kind, longest = KINDS.get(where["kind"], UNKNOWN), lengths.get(where["inbox"])
    return kind if longest is None else replace(kind, longest=longest)
