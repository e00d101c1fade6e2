"""Microsoft Teams, by the Bot Framework's Connector.

https://learn.microsoft.com/azure/bot-service/rest-api/bot-framework-rest-connector-quickstart
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson
from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Markup, Options, Pace, Unit
from bot.channels.connector import Check, Connector, Signing, Token, with_headers
from bot.channels.guard import origin_of
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import pieces
from bot.channels.settings import Base, ChannelSettings, Limits
from bot.channels.teams_activities import CHANNEL, Activities, tenant_of
from bot.channels.teams_cards import HERO_BUTTONS, activity
from bot.channels.teams_tokens import Bearer, Keys, bearer, holds
from bot.channels.verdict import FORM_BODY, Answer, Call, Fate, Outcome, Silence, Verdict, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import object_or_empty, read_object

CAPABILITIES = Capabilities(
    longest=20_000,  # of a message, with everything in it, 28 KB were always taken
    unit=Unit.BYTES,
    markup=Markup.MARKDOWN,
    buttons=Options(most=HERO_BUTTONS, title=120, pictured=20_000),
    choices=Options(most=4 * HERO_BUTTONS, title=120, pictured=20_000),
    images=True,
    caption=20_000,
    cards=True,
    typing=3.0,
    account=Pace(50, 50),
    conversation=Pace(1, 7),
)
MSTEAMS = "msteams"
"""What the Connector calls the channel."""
HOSTS = (
    "smba.trafficmanager.net",
    "botframework.com",
    "botframework.azure.us",
    "teams.microsoft.com",
    "teams.microsoft.us",
)
"""Microsoft's: to these, and what is under them, our token goes."""
ANY_TENANT = "botframework.com"
_SERVICE = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(:\d{1,5})?(/[A-Za-z0-9._~-]{0,100}){0,8}")


class TeamsSettings(ChannelSettings):
    app: str = Field(description="The bot's `Microsoft App ID`.")
    password: SecretStr = Field(description="The `Value` of a client secret of the app.")
    tenant: str = Field(description="The bot's `App Tenant ID`; `botframework.com` for a bot of several tenants.")
    hosts: tuple[str, ...] = Field((), description="Hosts beside Microsoft's that may be given our token: a proxy.")
    api: Base = Field(
        "https://api.botframework.com",
        description="Whose tokens are taken, and for whom ours is; the US Government's is `https://api.botframework.us`.",
    )
    login: Base = Field("https://login.microsoftonline.com", description="Where tokens are lent.")
    keys: Base = Field(
        "https://login.botframework.com/v1/.well-known/openidconfiguration",
        description="Where it stands with which keys the Connector signs.",
    )

    @field_validator("app", "tenant")
    @classmethod
    def _id(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9.-]{1,100}", name):
            raise ValueError("must be an id such as 00000000-0000-0000-0000-000000000000")
        return name

    def connect(self, limits: Limits) -> Teams:
        import jwt  # noqa: F401  now, so that no request has to wait for it

        return Teams(self, limits, Keys(self.keys))


