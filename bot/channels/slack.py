"""Slack: the Events API and interactivity, at one address. https://docs.slack.dev"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

import orjson
from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Markup, Options, Pace
from bot.channels.connector import Check, Connector, Signing, with_headers
from bot.channels.proof import is_one_of, is_recent
from bot.channels.received import Attachment, Received, Reply, Request
from bot.channels.rendering import Piece, Way, pieces
from bot.channels.settings import Base, ChannelSettings, Limits
from bot.channels.slack_events import CHANNEL, Events
from bot.channels.verdict import Answer, Call, Fate, Outcome, Silence, Verdict, usual_verdict
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import Malformed, object_or_empty, read_object

SECRETS = 4
CAPABILITIES = Capabilities(
    longest=3000,
    markup=Markup.MRKDWN,
    buttons=Options(most=25, title=75, pictured=3000),
    choices=Options(most=100, title=75, pictured=3000),
    images=True,
    caption=3000,
    account=Pace(20, 40),
    conversation=Pace(1, 5),
)
SCOPES = ("chat:write", "im:history", "app_mentions:read")
# Slack limits each channel and the workspace, and does not say which limit it was:
# https://docs.slack.dev/apis/web-api/rate-limits
_LATER = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
_UNCLEAR = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
_REFUSED = {
    "invalid_auth": "Slack does not take the token; install the app again and set FRONTDESK_SLACK__TOKEN.",
    "not_authed": "Slack was given no token; set FRONTDESK_SLACK__TOKEN.",
    "account_inactive": "The app was removed from the workspace; install it again.",
    "token_revoked": "The token was revoked; install the app again and set FRONTDESK_SLACK__TOKEN.",
    "token_expired": "The token has run out; install the app again and set FRONTDESK_SLACK__TOKEN.",
    "missing_scope": "The app lacks the scope chat:write; add it and install the app again.",
    "ekm_access_denied": "The workspace's administrators do not let the app write.",
}
_GIVE_UP = {
    "channel_not_found": "Slack knows no such channel any more.",
    "not_in_channel": "The bot is not in the channel; invite it.",
    "is_archived": "The channel is archived.",
    "msg_too_long": "Slack says that the message is too long.",
    "no_text": "Slack says that the message is empty.",
    "invalid_blocks": "Slack does not take the blocks of the message.",
    "user_not_found": "Slack knows no such user any more.",
    "restricted_action": "The workspace's administrators do not let the bot write there.",
}


class SlackSettings(ChannelSettings):
    signing_secrets: tuple[SecretStr, ...] = Field(
        min_length=1,
        max_length=SECRETS,
        description="`Signing Secret` under Basic Information, as a JSON list; two while it changes.",
    )
    token: SecretStr = Field(description="`Bot User OAuth Token` under OAuth & Permissions, `xoxb-...`.")
    app_id: str = Field(
        "", description="`App ID` under Basic Information: events of other apps are refused; empty: of any."
    )
    bot_user: str = Field("", description="The bot's member ID, `U...`: what is said to it in channels is answered.")
    choose: str = Field("Choose", min_length=1, max_length=150, description="In the menu of more than 25 choices.")
    api: Base = Field("https://slack.com/api", description="Where the Web API is.")
    files: Base = Field("https://files.slack.com", description="Where the files are that customers send.")

    @field_validator("signing_secrets")
    @classmethod
    def _secrets(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(re.fullmatch(r"[\x21-\x7e]{16,128}", secret.get_secret_value()) for secret in secrets):
            raise ValueError("must be a list of signing secrets such as 8f742231b10e8888abcd99yyyzzz85a5")
        return secrets

    @field_validator("token")
    @classmethod
    def _token(cls, token: SecretStr) -> SecretStr:
        if not re.fullmatch(r"xox[a-z]-[\w-]+", token.get_secret_value()):
            raise ValueError("must be a token such as xoxb-1234-5678-abcd")
        return token

    def connect(self, limits: Limits) -> Slack:
        return Slack(self, limits)


@dataclass(frozen=True, slots=True)
class Slack(Connector):
    settings: SlackSettings
    limits: Limits
    name: str = CHANNEL
    capabilities: Capabilities = CAPABILITIES

    # -- inbound

    def verify(self, request: Request) -> bool:
        """https://docs.slack.dev/authentication/verifying-requests-from-slack"""
        at = request.headers.get("x-slack-request-timestamp", "")
        signed = b"v0:" + at.encode("utf-8", "surrogatepass") + b":" + request.body
        keys = [secret.get_secret_value().encode() for secret in self.settings.signing_secrets]
        wanted = [f"v0={hmac.digest(key, signed, 'sha256').hex()}" for key in keys]
        same = is_one_of(request.headers.get("x-slack-signature", ""), wanted)
        return same and request.method == "POST" and is_recent(at, request.now) and self._ours(request)

    def _ours(self, request: Request) -> bool:
        app = self.settings.app_id
        if not app:
            return True
        try:
            return str(_event(request, self.limits.depth).get("api_app_id", app)) == app
        except Malformed:
            return True  # `parse` says so

    def parse(self, request: Request) -> Received:
        event = _event(request, self.limits.depth)
        events = Events(self.settings.bot_user)
        match event.get("type"):
            case "url_verification":
                return Received(reply=Reply(body=str(event.get("challenge"))[:500].encode("utf-8", "replace")))
            case "event_callback":
                return events.event(event)
            case "block_actions":
                return events.press(event)
            case "app_rate_limited":
                return Received(ignored=("rate_limited",))
        return Received(ignored=("other",))

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return tuple(self._post(delivery.address, piece) for piece in pieces(delivery, self.capabilities))

    def _post(self, address: Json, piece: Piece) -> Call:
        body: Json = {"channel": address["channel"], "text": piece.text or "(image)", "unfurl_links": False}
        if "thread" in address:
            body["thread_ts"] = address["thread"]
        if piece.image or piece.offer:
            body["blocks"] = _blocks(piece, self.settings.choose)
        json_utf8 = {"Content-Type": "application/json; charset=utf-8"}
        return Call(f"{self.settings.api}/chat.postMessage", orjson.dumps(body), json_utf8)

    def sign(self, call: Call, signing: Signing) -> Call:
        """The token goes to Slack alone."""
        if call.url.startswith((f"{self.settings.api}/", f"{self.settings.files}/")):
            return with_headers(call, Authorization=f"Bearer {self.settings.token.get_secret_value()}")
        return call

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        """Slack answers 200 to what went wrong, too."""
        if isinstance(outcome, Silence) or outcome.status != 200:
            verdict = usual_verdict(outcome)
            limited = isinstance(outcome, Answer) and outcome.status == 429
            return replace(verdict, account=None) if limited else verdict
        answer = object_or_empty(outcome.body)
        if answer.get("ok") is True:
            return Verdict(Fate.ARRIVED, provider_id=_provider_id(answer))
        error = str(answer.get("error"))
        if error in _LATER:
            return Verdict(Fate.RETRY, "Slack asks for a pause.", 30.0, account=None)
        if error in _REFUSED:
            return Verdict(Fate.REFUSED, _REFUSED[error])
        if error in _UNCLEAR or answer.get("ok") is not False:
            return Verdict(Fate.AMBIGUOUS, "Slack's answer does not tell whether it took the message.")
        return Verdict(Fate.GIVE_UP, _GIVE_UP.get(error, "Slack does not take the message."))

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        ours = attachment.reference.startswith(f"{self.settings.files}/") and not before
        return Call(attachment.reference, method="GET", headers={}) if ours else None

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.files,)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        asked = self.sign(Call(f"{self.settings.api}/auth.test"), Signing("check", 0.0))
        return (Check("The token", asked, self._known), Check("The scopes", asked, _scoped))

    def _known(self, outcome: Outcome) -> str | None:
        if isinstance(outcome, Silence):
            return outcome.reason
        answer = object_or_empty(outcome.body)
        if not answer.get("ok"):
            error = str(answer.get("error"))
            return _REFUSED.get(error, f"Slack answered {outcome.status} ({error[:60]}).")
        if self.settings.bot_user != answer.get("user_id"):
            return f"for answers in channels, set FRONTDESK_SLACK__BOT_USER={answer.get('user_id')}."
        return None


