"""Facebook Messenger and Instagram, which Meta serves alike.

https://developers.facebook.com/docs/messenger-platform
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import orjson
from pydantic import Field

from bot.channels.capabilities import Capabilities, Options, Pace, Unit
from bot.channels.connector import Check, Connector, Signing
from bot.channels.guard import origin_of
from bot.channels.messenger_events import Events
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
from bot.channels.splitting import shortened
from bot.channels.verdict import Answer, Call, Fate, Outcome, Verdict
from bot.journal.values import Delivery
from bot.messages import Author, Json
from bot.wire import inner, object_or_empty, objects, read_object, text_in

MESSENGER = Capabilities(
    longest=2000,
    buttons=Options(most=3, title=20, text=640),
    choices=Options(most=13, title=20, text=2000),
    images=True,
    cards=True,
    typing=20.0,
    window=DAY,
    account=Pace(200, 300),
    conversation=Pace(1, 10),
)
INSTAGRAM = replace(
    MESSENGER,
    longest=1000,
    unit=Unit.BYTES,
    buttons=Options(most=3, title=20, text=640),
    choices=Options(most=13, title=20, text=1000),
    account=Pace(80, 100),
)
CAROUSEL = 10
"""Cards in one message."""
CARD_CHARS = 80
_WINDOW = 2018278
CODES = Codes(
    later=frozenset({4, 17, 32, 613}),
    account=frozenset({4, 17, 32, 613}),
    unclear=frozenset({1, 2, 1200}),
    words=(
        TOKEN_REFUSED,
        (551, "The customer cannot be reached: they have blocked the page, or left."),
        (10, "The app lacks a permission that the page's messages need."),
        (613, "The page sends more than Meta takes."),
    ),
)
_HOSTS = ("fbcdn.net", "fbsbx.com", "cdninstagram.com")


class SendSettings(MetaSettings):
    files: Base | None = Field(
        None, description="Where customers' files may be beside Meta's own hosts: a proxy, `https://...`."
    )
    human_agent: bool = Field(
        False, description="Whether people's answers may go out up to seven days later, by Meta's tag `HUMAN_AGENT`."
    )


class MessengerSettings(SendSettings):
    page_id: str = Field(pattern=r"^\d{5,25}$", description="The Facebook page's number: `Page ID` in its settings.")

    def connect(self, limits: Limits) -> Messenger:
        return Messenger(self, self.page_id, limits, "messenger", MESSENGER)


class InstagramSettings(SendSettings):
    account_id: str = Field(
        pattern=r"^\d{5,25}$", description="The Instagram professional account's number, as webhooks name it."
    )

    def connect(self, limits: Limits) -> Messenger:
        return Messenger(self, self.account_id, limits, "instagram", INSTAGRAM)


@dataclass(frozen=True, slots=True)
class Messenger(Connector):
    settings: SendSettings
    account: str
    limits: Limits
    name: str
    capabilities: Capabilities

    def verify(self, request: Request) -> bool:
        return is_believed(request, self.settings) and self._ours(request)

    def _ours(self, request: Request) -> bool:
        """Not of another page alone that the same app serves."""
        event = object_or_empty(request.body, self.limits.depth)
        names = {text_in(entry, "id") for entry in objects(event, "entry")}
        return not names or self.account in names

    def parse(self, request: Request) -> Received:
        if request.method == "GET":
            return greeted(request)
        return Events(self.name, self.account).read(read_object(request.body, self.limits.depth))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return self._calls(delivery, {"messaging_type": "RESPONSE"})

    def render_late(self, delivery: Delivery) -> tuple[Call, ...]:
        if not self.settings.human_agent or delivery.entry.author is not Author.AGENT:
            return ()
        return self._calls(delivery, {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"})

    def _calls(self, delivery: Delivery, kind: Json) -> tuple[Call, ...]:
        to = {"recipient": {"id": delivery.address["customer"]}, **kind}
        shown = _messages(pieces(delivery, self.capabilities))
        return tuple(self._post({**to, "message": message}) for message in shown)

    def _post(self, body: Json) -> Call:
        return Call(self.settings.url(f"{self.account}/messages"), orjson.dumps(body))

    def sign(self, call: Call, signing: Signing) -> Call:
        """The key comes back in the message's echo."""
        body = call.body
        if b'"message":' in body:
            asked = orjson.loads(body)
            body = orjson.dumps({**asked, "message": {**asked["message"], "metadata": signing.key}})
        return with_token(replace(call, body=body), self.settings.token, self.settings.url(""))

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        body = body_of(outcome)
        error, name = inner(body, "error"), body.get("message_id")
        if error.get("error_subcode") == _WINDOW:
            return Verdict(Fate.GIVE_UP, "The customer wrote too long ago: Meta takes no answer any more.")
        return judged(outcome, CODES, name if isinstance(name, str) else None)

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        return self._post({"recipient": {"id": address["customer"]}, "sender_action": "typing_on"})

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """Its address is told with the message; it is Meta's, or there is nothing to fetch."""
        origin = origin_of(attachment.reference) or ""
        metas = origin.endswith(tuple(f".{known}:443" for known in _HOSTS))
        ours = metas or attachment.reference.startswith(tuple(f"{base}/" for base in self.bases))
        return Call(attachment.reference, method="GET", headers={}) if ours and not before else None

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.files,) if self.settings.files else ()

    def checks(self, public_url: str) -> tuple[Check, ...]:
        me = Call(self.settings.url(f"{self.account}?fields=id,name"), method="GET", headers={})
        apps = Call(self.settings.url(f"{self.account}/subscribed_apps"), method="GET", headers={})
        signing = Signing("check", 0.0)
        return (
            Check("The token and the account", self.sign(me, signing), refusal),
            Check("The subscription", self.sign(apps, signing), _subscribed),
        )


