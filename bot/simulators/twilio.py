"""Twilio's Messages API and its webhooks, as strict as the real one about what it is sent."""

from __future__ import annotations

import base64
import itertools
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from aiohttp import web

from bot.channels.settings import ChannelSettings
from bot.channels.twilio import TwilioSettings
from bot.channels.twilio_signature import signature
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

_CODES = {400: 21211, 401: 20003, 403: 20003, 404: 20404, 429: 20429}
_FIELDS = {"To", "From", "MessagingServiceSid", "Body", "MediaUrl", "StatusCallback"}


@dataclass
class TwilioApi(Provider):
    """A customer is known by their number without the plus."""

    name: ClassVar[str] = "twilio"

    settings: TwilioSettings = field(kw_only=True)
    sent: dict[str, dict[str, str]] = field(default_factory=dict)
    """What we sent, by its SID."""
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {
            "account_sid": "AC" + "0" * 32,
            "auth_tokens": ["0123456789abcdef0123456789abcdef"],
            "sender": "+15017122661",
            "api": url,
        }

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("TwilioSettings", settings))

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        if request.path.startswith("/cdn/"):
            need("Authorization" not in request.headers, _error(400, 20001), "the account's token for the files' host")
            return served(self.file(request.path.removeprefix("/cdn/"), _error(404, 20404)))
        known = f"{self.settings.account_sid}:{self.settings.auth_tokens[0].get_secret_value()}"
        wanted = f"Basic {base64.b64encode(known.encode()).decode()}"
        need(request.headers.get("Authorization") == wanted, _error(401, 20003), "the account")
        account = f"/2010-04-01/Accounts/{self.settings.account_sid}"
        if request.method == "GET" and request.path.startswith(f"{account}/Messages/"):
            name = request.path.rpartition("/")[2]
            self.file(name, _error(404, 20404))
            return Taken(web.Response(status=307, headers={"Location": f"{self.url}/cdn/{name}"}))
        if request.method == "GET":
            numbers = [{"sms_url": f"{self.public_url}/webhooks/twilio"}]
            return Taken(web.json_response({"status": "active", "incoming_phone_numbers": numbers}))
        need(request.path == f"{account}/Messages.json", _error(404, 20404), request.path)
        need(request.content_type == "application/x-www-form-urlencoded", _error(400, 21602), "the content type")
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        need(form.keys() <= _FIELDS, _error(400, 21602), f"the fields {sorted(form)}")
        need(1 <= len(form.get("Body", form.get("MediaUrl", ""))) <= 1600, _error(400, 21617), "the length of the body")
        sender = "MessagingServiceSid" if self.settings.sender.startswith("MG") else "From"
        need(form.get(sender) == self.settings.sender, _error(400, 21606), "the sender")
        name = f"SM{next(self._numbers):032}"
        self.sent[name] = form
        answer = web.json_response({"sid": name, "status": "queued"}, status=201)
        shown = Shown(form.get("Body", ""), (), form.get("MediaUrl", ""), name)
        return Taken(answer, form["To"].rpartition("+")[2], (shown,))

    def refused(self, status: int) -> web.Response:
        answer = _error(status, _CODES.get(status, 20500))
        if self.retry_after is not None:
            answer.headers["Retry-After"] = f"{self.retry_after:g}"
        return answer

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """`code N`: that error of Twilio's own."""
        return _error(400, int(kind.removeprefix("code ")))

    # -- events

    def said(self, customer: str, text: str) -> Event:
        return self.event(**self.message(customer, Body=text))

    def sent_file(self, customer: str, file: File) -> Event:
        name, message = f"ME{next(self._numbers):032}", self.message(customer, Body="", NumMedia="1")
        self.files[name] = file
        account = f"{self.url}/2010-04-01/Accounts/{self.settings.account_sid}"
        url = f"{account}/Messages/{message['MessageSid']}/Media/{name}"
        return self.event(**message, MediaUrl0=url, MediaContentType0=file.type)

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        return self.said(customer, choice.title)

    def message(self, customer: str, **content: str) -> dict[str, str]:
        kind = "whatsapp:" if self.settings.sender.startswith("whatsapp:") else ""
        name = f"SM{next(self._numbers):032}"
        sides = {"From": f"{kind}+{customer}", "To": self.number}
        return {"MessageSid": name, "NumMedia": "0", **sides, **content}

    def status(self, name: str, status: str, **more: str) -> Event:
        """What became of a message that we sent."""
        form = self.sent[name]
        callback = urlsplit(form["StatusCallback"])
        sides = {"To": form["To"], "From": self.number}
        content = {"MessageSid": name, "MessageStatus": status, **sides, **more}
        return self.event(f"?{callback.query}", **content)

    @property
    def number(self) -> str:
        """What customers write to; a messaging service has numbers of its own."""
        return "+15017122661" if self.settings.sender.startswith("MG") else self.settings.sender

    def event(self, query: str = "", **content: str) -> Event:
        form = {"AccountSid": self.settings.account_sid, "ApiVersion": "2010-04-01", **content}
        return self.signed(urlencode(form).encode(), query)

    def resigned(self, event: Event, body: bytes) -> Event:
        return self.signed(body, event.query)

    def signed(self, body: bytes, query: str) -> Event:
        form = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
        url = f"{self.public_url}/webhooks/twilio{query}"
        token = self.settings.auth_tokens[0].get_secret_value()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Twilio-Signature": signature(token, url, form),
        }
        return Event(body, headers, query=query)


def _error(status: int, code: int) -> web.Response:
    body = {"code": code, "message": "an error", "more_info": f"https://www.twilio.com/docs/errors/{code}"}
    return web.json_response({**body, "status": status}, status=status)
