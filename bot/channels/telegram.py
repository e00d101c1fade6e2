"""Telegram, by the Bot API's webhook: https://core.telegram.org/bots/api"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson
from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Markup, Options, Pace, Unit
from bot.channels.connector import Check, Connector, Signing
from bot.channels.proof import is_one_of
from bot.channels.received import Attachment, Received, Request
from bot.channels.rendering import Piece, pieces
from bot.channels.settings import Base, ChannelSettings, Limits
from bot.channels.telegram_updates import CHANNEL, Updates
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, in_words, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import inner, object_or_empty, read_object, text_in

CAPABILITIES = Capabilities(
    longest=4096,
    unit=Unit.UTF16,
    markup=Markup.HTML,
    buttons=Options(most=24, title=64, pictured=1024),
    images=True,
    caption=1024,
    typing=5.0,
    account=Pace(30, 30),
    conversation=Pace(1, 5),
)
UPDATES = ("message", "edited_message", "callback_query", "message_reaction", "my_chat_member")
_REFUSED = (401, 404)
_UNREADABLE = "Telegram could not read the marks in the text; the next attempt has none."
_FILE = re.compile(r"[!-~]{1,500}")
_PATH = re.compile(r"[A-Za-z0-9_./-]{1,200}")
"""Of a file, below the address that has the token in it."""


class TelegramSettings(ChannelSettings):
    token: SecretStr = Field(description="The bot's token from @BotFather, `123456:ABC-...`.")
    secret: SecretStr = Field(description="What `secret_token` was at setWebhook: 16 to 256 letters, digits, `_`, `-`.")
    groups: bool = Field(False, description="Whether it answers in groups: to its name, to commands and to replies.")
    username: str = Field("", description="The bot's name without `@`; needed for groups.")
    api: Base = Field("https://api.telegram.org", description="Where the Bot API is.")

    @field_validator("token")
    @classmethod
    def _token(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"\d{1,20}:[A-Za-z0-9_-]{10,100}", token.get_secret_value()):
            raise ValueError("must be a token such as 123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11")
        return token

    @field_validator("secret")
    @classmethod
    def _secret(cls, secret: SecretStr) -> SecretStr:
        if not re.fullmatch(r"[A-Za-z0-9_-]{16,256}", secret.get_secret_value()):
            raise ValueError("must be 16 to 256 letters, digits, _ or -, such as `openssl rand -hex 32` makes")
        return secret

    def connect(self, limits: Limits) -> Telegram:
        return Telegram(self, limits)


@dataclass(frozen=True, slots=True)
class Telegram(Connector):
    settings: TelegramSettings
    limits: Limits
    name: str = CHANNEL
    capabilities: Capabilities = CAPABILITIES

    # -- inbound

    def verify(self, request: Request) -> bool:
        given = request.headers.get("x-telegram-bot-api-secret-token", "")
        return is_one_of(given, [self.settings.secret.get_secret_value()]) and request.method == "POST"

    def parse(self, request: Request) -> Received:
        ours = self.settings.token.get_secret_value().partition(":")[0]
        username = self.settings.username if self.settings.groups else None
        return Updates(ours, username, self._call).parse(read_object(request.body, self.limits.depth))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        """Without marks if Telegram could not read them: in the same pieces, of which some may have arrived."""
        found = pieces(delivery, self.capabilities)
        if delivery.error == _UNREADABLE:
            return tuple(self._shown(delivery.address, replace(piece, text=_bare(piece.text)), {}) for piece in found)
        return tuple(self._shown(delivery.address, piece, {"parse_mode": "HTML"}) for piece in found)

    def _shown(self, address: Json, piece: Piece, marks: Json) -> Call:
        body: Json = _to(address)
        if piece.offer:
            rows = [[{"text": choice.title, "callback_data": choice.id}] for choice in piece.offer]
            body["reply_markup"] = {"inline_keyboard": rows}
        if piece.image:
            body |= {"photo": piece.image} | ({"caption": piece.text, **marks} if piece.text else {})
            return self._call("sendPhoto", body)
        body |= {"text": piece.text, **marks, "link_preview_options": {"is_disabled": True}}
        return self._call("sendMessage", body)

    def _call(self, method: str, body: Json) -> Call:
        """Without the bot's token, which is a part of the address; `sign` adds it."""
        return Call(f"{self.settings.api}/bot/{method}", orjson.dumps(body))

    def sign(self, call: Call, signing: Signing) -> Call:
        return replace(call, url=self._with_token(call.url))

    def _with_token(self, url: str) -> str:
        api = self.settings.api
        for kind in ("/bot/", "/file/bot/"):
            if url.startswith(f"{api}{kind}"):
                return f"{api}{kind[:-1]}{self.settings.token.get_secret_value()}/{url[len(api) + len(kind) :]}"
        return url

    def typing(self, address: Mapping[str, Any]) -> Call | None:
        return self._call("sendChatAction", {**_to(address), "action": "typing"})

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        if isinstance(outcome, Silence):
            return usual_verdict(outcome)
        answer = object_or_empty(outcome.body)
        if outcome.status == 200 and answer.get("ok"):
            return Verdict(Fate.ARRIVED, provider_id=_provider_id(inner(answer, "result")))
        if outcome.status in _REFUSED:
            return Verdict(Fate.REFUSED, "Telegram does not know the bot's token; compare it with @BotFather.")
        if outcome.status == 429:
            return _slower(outcome, answer)
        if outcome.status >= 500:
            return usual_verdict(outcome)
        return _not_taken(call, outcome.status, answer)

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """getFile, then the file itself."""
        if attachment.kind in ("place", "contact") or not _FILE.fullmatch(attachment.reference):
            return None
        if not before:
            return self._call("getFile", {"file_id": attachment.reference})
        path = inner(object_or_empty(before[0].body), "result").get("file_path")
        if len(before) > 1 or not isinstance(path, str) or not _PATH.fullmatch(path) or ".." in path:
            return None
        return Call(f"{self.settings.api}/file/bot/{path}", method="GET", headers={})

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.api,)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        webhook = f"{public_url}/webhooks/{self.name}"
        signing = Signing("check", 0.0)
        me = self.sign(self._call("getMe", {}), signing)
        info = self.sign(self._call("getWebhookInfo", {}), signing)
        return (
            Check("The token", me, self._known),
            Check("The webhook", info, lambda outcome: _set_up(outcome, webhook)),
        )

    def _known(self, outcome: Outcome) -> str | None:
        if isinstance(outcome, Silence):
            return outcome.reason
        user = inner(object_or_empty(outcome.body), "result")
        if outcome.status != 200:
            return "Telegram does not know this token; compare FRONTDESK_TELEGRAM__TOKEN with what @BotFather says."
        if self.settings.groups and user.get("username") != self.settings.username:
            return f"for groups, set FRONTDESK_TELEGRAM__USERNAME={user.get('username')}."
        return None