def _subscribed(outcome: Outcome) -> str | None:
    if wrong := refusal(outcome):
        return wrong
    fields = [app.get("subscribed_fields") for app in objects(body_of(outcome), "data")]
    if any(isinstance(one, list) and "messages" in one for one in fields):
        return None
    return "no app is subscribed to the account's messages; subscribe it to messages and messaging_postbacks."


def _messages(shown: tuple[Piece, ...]) -> Iterator[Json]:
    """Neighbouring cards share a message, in which the customer leafs."""
    for cards, same in groupby(shown, key=lambda piece: piece.card is not None):
        some = list(same)
        if not cards:
            yield from map(_message, some)
            continue
        for start in range(0, len(some), CAROUSEL):
            elements = [_element(piece) for piece in some[start : start + CAROUSEL]]
            yield _attachment("template", {"template_type": "generic", "elements": elements})


def _message(piece: Piece) -> Json:
    if piece.image:
        return _attachment("image", {"url": piece.image, "is_reusable": True})
    if not piece.offer:
        return {"text": piece.text}
    if piece.way is Way.BUTTONS:
        shown = {"template_type": "button", "text": piece.text, "buttons": _buttons(piece.offer)}
        return _attachment("template", shown)
    replies = [{"content_type": "text", "title": choice.title, "payload": choice.id} for choice in piece.offer]
    return {"text": piece.text, "quick_replies": replies}


def _attachment(kind: str, payload: Json) -> Json:
    return {"attachment": {"type": kind, "payload": payload}}


def _element(piece: Piece) -> Json:
    card = piece.card
    assert card is not None
    element: Json = {"title": shortened(card.title, CARD_CHARS, Unit.CHARACTERS) or "…"}
    if card.subtitle:
        element["subtitle"] = shortened(card.subtitle, CARD_CHARS, Unit.CHARACTERS)
    if card.image:
        element["image_url"] = card.image
    if card.url:
        element["default_action"] = {"type": "web_url", "url": card.url}
    return element | ({"buttons": _buttons(piece.offer)} if piece.offer else {})


def _buttons(offer: tuple[Choice, ...]) -> list[Json]:
    return [{"type": "postback", "title": choice.title, "payload": choice.id} for choice in offer]
