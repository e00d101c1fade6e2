"""Microsoft's Bot Connector with Teams behind it: it lends tokens, publishes keys, signs what it tells."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import Any, ClassVar, Self, cast
from urllib.parse import parse_qs, unquote

import jwt
import orjson
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from bot.channels.settings import ChannelSettings
from bot.channels.teams import TeamsSettings
from bot.channels.teams_cards import HERO_BUTTONS
from bot.messages import Json
from bot.simulators.provider import Choice, Event, File, NotTaken, Provider, Shown, Taken, need, served
from bot.wire import inner, object_or_empty, objects

MESSAGE_BYTES = 28_000
"""Of a message with everything in it."""
TOKEN_SECONDS = 3600
OTHERS, CERTIFICATE = 40, 2000
"""Keys that are published too, and characters of each one's certificate: more than Microsoft has."""
APP, TENANT = "a8f5c2de-1111-4c4a-9a43-2f0c3b7d9e10", "72f988bf-2222-41af-91ab-2d7cd011db47"
MARA = "c33aa84d-3333-4bbb-8ccc-6d1f2a3b4c5d"
"""What the company's directory calls everybody here."""
_PATH = re.compile(r"/emea/v3/conversations/([^/]+)/activities")
_VIEW = re.compile(r"/emea/v3/attachments/([0-9a-f-]+)/views/original")
_CARDS = ("application/vnd.microsoft.card.hero", "application/vnd.microsoft.card.adaptive")


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """One for each name: making them takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def _new_kid() -> str:
    """Each process has a key of its own, and so another name for it: by that a service knows that it is new."""
    return f"key-{token_hex(4)}"


@dataclass
class SimulatedTeams(Provider):
    name: ClassVar[str] = "teams"
    retries: ClassVar[tuple[float, ...]] = (1, 15)

    settings: TeamsSettings = field(kw_only=True)
    kid: str = "key-1"
    """With which it signs."""
    grants: int = 0
    """Tokens lent."""
    published: int = 0
    """How often the keys were asked for."""
    typing: list[str] = field(default_factory=list)
    """To whom it was shown that the bot writes."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1_700_000_000_000))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        lent = {"login": url, "keys": f"{url}/v1/.well-known/openidconfiguration"}
        return {"app": APP, "password": "for trying things out", "tenant": TENANT, "hosts": [url], **lent}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("TeamsSettings", settings), kid=_new_kid())

    # -- what it answers

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        match (request.method, request.path):
            case ("POST", path) if path == f"/{self.settings.tenant}/oauth2/v2.0/token":
                return self._lent(parse_qs(body.decode()))
            case ("GET", "/v1/.well-known/openidconfiguration"):
                told = {"issuer": self.settings.api, "jwks_uri": f"{self.url}/v1/.well-known/keys"}
                return Taken(web.json_response(told))
            case ("GET", "/v1/.well-known/keys"):
                self.published += 1
                others = [self.jwk(kid=f"other-{number}", x5c=["M" * CERTIFICATE]) for number in range(OTHERS)]
                return Taken(web.json_response({"keys": [*others, self.jwk()]}))
            case ("GET", path) if view := _VIEW.fullmatch(path):
                self._need_token(request)
                return served(self.file(view[1], self.refused(404)))
        return self._activity(request, body)

    def _lent(self, asked: dict[str, list[str]]) -> Taken:
        wanted = {
            "grant_type": ["client_credentials"],
            "client_id": [self.settings.app],
            "client_secret": [self.settings.password.get_secret_value()],
            "scope": [f"{self.settings.api}/.default"],
        }
        if asked != wanted:
            error = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
            return Taken(web.json_response(error, status=401))
        self.grants += 1
        token = {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "access_token": f"lent-{self.grants}"}
        return Taken(web.json_response(token))

    def _need_token(self, request: web.Request) -> None:
        """A new one leaves those before it as they are."""
        lent = [f"Bearer lent-{number}" for number in range(1, self.grants + 1)]
        need(request.headers.get("Authorization") in lent, self.refused(401), "a token that was not lent")

    def _activity(self, request: web.Request, body: bytes) -> Taken:
        path = _PATH.fullmatch(request.path)
        need(path is not None and request.method == "POST", self.refused(404), f"{request.method} {request.path}")
        self._need_token(request)
        need(request.content_type == "application/json", self.refused(400), request.content_type)
        need(len(body) <= MESSAGE_BYTES, self.refused(413), f"{len(body)} bytes")
        assert path is not None
        there, said = unquote(path[1]), orjson.loads(body)
        need(said["conversation"]["id"] == there, self.refused(400), "another conversation in the body")
        customer = there.removeprefix("a:")
        if said["type"] == "typing":
            self.typing.append(customer)
            return Taken(web.json_response({"id": ""}, status=201))
        need(said["type"] == "message" and said["textFormat"] == "markdown", self.refused(400), "another activity")
        shown = self._shown(said, str(next(self._numbers)))
        return Taken(web.json_response({"id": shown.id}, status=201), customer, (shown,))

    def _shown(self, said: Json, name: str) -> Shown:
        """What is in a card comes after the text."""
        text, image, choices = said["text"], "", list[Choice]()
        for attachment in said.get("attachments", ()):
            if attachment["contentType"].startswith("image/"):
                image = attachment["contentUrl"]
                continue
            need(attachment["contentType"] in _CARDS, self.refused(400), "an unknown attachment")
            hero = attachment["contentType"] == _CARDS[0]
            lines, more, image = _hero(attachment["content"]) if hero else _adaptive(attachment["content"])
            text, choices = "\n".join((*filter(None, [text]), *lines)), [*choices, *more]
        need(bool(text or image or choices), self.refused(400), "an empty message")
        return Shown(text, tuple(choices), image, name)

    def refused(self, status: int) -> web.Response:
        codes = {401: "Unauthorized", 403: "BotDisabledByAdmin", 404: "ConversationNotFound", 429: "TooManyRequests"}
        error = {"code": codes.get(status, "ServiceError"), "message": "For people, and subject to change."}
        asked = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return web.json_response({"error": error}, status=status, headers=asked)

    # -- what it tells

    def jwk(self, **more: Any) -> Json:
        public = RSAAlgorithm.to_jwk(private_key(self.kid).public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "endorsements": ["msteams", "webchat"], **more}

    def signed(self, service: str, **claims: Any) -> str:
        """The token that comes with what it tells; claims that are None are left out."""
        now = int(time.time())
        usual = {"iss": self.settings.api, "aud": self.settings.app, "nbf": now - 5, "exp": now + 3600}
        told = {name: value for name, value in {**usual, "serviceurl": service, **claims}.items() if value is not None}
        return jwt.encode(told, private_key(self.kid), algorithm="RS256", headers={"kid": self.kid})

    def event(self, activity: Json, **claims: Any) -> Event:
        headers = {"Authorization": f"Bearer {self.signed(activity['serviceUrl'], **claims)}"}
        return Event(orjson.dumps(activity), {**headers, "Content-Type": "application/json; charset=utf-8"})

    def resigned(self, event: Event, body: bytes) -> Event:
        """What is signed is the address of the service that the activity names."""
        service = object_or_empty(body).get("serviceUrl")
        headers = {"Authorization": f"Bearer {self.signed(service if isinstance(service, str) else self.url)}"}
        return Event(body, {**event.headers, **headers})

    def said(self, customer: str, text: str) -> Event:
        return self.event(self.activity(customer, text=text, textFormat="plain"))

    def sent_file(self, customer: str, file: File) -> Event:
        name = f"0-{next(self._numbers):x}"
        self.files[name] = file
        url = f"{self.url}/emea/v3/attachments/{name}/views/original"
        told = [{"contentType": file.type, "contentUrl": url, "name": file.name}]
        return self.event(self.activity(customer, attachments=told))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        value = {"frontdesk": choice.id}
        return self.event(self.activity(customer, text=choice.title, value=value, replyToId=under.id))

    def edited(self, customer: str, name: str, text: str) -> Event:
        more = {"id": name, "text": text, "channelData": self._channel("editMessage")}
        return self.event(self.activity(customer, type="messageUpdate", **more))

    def reacted(self, customer: str, to: Shown, kind: str, field: str = "reactionsAdded") -> Event:
        return self.event(self.activity(customer, type="messageReaction", replyToId=to.id, **{field: [{"type": kind}]}))

    def joined(self, customer: str) -> Event:
        members = [{"id": f"29:{customer}"}, {"id": f"28:{self.settings.app}"}]
        return self.event(self.activity(customer, type="conversationUpdate", membersAdded=members))

    def activity(self, customer: str, **more: Any) -> Json:
        """One of the customer's, in their chat with the bot."""
        return {
            "type": "message",
            "id": str(next(self._numbers)),
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "serviceUrl": f"{self.url}/emea/",
            "channelId": "msteams",
            "from": {"id": f"29:{customer}", "name": "Mara Fields", "aadObjectId": MARA},
            "conversation": {"conversationType": "personal", "tenantId": self.settings.tenant, "id": f"a:{customer}"},
            "recipient": {"id": f"28:{self.settings.app}", "name": "Frontdesk"},
            "entities": [{"type": "clientInfo", "locale": "en-US", "country": "US", "platform": "Web"}],
            "channelData": self._channel(),
            "locale": "en-US",
            **more,
        }

    def _channel(self, event: str = "") -> Json:
        return {"tenant": {"id": self.settings.tenant}} | ({"eventType": event} if event else {})