def _set_up(outcome: Outcome, webhook: str) -> str | None:
    if isinstance(outcome, Silence):
        return outcome.reason
    info = inner(object_or_empty(outcome.body), "result")
    if info.get("url") != webhook:
        updates = ",".join(f'"{kind}"' for kind in UPDATES)
        return (
            f"Telegram sends updates to {info.get('url') or 'nobody'}, not to {webhook}; call setWebhook with "
            f"url={webhook}, secret_token=(FRONTDESK_TELEGRAM__SECRET) and allowed_updates=[{updates}]."
        )
    missing = set(UPDATES[:3]) - set(info.get("allowed_updates") or UPDATES)
    if missing:
        return f"allowed_updates lacks {', '.join(sorted(missing))}; call setWebhook again."
    if info.get("last_error_message") and info.get("pending_update_count"):
        error = str(info["last_error_message"])[:200]
        return f"{info['pending_update_count']} updates wait; the last one was answered with: {error}"
    return None


def _slower(outcome: Answer, answer: Json) -> Verdict:
    """The chat's limit or the bot's: Telegram does not say which."""
    seconds = inner(answer, "parameters").get("retry_after")
    after = float(seconds) if isinstance(seconds, int) and 0 <= seconds < 86400 else None
    return Verdict(Fate.RETRY, in_words(outcome.status), after, account=None)


def _not_taken(call: Call, status: int, answer: Json) -> Verdict:
    if status == 200 and answer.get("ok") is not False:
        return Verdict(Fate.AMBIGUOUS, "Telegram answered something that cannot be read.")
    if "can't parse entities" in text_in(answer, "description", 1000) and b'"parse_mode"' in call.body:
        return Verdict(Fate.RETRY, _UNREADABLE, 0.0)
    return Verdict(Fate.GIVE_UP, _in_words(status, answer))


_SENTENCES = (
    ("blocked by the user", "The customer has blocked the bot."),
    ("chat not found", "There is no such chat any more."),
    ("user is deactivated", "The customer has left Telegram."),
    ("upgraded to a supergroup", "The group became a supergroup; its next message tells the new address."),
)


def _in_words(status: int, answer: Json) -> str:
    description = str(answer.get("description") or "")
    return next((sentence for part, sentence in _SENTENCES if part in description), in_words(status))


def _provider_id(result: Json) -> str | None:
    chat = inner(result, "chat").get("id")
    number = result.get("message_id")
    return f"{chat}:{number}" if isinstance(chat, int) and isinstance(number, int) else None


def _bare(text: str) -> str:
    """What we marked up, for who reads no marks; a link's address stands behind its title."""
    linked = re.sub(r'<a href="([^"<>]*)">(.*?)</a>', r"\2 (\1)", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"</?[a-z]+>", "", linked))


def _to(address: Mapping[str, Any]) -> Json:
    to: Json = {"chat_id": int(address["chat"])}
    return to | ({"message_thread_id": int(address["thread"])} if "thread" in address else {})
