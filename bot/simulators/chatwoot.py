"""A Chatwoot with one inbox that has an Agent Bot: its API for bots, and what it tells them."""

from __future__ import annotations

import itertools
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Self, cast
from urllib.parse import quote

import orjson
from aiohttp import web

from bot.channels.chatwoot import ChatwootSettings, signature
from bot.channels.chatwoot_events import KEY
from bot.channels.chatwoot_inboxes import KINDS
from bot.channels.settings import ChannelSettings
from bot.messages import Json
from bot.simulators.provider import Choice, Event, File, Provider, Shown, Taken, need, served

INBOX = 7
_PATH = re.compile(r"/api/v1/accounts/(\d+)/conversations/(\d+)/(messages|toggle_status)")
_CONTENT = 150_000


@dataclass
class SimulatedChatwoot(Provider):
    name: ClassVar[str] = "chatwoot"
    retries: ClassVar[tuple[float, ...]] = (3, 3)
    """At 429 and 500 alone; at any other error, and after these, the conversation is opened for people."""

    settings: ChatwootSettings = field(kw_only=True)
    kind: str = "Channel::WebWidget"
    statuses: dict[str, str] = field(default_factory=dict)
    """Of the customers' conversations."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """That people put on them."""
    _customers: list[str] = field(default_factory=list)
    """In the order of their conversations' numbers, from 1."""
    _keys: dict[str, str] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1000))

    @classmethod
    def sample(cls, url: str) -> dict[str, Any]:
        return {"account": 1, "token": "for-trying-things-out", "secrets": ["only for trying things out"], "api": url}

    @classmethod
    def of(cls, settings: ChannelSettings) -> Self:
        return cls(settings=cast("ChatwootSettings", settings))

    # -- the API

    async def taken(self, request: web.Request, body: bytes) -> Taken:
        if request.path.startswith("/rails/"):
            return self._storage(request)
        path = _PATH.fullmatch(request.path)
        token = request.headers.get("Api-Access-Token", "")
        need(path is not None and request.method == "POST", self.refused(404), f"{request.method} {request.path}")
        need(token == self.settings.token.get_secret_value(), self.refused(401), "another token")
        need(request.content_type == "application/json", self.refused(422), request.content_type)
        assert path is not None
        need(path[1] == str(self.settings.account), self.refused(401), f"account {path[1]}")
        if path[2] == "0":
            return Taken(self.refused(404))  # the question of `frontdesk channels check`
        need(int(path[2]) <= len(self._customers), self.refused(404), f"conversation {path[2]}")
        customer, said = self._customers[int(path[2]) - 1], orjson.loads(body)
        return self._message(customer, said) if path[3] == "messages" else self._status(customer, said)

    def _storage(self, request: web.Request) -> Taken:
        """A file's address leads to the disk's, which is good for a while. Nobody is asked for a token."""
        need("Api-Access-Token" not in request.headers, self.refused(401), "a token for the storage")
        place, _, name = request.path.removeprefix("/rails/active_storage/").rpartition("/")
        self.file(name, self.refused(404))
        if place == "disk":
            return served(self.files[name])
        need(place == "blobs/redirect", self.refused(404), request.path)
        return Taken(web.Response(status=302, headers={"Location": f"/rails/active_storage/disk/{quote(name)}"}))

    def _message(self, customer: str, said: Json) -> Taken:
        refused = self.refused(422)
        attributes = said.get("content_attributes", {})
        need(said.get("message_type") == "outgoing" and said.get("private") is False, refused, "no reply")
        need(0 < len(said["content"]) <= _CONTENT, refused, "a reply without words")
        need(len(said["content"]) <= KINDS[self.kind].longest, refused, f"too long for {self.kind}")
        need(said.get("content_type") in ("text", "input_select"), refused, "another content type")
        items = attributes.get("items", [])
        need(bool(items) == (said["content_type"] == "input_select"), refused, "At least one item is required.")
        need(all(set(item) == {"title", "value"} for item in items), refused, "contains invalid keys for items")
        need(bool(attributes.get(KEY)), refused, "a reply without its key")
        number = next(self._numbers)
        self._keys[str(number)] = attributes[KEY]
        shown = Shown(said["content"], tuple(Choice(item["title"], item["value"]) for item in items), id=str(number))
        answer = {"id": number, "content": said["content"], "inbox_id": INBOX, "message_type": 1, "private": False}
        return Taken(web.json_response(answer), customer, (shown,))

    def _status(self, customer: str, said: Json) -> Taken:
        need(said.get("status") in ("open", "pending"), self.refused(422), "another status")
        self.statuses[customer] = said["status"]
        payload = {"success": True, "conversation_id": self._number(customer), "current_status": said["status"]}
        return Taken(web.json_response({"meta": {}, "payload": payload}))

    def refused(self, status: int) -> web.Response:
        if status == 429:
            asked = {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
            return web.Response(status=429, text="Retry later\n", headers=asked)
        words = {401: "Invalid Access Token", 404: "Resource could not be found", 422: "Content is not valid"}
        return web.json_response({"error": words.get(status, "Internal Server Error")}, status=status)

    # -- what it tells

    async def deliver(self, event: Event) -> int:
        status = await self.post(event)
        for seconds in self.retries:
            if status not in (429, 500):
                break
            await self.wait(seconds)
            status = await self.post(event)
        if not 200 <= status < 300:
            told = orjson.loads(event.body).get("conversation", {})
            self.statuses[self._customers[told.get("id", 1) - 1]] = "open"
        return status

    def said(self, customer: str, text: str) -> Event:
        if self.statuses.get(customer) == "resolved":
            self.statuses[customer] = "pending"
        return self.event("message_created", self.message(customer, content=text))

    def sent_file(self, customer: str, file: File) -> Event:
        name = f"{next(self._numbers)}-{file.name}"
        self.files[name] = file
        kind = file.type.partition("/")[0]
        url = f"{self.url}/rails/active_storage/blobs/redirect/{quote(name)}"
        told = {"file_type": kind if kind in ("image", "audio", "video") else "file", "data_url": url}
        sent = [{**told, "file_size": len(file.body)}]
        return self.event("message_created", self.message(customer, attachments=sent))

    def pressed(self, customer: str, choice: Choice, under: Shown) -> Event:
        """As the app behind the inbox has it."""
        if self.kind == "Channel::Telegram":
            passed_on = self.message(customer, content=choice.id, source_id="4382901234567890123")
            return self.event("message_created", passed_on)
        if self.kind != "Channel::WebWidget":
            return self.said(customer, choice.title)
        items = [{"title": one.title, "value": one.id} for one in under.choices]
        submitted = [{"title": choice.title, "value": choice.id}]
        own = self._own(customer, under)
        own["content_attributes"] |= {"items": items, "submitted_values": submitted}
        return self.event("message_updated", {**own, "content_type": "input_select"})

    def came_back(self, customer: str, shown: Shown) -> Event:
        """The bot is told of its own messages."""
        return self.event("message_created", self._own(customer, shown))

    def failed(self, customer: str, shown: Shown) -> Event:
        """The app behind the inbox did not take it."""
        own = self._own(customer, shown)
        own["content_attributes"]["external_error"] = "131047: more than 24 hours have passed"
        return self.event("message_updated", own)

    def changed(self, customer: str, status: str, event: str = "conversation_status_changed") -> Event:
        before, self.statuses[customer] = self.statuses[customer], status
        changes = [{"status": {"previous_value": before, "current_value": status}}]
        return self.event(event, {**self._conversation(customer), "changed_attributes": changes})

    def resolved(self, customer: str, *labels: str) -> Event:
        if customer not in self.statuses:
            raise LookupError(f"{customer} has not written yet.")
        self.labels[customer] = tuple(dict.fromkeys((*self.labels.get(customer, ()), *labels)))
        return self.changed(customer, "resolved", "conversation_resolved")

    def event(self, name: str, told: Json) -> Event:
        return self.signed(orjson.dumps({**told, "event": name}))

    def resigned(self, event: Event, body: bytes) -> Event:
        return self.signed(body)

    def signed(self, body: bytes) -> Event:
        at = str(int(time.time()))
        headers = {"Content-Type": "application/json", "X-Chatwoot-Delivery": "77dd1c35-9c2c-4d85-8f5e-2d6a7a0f5e64"}
        for secret in self.settings.secrets[:1]:
            signed = signature(secret.get_secret_value().encode(), at, body)
            headers |= {"X-Chatwoot-Timestamp": at, "X-Chatwoot-Signature": signed}
        key = self.settings.key
        return Event(body, headers, query=f"?key={key.get_secret_value()}" if key else "")

    def message(self, customer: str, **more: Any) -> Json:
        """One of the customer's."""
        return {
            "account": {"id": self.settings.account, "name": "Larkwood Home"},
            "additional_attributes": {},
            "attachments": [],
            "content": None,
            "content_attributes": {},
            "content_type": "text",
            "conversation": self._conversation(customer),
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": next(self._numbers),
            "inbox": {"id": INBOX, "name": "Website"},
            "message_type": "incoming",
            "private": False,
            "sender": self._contact(customer),
            "source_id": None,
            **more,
        }

    def _own(self, customer: str, shown: Shown) -> Json:
        bot = {"id": 3, "name": "Frontdesk", "type": "agent_bot"}
        attributes = {KEY: self._keys[shown.id]}
        more = {"id": int(shown.id), "message_type": "outgoing", "sender": bot, "content_attributes": attributes}
        return self.message(customer, content=shown.text, **more)

    def _conversation(self, customer: str) -> Json:
        number = self._number(customer)
        return {
            "additional_attributes": {},
            "can_reply": True,
            "channel": self.kind,
            "contact_inbox": {"id": number, "contact_id": number, "inbox_id": INBOX, "source_id": f"source-{number}"},
            "id": number,
            "inbox_id": INBOX,
            "labels": list(self.labels.get(customer, ())),
            "messages": [{"id": 1, "account_id": self.settings.account, "conversation_id": number, "message_type": 0}],
            "meta": {"sender": self._contact(customer), "assignee": None, "team": None, "hmac_verified": False},
            "status": self.statuses[customer],
        }

    def _contact(self, customer: str) -> Json:
        number = self._number(customer)
        return {"id": number, "name": f"Customer {number}", "email": None, "phone_number": f"+{customer}"}

    def _number(self, customer: str) -> int:
        """Of the conversation; the bot has a new one."""
        if customer not in self._customers:
            self._customers.append(customer)
            self.statuses[customer] = "pending"
        return self._customers.index(customer) + 1