def _hero(content: Json) -> tuple[list[str], list[Choice], str]:
    buttons = objects(content, "buttons")
    bad = web.json_response({"error": {"code": "BadSyntax"}}, status=400)
    need(len(buttons) <= HERO_BUTTONS, bad, "too many buttons on a hero card")
    lines = [content.get("title", ""), content.get("text", ""), inner(content, "tap").get("value", "")]
    images = [image["url"] for image in objects(content, "images")]
    return [line for line in lines if line], [_choice(one, one["value"]) for one in buttons], "".join(images)


def _adaptive(content: Json) -> tuple[list[str], list[Choice], str]:
    lines, choices, image = list[str](), list[Choice](), ""
    for element in objects(content, "body"):
        match element["type"]:
            case "RichTextBlock":
                lines += [run["text"] for run in objects(element, "inlines")]
            case "Image":
                image = element["url"]
            case "ActionSet":
                bad = web.json_response({"error": {"code": "BadSyntax"}}, status=400)
                need(len(element["actions"]) <= HERO_BUTTONS, bad, "too many actions in a row")
                choices += [_choice(action["data"]["msteams"], action["data"]) for action in element["actions"]]
            case other:
                raise NotTaken(web.Response(status=400), f"an element {other}")
    return lines, choices, image


def _choice(button: Json, value: Json) -> Choice:
    bad = web.json_response({"error": {"code": "BadSyntax"}}, status=400)
    need(button["type"] == "messageBack" and button["displayText"] == button["title"], bad, "no messageBack")
    return Choice(button["title"], value["frontdesk"])
