"""SMS and WhatsApp over Twilio: https://www.twilio.com/docs/messaging"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, urlencode

from pydantic import Field, SecretStr, field_validator

from bot.channels.capabilities import Capabilities, Markup, Pace
from bot.channels.connector import Check, Connector, Signing, with_headers
from bot.channels.gsm import to_gsm
from bot.channels.received import Arrival, Attachment, Message, Receipt, Received, Reply, Request, conversation
from bot.channels.rendering import Piece, pieces
from bot.channels.settings import Base, ChannelError, ChannelSettings, Limits
from bot.channels.twilio_signature import is_signed
from bot.channels.verdict import (
    FORM_BODY,
    Answer,
    Call,
    Fate,
    Outcome,
    Silence,
    Verdict,
    in_words,
    retry_after,
    usual_verdict,
)
from bot.journal.values import Delivery
from bot.messages import Json
from bot.wire import needed_text, object_or_empty, objects, text_in

CHANNEL = "twilio"
TOKENS = 4
FIELDS = 200
"""Of a form; Twilio sends some thirty."""
DAY = 24 * 3600.0
WHATSAPP = "whatsapp:"
EMPTY = Reply(body=b"<Response/>", content_type="text/xml")
"""Nothing to do for Twilio at once."""
_ARRIVALS = {
    "delivered": Arrival.DELIVERED,
    "read": Arrival.READ,
    "failed": Arrival.FAILED,
    "undelivered": Arrival.FAILED,
}
_LATER = frozenset({20429, 21611, 14107, 63018})
_REFUSED = {
    20003: "Twilio does not take the account's SID and token; compare them with its console.",
    20404: "Twilio knows no such account; compare FRONTDESK_TWILIO__ACCOUNT_SID.",
    21606: "Twilio does not let the account send from this number; compare FRONTDESK_TWILIO__SENDER.",
    21660: "The sender is not the account's; compare FRONTDESK_TWILIO__SENDER.",
    30002: "Twilio has suspended the account.",
    90010: "Twilio has suspended the account.",
}
_WORDS = {
    21211: "Twilio says that the number is none.",
    21408: "The account may not write to the number's country; allow it in Twilio's Geo Permissions.",
    21610: "The customer has opted out with STOP.",
    21612: "Twilio cannot reach the number from this sender.",
    21614: "The number cannot receive SMS.",
    21617: "Twilio says that the message is too long.",
    30003: "The telephone is not reachable: switched off, perhaps.",
    30004: "The carrier or the customer blocks the message.",
    30005: "The number is not in use.",
    30006: "The number is a landline.",
    30007: "The carrier filtered the message as spam.",
    30008: "The carrier did not say why it could not be delivered.",
    63016: "The customer wrote more than 24 hours ago: only a template may be sent.",
}


class TwilioSettings(ChannelSettings):
    account_sid: str = Field(
        pattern=r"^AC[0-9a-f]{32}$", description="`Account SID` on the console's first page, `AC...`."
    )
    auth_tokens: tuple[SecretStr, ...] = Field(
        min_length=1, max_length=TOKENS, description="`Auth Token` beside it, as a JSON list; two while it changes."
    )
    sender: str = Field(
        pattern=r"^(\+\d{5,15}|MG[0-9a-f]{32}|whatsapp:\+\d{5,15})$",
        description="The number that customers write to, `+15017122661`; or a messaging service, `MG...`; for WhatsApp "
        "`whatsapp:+14155238886`.",
    )
    longest: int = Field(
        1600, ge=160, le=1600, description="Characters of a message; an SMS is paid for in parts of 153 of them."
    )
    mms: bool = Field(
        False, description="Whether pictures are sent over SMS as MMS, where carriers know that; else links."
    )
    api: Base = Field("https://api.twilio.com", description="Where Twilio's API is.")

    @field_validator("auth_tokens")
    @classmethod
    def _tokens(cls, tokens: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if not all(re.fullmatch(r"[\x21-\x7e]{16,128}", token.get_secret_value()) for token in tokens):
            raise ValueError("must be a list of auth tokens such as 0123456789abcdef0123456789abcdef")
        return tokens

    def connect(self, limits: Limits) -> Twilio:
        if not limits.public_url:
            raise ChannelError("Twilio signs the address of the service: set FRONTDESK_PUBLIC_URL.")
        return Twilio(self, limits, capabilities=_capabilities(self))


def _capabilities(settings: TwilioSettings) -> Capabilities:
    """Neither has buttons without a template that was approved: choices are numbers."""
    if settings.sender.startswith(WHATSAPP):
        pace = Pace(80, 80)
        return Capabilities(
            settings.longest, markup=Markup.WHATSAPP, images=True, caption=settings.longest, window=DAY, account=pace
        )
    return Capabilities(
        settings.longest, images=settings.mms, caption=settings.longest, account=Pace(1, 10), conversation=Pace(1, 5)
    )


@dataclass(frozen=True, slots=True)
class Twilio(Connector):
    settings: TwilioSettings
    limits: Limits
    capabilities: Capabilities
    name: str = CHANNEL

    # -- inbound

    def verify(self, request: Request) -> bool:
        """Twilio signs the address, and has no time in it: ids that came before are all that a replay could bring."""
        tokens = [token.get_secret_value() for token in self.settings.auth_tokens]
        form = _form(request)
        if request.method != "POST" or not is_signed(request, self.limits.public_url, tokens, form):
            return False
        return dict(form).get("AccountSid") == self.settings.account_sid

    def parse(self, request: Request) -> Received:
        form = dict(_form(request))
        if "MessageStatus" in form:
            return self._status(form, request.query.get("key", ""))
        if form.get("OptOutType"):
            return Received(ignored=("opt_out",), reply=EMPTY)  # Twilio answers it by itself
        text, attachments = form.get("Body", ""), tuple(_attachments(form))
        if not text.strip() and not attachments:
            return Received(ignored=("other",), reply=EMPTY)
        customer, ours = needed_text(form, "From"), needed_text(form, "To")
        message = Message(
            self._conversation(customer, ours),
            needed_text(form, "MessageSid"),
            {"customer": customer},
            text=text,
            attachments=attachments,
            metadata={
                name: form[key][:200] for name, key in (("name", "ProfileName"), ("phone", "From")) if form.get(key)
            },
        )
        return Received((message,), reply=EMPTY)

    def _conversation(self, customer: str, ours: str) -> str:
        """By the sender of the settings: a messaging service answers from several numbers."""
        own = self.settings.sender if self.settings.sender.startswith("MG") else ours
        return conversation(CHANNEL, own, customer)

    def _status(self, form: dict[str, str], key: str) -> Received:
        arrival = _ARRIVALS.get(form["MessageStatus"])
        if arrival is None:
            return Received(ignored=("status",), reply=EMPTY)
        customer, ours = needed_text(form, "To"), form.get("From", "")
        receipt = Receipt(
            arrival,
            needed_text(form, "MessageSid"),
            key=key[:200] or None,
            conversation_id=self._conversation(customer, ours) if key else None,
            error=_reason(form.get("ErrorCode", "")) if arrival is Arrival.FAILED else None,
        )
        return Received(receipts=(receipt,), reply=EMPTY)

    # -- outbound

    def render(self, delivery: Delivery) -> tuple[Call, ...]:
        return tuple(self._post(delivery.address, piece) for piece in pieces(delivery, self.capabilities))

    def _post(self, address: Json, piece: Piece) -> Call:
        sender = self.settings.sender
        sms = not sender.startswith(WHATSAPP)
        form = {
            "To": address["customer"],
            "MessagingServiceSid" if sender.startswith("MG") else "From": sender,
            "Body": to_gsm(piece.text, self.settings.longest) if sms else piece.text,
            "MediaUrl": piece.image,
        }
        body = urlencode({name: value for name, value in form.items() if value}).encode()
        return Call(self._url("Messages.json"), body, dict(FORM_BODY))

    def _url(self, path: str) -> str:
        return f"{self.settings.api}/2010-04-01/Accounts/{self.settings.account_sid}/{path}"

    def sign(self, call: Call, signing: Signing) -> Call:
        """The key comes back in what Twilio tells of the message. The token goes to Twilio alone."""
        if call.url == self._url("Messages.json") and call.body:
            told = urlencode({"StatusCallback": f"{self._webhook()}?key={signing.key}"}).encode()
            call = replace(call, body=call.body + b"&" + told)
        if not call.url.startswith(f"{self.settings.api}/"):
            return call
        known = f"{self.settings.account_sid}:{self.settings.auth_tokens[0].get_secret_value()}"
        return with_headers(call, Authorization=f"Basic {base64.b64encode(known.encode()).decode()}")

    def _webhook(self) -> str:
        return f"{self.limits.public_url}/webhooks/{self.name}"

    def classify(self, call: Call, outcome: Outcome) -> Verdict:
        if isinstance(outcome, Silence):
            return usual_verdict(outcome)
        answer = object_or_empty(outcome.body)
        if 200 <= outcome.status < 300:
            return Verdict(Fate.ARRIVED, provider_id=text_in(answer, "sid") or None)
        code = answer["code"] if isinstance(answer.get("code"), int) else 0
        if code in _LATER or outcome.status == 429:
            return Verdict(Fate.RETRY, "Twilio asks for a pause.", retry_after(outcome), account=True)
        if code in _REFUSED or outcome.status in (401, 403):
            return Verdict(Fate.REFUSED, _REFUSED.get(code, _REFUSED[20003]))
        if outcome.status >= 500:
            return usual_verdict(outcome)
        return Verdict(Fate.GIVE_UP, _WORDS.get(code, in_words(outcome.status)))

    # -- the rest

    def media(self, attachment: Attachment, before: tuple[Answer, ...]) -> Call | None:
        """A file of a message of the account; Twilio sends on to where it is."""
        known = re.compile(re.escape(self._url("Messages/")) + r"[A-Za-z0-9]{1,64}/Media/[A-Za-z0-9]{1,64}")
        if before or not known.fullmatch(attachment.reference):
            return None
        return Call(attachment.reference, method="GET", headers={})

    @property
    def bases(self) -> tuple[str, ...]:
        return (self.settings.api,)

    def checks(self, public_url: str) -> tuple[Check, ...]:
        signing = Signing("check", 0.0)
        account = self.sign(Call(self._url("")[:-1] + ".json", method="GET", headers={}), signing)
        checks = [Check("The account", account, _known)]
        if self.settings.sender.startswith("+"):
            asked = urlencode({"PhoneNumber": self.settings.sender})
            numbers = Call(self._url(f"IncomingPhoneNumbers.json?{asked}"), method="GET", headers={})
            checks.append(Check("The number's webhook", self.sign(numbers, signing), self._leads))
        return tuple(checks)

    def _leads(self, outcome: Outcome) -> str | None:
        if wrong := _known(outcome):
            return wrong
        assert isinstance(outcome, Answer)
        numbers = objects(object_or_empty(outcome.body), "incoming_phone_numbers")
        if not numbers:
            return f"the account has no number {self.settings.sender}."
        told = text_in(numbers[0], "sms_url", 2000)
        if told != self._webhook():
            return f"messages go to {told or 'nobody'}, not to {self._webhook()}; set it under A message comes in."
        return None


def _known(outcome: Outcome) -> str | None:
    if isinstance(outcome, Silence):
        return outcome.reason
    return None if outcome.status == 200 else f"Twilio answered {outcome.status}; compare the SID and the token."


def _form(request: Request) -> Sequence[tuple[str, str]]:
    """Empty if it is none."""
    try:
        return parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=FIELDS)
    except (UnicodeDecodeError, ValueError):
        return ()


def _attachments(form: dict[str, str]) -> Iterator[Attachment]:
    for number in range(10):
        url, kind = form.get(f"MediaUrl{number}", ""), form.get(f"MediaContentType{number}", "")
        if 0 < len(url) <= 2000:
            sort = kind.partition("/")[0]
            yield Attachment(sort if sort in ("image", "audio", "video") else "file", url, kind[:100])  # type: ignore[arg-type]
    if form.get("Latitude") and form.get("Longitude"):
        yield Attachment("place", f"{form['Latitude']},{form['Longitude']}"[:60])


def _reason(code: str) -> str:
    known = _WORDS.get(int(code)) if code.isascii() and code.isdigit() and len(code) < 9 else None
    return known or f"It was not delivered (Twilio's error {code[:9] or 'unknown'})."