@dataclass(frozen=True, slots=True)
class Teams(Connector):
    settings: TeamsSettings
    limits: Limits
    keys: Keys = field(compare=False)
    name: str = CHANNEL
    capabilities: Capabilities = CAPABILITIES

    # -- inbound

    def lacks(self, request: Request) -> Call | None:
        """Only who claims to be the Connector, and to speak to us, makes us ask."""
        shown = bearer(request) if request.method == "POST" else None
        if shown is None or not self._claimed(shown):
            return None
        return self.keys.missing(shown.key_name, request.now)

    def _claimed(self, shown: Bearer) -> bool:
        return shown.claims.get("iss") == self.settings.api and shown.claims.get("aud") == self.settings.app

    def learn(self, outcome: Outcome, now: float) -> None:
        self.keys.learn(outcome, now)

    def verify(self, request: Request) -> bool:
        shown = bearer(request) if request.method == "POST" else None
        key = self.keys.named(shown.key_name) if shown else None
        if shown is None or key is None:
            return False
        if not holds(shown, key, self.settings.api, self.settings.app, request.now):
            return False
        told = object_or_empty(request.body, self.limits.depth)
        return MSTEAMS in key.endorsements and self._is_meant(told, shown.claims)

    def _is_meant(self, told: Json, claims: Mapping[str, Any]) -> bool:
        """Whether what the token says is what the body says: our token goes where that says."""
        service = told.get("serviceUrl")
        tenant = tenant_of(told)
        return (
            told.get("channelId") == MSTEAMS
            and isinstance(service, str)
            and claims.get("serviceurl", claims.get("serviceUrl")) == service
            and self._trusts(service)
            and (self.settings.tenant == ANY_TENANT or tenant in (None, self.settings.tenant))
        )

    def _trusts(self, url: str) -> bool:
        return _SERVICE.fullmatch(url) is not None and _among(url, HOSTS, self.settings.hosts)

    def parse(self, request: Request) -> Received:
        return Activities(self.settings.app).received(read_object(request.body, self.limits.depth))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        found = pieces(delivery, self.capabilities)
        return tuple(self._call(delivery.address, activity(piece)) for piece in found)

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        return self._call(address, {"type": "typing"})

    def _call(self, address: Mapping[str, Any], said: Json) -> Call:
        there = address["conversation"]
        url = f"{address['service'].rstrip('/')}/v3/conversations/{quote(there, safe='')}/activities"
        return Call(url, orjson.dumps({**said, "from": {"id": address["bot"]}, "conversation": {"id": there}}))

    def sign(self, call: Call, signing: Signing) -> Call:
        """Nobody else is shown the token: whoever has it can speak as the bot."""
        if not _among(call.url, HOSTS, self.settings.hosts):
            return call
        return with_headers(call, Authorization=f"Bearer {signing.token}")

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        """The Connector knows no key: whatever may have arrived is not sent again, though it asks for that.
        It limits conversations and bots, and does not say which limit it was."""
        verdict = usual_verdict(outcome)
        if isinstance(outcome, Silence):
            return verdict
        if verdict.fate is Fate.ARRIVED:
            return replace(verdict, provider_id=_provider_id(call, outcome))
        fate, more = _MEANT.get(outcome.status, (verdict.fate, ""))
        limited = None if outcome.status == HTTPStatus.TOO_MANY_REQUESTS else verdict.account
        return replace(verdict, fate=fate, error=f"{verdict.error} {more}".strip(), account=limited)

    def grant(self, now: float) -> Call | None:
        asked = {
            "grant_type": "client_credentials",
            "client_id": self.settings.app,
            "client_secret": self.settings.password.get_secret_value(),
            "scope": f"{self.settings.api}/.default",
        }
        url = f"{self.settings.login}/{self.settings.tenant}/oauth2/v2.0/token"
        return Call(url, urlencode(asked).encode(), FORM_BODY)

    def token(self, answer: Answer) -> Token | None:
        told = object_or_empty(answer.body)
        value, seconds = told.get("access_token"), told.get("expires_in")
        if answer.status != HTTPStatus.OK or not isinstance(value, str) or not isinstance(seconds, int):
            return None
        return Token(value, answer.at + seconds)

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """`sign` knows whether the address is Microsoft's."""
        known = origin_of(attachment.reference) and not before
        return Call(attachment.reference, headers={}, method="GET") if known else None

    @property
    def bases(self) -> tuple[str, ...]:
        return tuple(host for host in self.settings.hosts if "://" in host)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        return (Check("The Connector's keys", Call(self.settings.keys, headers={}, method="GET"), _judge),)


_GONE = "The customer has removed or blocked the bot."
_MEANT: Mapping[int, tuple[Fate, str]] = {
    HTTPStatus.UNAUTHORIZED: (
        Fate.EXPIRED,
        "Compare FRONTDESK_TEAMS__APP, FRONTDESK_TEAMS__PASSWORD and FRONTDESK_TEAMS__TENANT with the bot's "
        "Configuration in Azure.",
    ),
    HTTPStatus.FORBIDDEN: (Fate.GIVE_UP, _GONE),
    HTTPStatus.NOT_FOUND: (Fate.GIVE_UP, _GONE),
    HTTPStatus.PRECONDITION_FAILED: (Fate.RETRY, ""),
    HTTPStatus.SERVICE_UNAVAILABLE: (Fate.AMBIGUOUS, ""),
}
"""Where it is not what HTTP says."""


def _judge(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence):
        return f"{outcome.reason} Look at FRONTDESK_TEAMS__KEYS."
    if isinstance(object_or_empty(outcome.body).get("jwks_uri"), str):
        return None
    return f"they are not there ({outcome.status}). Look at FRONTDESK_TEAMS__KEYS."


def _among(url: str, hosts: Iterable[str], own: Iterable[str]) -> bool:
    """Under TLS a host and what is under it; an entry of the operator's may be an origin, `http://...`, as well."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    named = any(host == one or host.endswith(f".{one}") for one in (*hosts, *own))
    return (parts.scheme == "https" and named) or f"{parts.scheme}://{parts.netloc}" in own


def _provider_id(call: Call, answer: Answer) -> str | None:
    """Reactions name it so: within its conversation."""
    name, said = object_or_empty(answer.body).get("id"), object_or_empty(call.body)
    there = said.get("conversation", {}).get("id")
    return f"{there}:{name}" if isinstance(name, str) and said.get("type") == "message" else None
