"""Slack's Web API and its events, as strict as the real one about what it is sent."""

from __future__ import annotations

import hmac
import itertools
import time
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast
from urllib.parse import urlencode

import orjson
from aiohttp import web

from bot.channels.settings import ChannelSettings
from bot.channels.slack import SlackSettings
from bot.messages import Json
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

BOT, APP = "UBOT00001", "A0000000001"
_ERRORS = {400: "invalid_blocks", 401: "invalid_auth", 403: "restricted_action", 404: "channel_not_found"}


@dataclass
class SlackWebApi(Provider):
    """A customer is known by a direct channel's name, `D` and theirs."""

    name: ClassVar[str] = "slack"
    retries: ClassVar[tuple[float, ...]] = (0, 60, 300)

    settings: SlackSettings = field(kw_only=True)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        secrets = ["8f742231b10e8888abcd99yyyzzz85a5"]
        names = {"token": "xoxb-only-for-trying", "app_id": APP, "bot_user": BOT}
        return {"signing_secrets": secrets, **names, "api": url, "files": f"{url}/files-pri"}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("SlackSettings", settings))

    # -- calls

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        wanted = f"Bearer {self.settings.token.get_secret_value()}"
        need(request.headers.get("Authorization") == wanted, _error("invalid_auth"), "the token")
        if request.path == "/auth.test":
            answer = web.json_response({"ok": True, "user_id": BOT, "team": "Shop"})
            answer.headers["X-OAuth-Scopes"] = "chat:write,im:history,app_mentions:read"
            return Taken(answer)
        if request.method == "GET" and request.path.startswith("/files-pri/"):
            return served(self.file(request.path.removeprefix("/files-pri/"), _error("file_not_found")))
        known = (request.method, request.path) == ("POST", "/chat.postMessage")
        need(known, _error("unknown_method"), f"{request.method} {request.path}")
        need(request.content_type == "application/json", _error("invalid_post_type"), "the content type")
        asked = orjson.loads(body)
        need(bool(asked["text"]), _error("no_text"), "no text")
        need(len(asked["text"]) <= 40000, _error("msg_too_long"), "a long text")
        shown, at = _shown(asked), f"{int(time.time())}.{next(self._numbers) % 1_000_000:06}"
        where = asked["channel"]
        answer = web.json_response({"ok": True, "channel": where, "ts": at, "message": {}})
        one = Shown(shown.text, shown.choices, shown.image, at)
        return Taken(answer, where.removeprefix("D"), (one,))

    def refused(self, status: int) -> web.Response:
        """Limits and faults have a status; the rest is 200 with an error."""
        if status in _ERRORS:
            return _error(_ERRORS[status])
        asked = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=status, headers=asked)

    def planned(self, kind: str, taken: Taken) -> web.Response:
        """An error by its name."""
        return _error(kind)

    # -- events

    def said(self, customer: str, text: str) -> Event:
        return self.event(**self.message(customer, text=text))

    def sent_file(self, customer: str, file: File) -> Event:
        name = f"T1-F{next(self._numbers)}"
        self.files[name] = file
        told = {"url_private_download": f"{self.url}/files-pri/{name}", "name": file.name, "mimetype": file.type}
        files = [{**told, "size": len(file.body)}]
        return self.event(**self.message(customer, text="", subtype="file_share", files=files))

    def pressed(self, customer: str, choice: Choice, under: Shown, where: str = "", thread: str = "") -> Event:
        title = {"type": "plain_text", "text": choice.title}
        action = {"type": "button", "action_id": "choice-0", "text": title, "value": choice.id, "action_ts": self.ts()}
        where = where or f"D{customer}"
        under_thread = {"thread_ts": thread} if thread else {}
        payload = {
            "type": "block_actions",
            "api_app_id": APP,
            "user": {"id": f"U{customer}"},
            "team": {"id": "T1"},
            "channel": {"id": where},
            "container": {"type": "message", "message_ts": under.id, "channel_id": where, **under_thread},
            "actions": [action],
            "response_url": "https://hooks.slack.com/actions/T1/1/x",
        }
        body = urlencode({"payload": orjson.dumps(payload).decode()}).encode()
        return self.signed(body, "application/x-www-form-urlencoded")

    def resigned(self, event: Event, body: bytes) -> Event:
        return self.signed(body, event.headers["Content-Type"])

    def ts(self) -> str:
        return f"{int(time.time())}.{next(self._numbers) % 1_000_000:06}"

    def message(self, customer: str, **content: Any) -> Json:
        where = {"channel": f"D{customer}", "channel_type": "im"}
        return {"type": "message", "user": f"U{customer}", "ts": self.ts(), **where, **content}

    def event(self, **content: Any) -> Event:
        outer = {"type": "event_callback", "api_app_id": APP, "team_id": "T1", "event_id": f"Ev{next(self._numbers)}"}
        return self.signed(orjson.dumps({**outer, "event": content}), "application/json")

    def signed(self, body: bytes, kind: str, at: float | None = None) -> Event:
        stamp = str(int(time.time() if at is None else at))
        key = self.settings.signing_secrets[0].get_secret_value().encode()
        signature = hmac.digest(key, b"v0:" + stamp.encode() + b":" + body, "sha256").hex()
        headers = {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={signature}", "Content-Type": kind}
        return Event(body, headers)


def _shown(asked: Json) -> Shown:
    blocks = asked.get("blocks", [])
    need(len(blocks) <= 50, _error("invalid_blocks"), f"{len(blocks)} blocks")
    text, image = asked["text"], ""
    choices: tuple[Choice, ...] = ()
    for block in blocks:
        if block["type"] == "section":
            need(1 <= len(block["text"]["text"]) <= 3000, _error("invalid_blocks"), "the length of a section")
        elif block["type"] == "image":
            image, text = block["image_url"], "" if text == "(image)" else text
        else:
            choices = _choices(block)
    return Shown(text, choices, image)


def _choices(block: Json) -> tuple[Choice, ...]:
    elements = block["elements"]
    need(block["type"] == "actions" and 1 <= len(elements) <= 25, _error("invalid_blocks"), "the actions")
    names = [element["action_id"] for element in elements]
    need(len(set(names)) == len(names), _error("invalid_blocks"), "two elements of one action_id")
    one = elements[0]
    given = one["options"] if one["type"] == "static_select" else elements
    need(len(given) <= 100, _error("invalid_blocks"), f"{len(given)} options")
    for choice in given:
        need(1 <= len(choice["text"]["text"]) <= 75, _error("invalid_blocks"), "the length of a title")
        need(1 <= len(choice["value"]) <= 150, _error("invalid_blocks"), "the length of a value")
    return tuple(Choice(choice["text"]["text"], choice["value"]) for choice in given)


def _error(name: str) -> web.Response:
    return web.json_response({"ok": False, "error": name})