def _scoped(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence):
        return outcome.reason
    given = {scope.strip() for scope in outcome.headers.get("x-oauth-scopes", "").split(",")}
    missing = [scope for scope in SCOPES if scope not in given]
    return f"the app lacks {', '.join(missing)}; add them and install it again." if missing else None


def _event(request: Request, depth: int) -> Json:
    """Events are JSON; presses are JSON in a form. Raises Malformed."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/x-www-form-urlencoded":
        try:
            form = parse_qs(request.body.decode(), max_num_fields=20)
        except (UnicodeDecodeError, ValueError):
            raise Malformed("Not a form.") from None
        return read_object(form.get("payload", [""])[0], depth)
    return read_object(request.body, depth)


def _provider_id(answer: Json) -> str | None:
    channel, at = answer.get("channel"), answer.get("ts")
    return f"{channel}:{at}" if isinstance(channel, str) and isinstance(at, str) else None


def _blocks(piece: Piece, choose: str) -> list[Json]:
    """https://docs.slack.dev/reference/block-kit/blocks"""
    blocks: list[Json] = []
    if piece.text:
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": piece.text}})
    if piece.image:
        blocks.append({"type": "image", "image_url": piece.image, "alt_text": "image"})
    if piece.offer:
        blocks.append({"type": "actions", "elements": _elements(piece, choose)})
    return blocks


def _elements(piece: Piece, choose: str) -> list[Json]:
    titled: list[Json] = [{"text": _plain_text(choice.title), "value": choice.id} for choice in piece.offer]
    if piece.way is Way.BUTTONS:
        return [{"type": "button", "action_id": f"choice-{n}", **one} for n, one in enumerate(titled)]
    return [{"type": "static_select", "action_id": "choice", "placeholder": _plain_text(choose), "options": titled}]


def _plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": True}
