"""E-mail: what is in a customer's mail, and what ours look like."""

from __future__ import annotations

from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.channels.connector import Signing
from bot.channels.email import Email, EmailSettings
from bot.channels.imap import LARGEST
from bot.channels.received import Message, Received, Request
from bot.channels.smtp import CONTENT, GREETING, LOGIN, RECIPIENT, SENDER, STEP
from bot.channels.verdict import Answer, Call, Fate, Silence
from bot.journal.values import Arrival, Receipt
from bot.messages import Author, Button, Card, Entry, Outbound, Source
from bot.wire import Malformed
from tests.deliveries import EPOCH, delivery

SERVER = "mx.shop.example"
SETTINGS: dict[str, Any] = {
    "address": "support@shop.example",
    "imap": "imaps://imap.shop.example",
    "smtp": "smtps://smtp.shop.example",
    "password": "secret",
}
TO = {"to": "Ada@x.org", "subject": "Lamp", "in_reply_to": "<2@x.org>", "references": "<1@x.org> <2@x.org>"}


def channel(**more: Any) -> Email:
    return Email(EmailSettings.model_validate({**SETTINGS, **more}))


def mail(*headers: str, text: str = "it flickers", sender: str = "From: Ada Berg <Ada@x.org>") -> bytes:
    lines = (sender, "To: support@shop.example", "Message-ID: <2@x.org>", *headers, "", text)
    return "\r\n".join(lines).encode()


def request(raw: bytes) -> Request:
    return Request("IMAP", {}, {}, raw, 0.0, "/INBOX;UIDVALIDITY=7/;UID=3")


def received(raw: bytes) -> Received:
    return channel().parse(request(raw))


def read(raw: bytes) -> Message:
    (message,) = received(raw).messages
    return message


# What customers write


def test_a_mail_is_a_message_of_whoever_sent_it() -> None:
    message = read(mail("Subject: Re: Lamp", "In-Reply-To: <1@shop.example>", "Date: Sun, 01 Mar 2026 09:00:00 +0000"))
    assert (message.conversation_id, message.id, message.text) == ("email-ada@x.org", "<2@x.org>", "it flickers")
    references = "<1@shop.example> <2@x.org>"
    assert message.address == {
        "to": "Ada@x.org",
        "subject": "Lamp",
        "in_reply_to": "<2@x.org>",
        "references": references,
    }
    assert message.metadata == {"subject": "Re: Lamp", "name": "Ada Berg", "vouched": False}
    assert message.at == 1772355600.0


@pytest.mark.parametrize(
    ("headers", "text", "said"),
    [
        (["Subject: Order LW-10234"], "When does it come?", "Order LW-10234\nWhen does it come?"),
        (["Subject: where is my order"], "", "where is my order"),
        (["Subject: where is my order"], "Where is\nmy order, please", "where is my order\nWhere is\nmy order, please"),
        (["Subject: where is"], "where is\nmy order", "where is\nmy order"),
        (["Subject: AW: Order", "References: <1@y.z>"], "yes", "yes"),
        (["Subject: Lamp", "In-Reply-To: <1@y.z>"], "yes", "yes"),
        (["Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe_?= =?utf-8?b?8J+klg==?="], "x", "Grüße 🤖\nx"),
        (["Subject: a very", " long one"], "x", "a very long one\nx"),
        ([], "2\r\n\r\nOn Mon, 2 Mar 2026 the shop wrote:\r\n> 1. Again\r\n> 2. A person", "2"),
        ([], "yes\r\n\r\n-----Original Message-----\r\nFrom: Shop\r\nno", "yes"),
        ([], "yes\r\n-- \r\nAda Berg\r\n+49 30 1234567", "yes"),
        ([], "On 1 March 2026 the shop wrote:\r\n> Which order?\r\n\r\nLW-10234", "LW-10234"),
        (["Content-Type: text/plain; charset=no-such-set"], "hello", "hello"),
        (["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"], "R3LDvMOfZQ==", "Grüße"),
        (["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64"], "R3L", "Gr"),
        (["Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: quoted-printable"], "=FC", "ü"),
        (["Content-Type: text/html"], "<p>it <b>flickers</b></p><blockquote>old</blockquote>", "it flickers"),
        (["Content-Type: text/html"], "<script>x()</script>hi<div class=gmail_quote>old</div>", "hi"),
    ],
)
def test_what_was_written_now_is_the_text(headers: list[str], text: str, said: str) -> None:
    assert read(mail(*headers, text=text)).text == said


def nested() -> EmailMessage:
    found = EmailMessage()
    found["From"], found["Subject"], found["Message-ID"] = "ada@x.org", "Re: Lamp", "<2@x.org>"
    found.set_content("see the picture")
    found.add_alternative("<p>see the <i>picture</i></p>", subtype="html")
    found.add_attachment(b"\x89PNG" * 10, maintype="image", subtype="png", filename="lamp ü.png")
    found.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
    return found


def test_attachments_are_references_into_the_mailbox() -> None:
    message = read(nested().as_bytes())
    assert message.text == "see the picture"
    assert [(one.kind, one.type, one.name, one.size) for one in message.attachments] == [
        ("image", "image/png", "lamp ü.png", 40),
        ("file", "application/pdf", "bill.pdf", 4),
    ]
    assert [one.reference for one in message.attachments] == [
        "/INBOX;UIDVALIDITY=7/;UID=3/;SECTION=2",
        "/INBOX;UIDVALIDITY=7/;UID=3/;SECTION=3",
    ]


def test_of_a_large_mail_the_beginning_is_enough() -> None:
    large = nested()
    large.add_attachment(b"x" * LARGEST, maintype="application", subtype="zip", filename="all.zip")
    message = read(large.as_bytes()[:LARGEST])
    assert (message.text, [one.size for one in message.attachments]) == ("see the picture", [None] * 3)


def test_a_signature_is_no_attachment() -> None:
    signed = nested()
    signed.add_attachment(b"x", maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    assert [one.name for one in read(signed.as_bytes()).attachments] == ["lamp ü.png", "bill.pdf"]


def test_a_picture_alone_is_a_message() -> None:
    only = EmailMessage()
    only["From"] = "ada@x.org"
    only.add_attachment(b"\x89PNG", maintype="image", subtype="png")
    message = read(only.as_bytes())
    assert (message.text, message.attachments[0].kind) == ("", "image")


def test_a_mail_without_a_name_has_one_that_stays() -> None:
    raw = b"From: ada@x.org\n\nhello"
    assert read(raw).id == read(raw).id != read(raw + b"!").id
    assert "in_reply_to" not in read(raw).address


@pytest.mark.parametrize(
    "sender",
    [
        "Subject: nobody",
        "From: ",
        "From: undisclosed",
        "From: ada@x.org, eve@y.org",
        "From: ada@x.org\r\nFrom: eve@y.org",
        "From: ada@[127.0.0.1]",
        "From: jürgen@x.org",
        f"From: ada@{'x' * 60}.{'y' * 60}.{'z' * 60}.{'w' * 60}",
    ],
)
def test_a_mail_needs_one_sender_who_can_be_answered(sender: str) -> None:
    with pytest.raises(Malformed):
        received(mail(sender=sender))


def test_an_address_in_a_name_is_no_address() -> None:
    assert read(mail(sender='From: "ada@x.org" <eve@evil.example>')).conversation_id == "email-eve@evil.example"


@pytest.mark.parametrize(
    ("header", "ignored"),
    [
        ("Auto-Submitted: auto-replied", "automatic"),
        ("Auto-Submitted: auto-generated; type=x", "automatic"),
        ("Precedence: bulk", "automatic"),
        ("Precedence: Junk", "automatic"),
        ("List-Id: <news.x.org>", "automatic"),
        ("List-Unsubscribe: <mailto:x@y.org>", "automatic"),
        ("X-Auto-Response-Suppress: All", "automatic"),
        ("X-Auto-Response-Suppress: DR, OOF, AutoReply", "automatic"),
        ("Return-Path: <>", "automatic"),
        ("Content-Type: multipart/report; report-type=disposition-notification; boundary=b", "automatic"),
        ("Content-Type: multipart/report; report-type=delivery-status; boundary=b", "report"),
    ],
)
def test_a_machine_is_not_answered(header: str, ignored: str) -> None:
    assert received(mail(header)) == Received(ignored=(ignored,))


@pytest.mark.parametrize("name", ["MAILER-DAEMON", "postmaster", "no-reply", "noreply", "do-not-reply", "bounces+x"])
def test_an_address_behind_which_nobody_is_gets_no_answer(name: str) -> None:
    assert received(mail(sender=f"From: {name}@x.org")).ignored == ("automatic",)


def test_neither_are_our_own_mails_nor_empty_ones() -> None:
    assert received(mail(sender="From: Support@Shop.example")).ignored == ("own",)
    assert received(mail(text=" ")).ignored == ("empty",)


@pytest.mark.parametrize(
    "header", ["Auto-Submitted: no", "X-Auto-Response-Suppress: DR, NRN", "Return-Path: <a@x.org>"]
)
def test_a_person_is(header: str) -> None:
    assert read(mail(header)).text == "it flickers"


# Whether the sender is who they say


@pytest.mark.parametrize(
    ("lines", "vouched"),
    [
        (["mx.shop.example; spf=pass; dmarc=pass (p=reject) header.from=x.org"], True),
        (["mx.shop.example; dmarc=pass"], True),
        (["mx.shop.example 1; dkim=pass header.d=x.org; dmarc=pass header.from=X.ORG"], True),
        (["mx.shop.example; spf=pass", "mx.shop.example; dmarc=pass header.from=x.org"], True),
        (["mx.shop.example; dmarc=fail header.from=x.org", "mx.shop.example; dmarc=pass header.from=x.org"], False),
        (["mx.evil.example; dmarc=pass header.from=x.org"], False),
        (["mx.shop.example.evil.example; dmarc=pass"], False),
        (["mx.shop.example; dmarc=pass header.from=evil.example"], False),
        (["mx.shop.example; dmarc=bestguesspass header.from=x.org"], False),
        (["mx.shop.example; spf=pass (; dmarc=pass )"], False),
        (["mx.shop.example; none"], False),
        (
            [
                'mx.shop.example; spf=pass (domain of "a); dmarc=pass header.from=x.org ("@evil.example) '
                "smtp.mailfrom=evil.example; dmarc=fail header.from=x.org"
            ],
            False,
        ),
        (['mx.shop.example; spf=pass smtp.mailfrom="dmarc=pass"@evil.example; dmarc=none header.from=x.org'], False),
        ([""], False),
        ([], False),
    ],
)
def test_only_the_own_server_vouches_for_a_sender(lines: list[str], vouched: bool) -> None:
    raw = mail(*(f"Authentication-Results: {line}" for line in lines))
    assert channel(trusted_server=SERVER).verify(request(raw)) is vouched
    assert channel().verify(request(raw)) is True


def test_verify_does_not_raise_on_what_is_no_mail() -> None:
    assert channel(trusted_server=SERVER).verify(request(b"\xff\x00")) is False


# Reports


def report(action: str, status: str, original: str) -> bytes:
    body = (
        "--b\nContent-Type: text/plain\n\nSorry, it did not work out.\n"
        "--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.x.org\n\n"
        f"Final-Recipient: rfc822; ada@x.org\nAction: {action}\nStatus: {status}\n\n"
        f"--b\n{original}\n--b--\n"
    )
    head = "From: MAILER-DAEMON@x.org\nReturn-Path: <>\nMessage-ID: <report@x.org>\nMIME-Version: 1.0\n"
    kind = 'Content-Type: multipart/report; report-type="delivery-status"; boundary=b\n\n'
    return (head + kind + body).encode()


WHOLE = "Content-Type: message/rfc822\n\nMessage-ID: <ours-2@shop.example>\nFrom: support@shop.example\n\nanswer"
HEADERS = "Content-Type: text/rfc822-headers\n\nFrom: support@shop.example\nMessage-ID: <ours-2@shop.example>"


@pytest.mark.parametrize("original", [WHOLE, HEADERS])
def test_a_mail_that_did_not_arrive_after_all_is_a_receipt(original: str) -> None:
    raw = report("failed", "5.1.1", original)
    error = "The customer's mail server did not take it (5.1.1)."
    (receipt,) = received(raw).receipts
    assert receipt == Receipt(Arrival.FAILED, "<ours-2@shop.example>", error=error)
    assert channel(trusted_server=SERVER).verify(request(raw)), "no server vouches for a mailer-daemon"


def test_reports_of_other_things() -> None:
    assert received(report("delayed", "4.4.1", WHOLE)).ignored == ("report",)
    (receipt,) = received(report("delivered", "2.0.0", WHOLE)).receipts
    assert receipt == Receipt(Arrival.DELIVERED, "<ours-2@shop.example>")
    assert received(report("failed", "x", "Content-Type: text/plain\n\nx")).ignored == ("report",)


# Whatever comes

SAMPLES = [mail("Subject: x"), nested().as_bytes(), report("failed", "5.1.1", WHOLE)]


@settings(max_examples=300)
@given(raw=st.binary(max_size=300) | st.builds(lambda raw, at, more: raw[:at] + more + raw[at + 5 :],
       st.sampled_from(SAMPLES), st.integers(0, 900), st.binary(max_size=20)))  # fmt: skip
def test_of_any_bytes_at_most_one_message_comes(raw: bytes) -> None:
    assert channel(trusted_server=SERVER).verify(request(raw)) in (True, False)
    try:
        found = received(raw)
    except Malformed:
        return
    assert len(found.messages) + len(found.receipts) + len(found.ignored) == 1
    for message in found.messages:
        assert message.id
        assert not any(sign in part for part in message.address.values() for sign in "\r\n")
        assert channel().render(delivery("answer", dict(message.address)))


# What customers see


def sent(said: str | Outbound | Entry, address: dict[str, str] | None = None, **more: Any) -> EmailMessage:
    (call,) = channel(**more).render(delivery(said, TO if address is None else address))
    found = BytesParser(policy=policy.default).parsebytes(call.body)
    assert isinstance(found, EmailMessage)
    return found


def part(found: EmailMessage, kind: str) -> str:
    chosen = found.get_body((kind,))
    assert chosen is not None
    return str(chosen.get_content()).replace("\r\n", "\n")


def test_an_answer_goes_into_the_customers_thread() -> None:
    found = sent("It is **on its way**.", sender="Lumen & Söhne")
    assert dict(found.items()) == {
        "From": "Lumen & Söhne <support@shop.example>",
        "To": "Ada@x.org",
        "Subject": "Re: Lamp",
        "Date": "Thu, 01 Jan 1970 00:01:40 +0000",
        "Message-ID": f"<{EPOCH}-2@shop.example>",
        "In-Reply-To": "<2@x.org>",
        "References": "<1@x.org> <2@x.org>",
        "Auto-Submitted": "auto-replied",
        "X-Auto-Response-Suppress": "All",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="=_{EPOCH}-2"',
    }
    assert part(found, "plain") == "It is on its way.\n"
    assert "It is <b>on its way</b>." in part(found, "html")


def test_it_is_the_same_mail_each_time() -> None:
    said = delivery("Grüße, and a line that is longer than any mail may have: " + "x" * 2000, TO)
    (first,), (second,) = channel().render(said), channel().render(said)
    assert first == second
    assert max(map(len, first.body.split(b"\r\n"))) <= 78
    assert first.headers == {
        "From": "support@shop.example",
        "To": "Ada@x.org",
        "Message-ID": f"<{EPOCH}-2@shop.example>",
    }


def test_choices_images_and_cards_are_text_and_links() -> None:
    card = Card("Lamp", "bright", "https://shop.example/l.png", "https://shop.example/l", ())
    said = Outbound(
        "Which one? <b>", (Button("Oak", "/oak"), Button("Ash", "/ash")), "https://shop.example/i.png", (card,),
        source=Source("Wood", "https://shop.example/wood", "wood"),
    )  # fmt: skip
    found = sent(said)
    for line in (
        "Which one? <b>",
        "1. Oak",
        "2. Ash",
        "https://shop.example/i.png",
        "Wood (https://shop.example/wood)",
    ):
        assert line in part(found, "plain")
    page = part(found, "html")
    assert "Which one? &lt;b&gt;" in page
    assert '<a href="https://shop.example/i.png">' in page
    assert "<img" not in page


def test_machines_may_answer_a_person() -> None:
    entry = Entry("c1", 3, Author.AGENT, 100.0, Outbound("I am Kim."))
    assert "Auto-Submitted" not in sent(entry)


def test_nothing_that_a_customer_wrote_becomes_a_header() -> None:
    raw = mail("Subject: =?utf-8?q?x=0D=0ABcc:_eve@evil.example=0D=0A=0D=0Ahello?=")
    found = sent("answer", dict(read(raw).address))
    assert "Bcc" not in found
    assert found["Subject"] == "Re: x Bcc: eve@evil.example hello"
    assert part(found, "plain") == "answer\n"


def test_the_long_ids_of_some_programs_stay_as_they_are() -> None:
    """The library's own way of folding encodes what has more than 78 letters."""
    long = f"<{'A' * 90}@eurprd04.prod.outlook.com>"
    found = sent("answer", {**TO, "in_reply_to": long, "references": f"{long} {long}"})
    assert (found["In-Reply-To"], found["References"]) == (long, f"{long} {long}")
    assert "Bcc" not in sent("answer", {**TO, "references": f"{long}\r\nBcc: eve@evil.example"})


@given(
    title=st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=200), ours=st.text('aü, "<>漢', max_size=60)
)
def test_any_subject_and_any_name_arrive(title: str, ours: str) -> None:
    found = sent("answer", {**TO, "subject": title}, sender=ours)
    assert found["Subject"] == f"Re: {' '.join(title.split()) or 'Your message'}"
    assert found["From"].addresses[0].addr_spec == "support@shop.example"
    assert max(map(len, found.as_bytes().split(b"\n"))) < 998


def test_without_a_subject_there_is_one() -> None:
    assert sent("answer", {"to": "ada@x.org", "subject": ""})["Subject"] == "Re: Your message"


def test_only_the_mail_server_gets_the_password() -> None:
    (call,) = channel().render(delivery("answer", TO))
    signed = channel(smtp_user="relay", smtp_password="other").sign(call, Signing("k", 0.0))
    assert signed.headers["Authorization"] == "Basic cmVsYXk6b3RoZXI="
    assert "Authorization" not in call.headers
    assert channel().sign(Call("smtps://evil.example"), Signing("k", 0.0)) == Call("smtps://evil.example")


# What came of it


@pytest.mark.parametrize(
    ("code", "step", "fate", "account"),
    [
        (250, CONTENT, Fate.ARRIVED, False),
        (421, GREETING, Fate.RETRY, True),
        (554, GREETING, Fate.RETRY, True),
        (454, LOGIN, Fate.RETRY, True),
        (535, LOGIN, Fate.REFUSED, False),
        (451, SENDER, Fate.RETRY, True),
        (553, SENDER, Fate.REFUSED, False),
        (450, RECIPIENT, Fate.RETRY, False),
        (421, RECIPIENT, Fate.RETRY, True),
        (550, RECIPIENT, Fate.GIVE_UP, False),
        (452, CONTENT, Fate.RETRY, False),
        (554, CONTENT, Fate.GIVE_UP, False),
        (-1, CONTENT, Fate.AMBIGUOUS, False),
    ],
)
def test_what_a_servers_answer_means(code: int, step: str, fate: Fate, account: bool) -> None:
    verdict = channel().classify(Call("", headers={"Message-ID": "<1>"}), Answer(code, {STEP: step}, b"", 1.0))
    assert (verdict.fate, verdict.account) == (fate, account)
    assert (verdict.error is None, verdict.provider_id) == ((True, "<1>") if fate is Fate.ARRIVED else (False, None))


def test_what_silence_means() -> None:
    assert channel().classify(Call(""), Silence(True, "x")).fate is Fate.AMBIGUOUS
    assert channel().classify(Call(""), Silence(False, "x")).fate is Fate.RETRY


# Settings


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("address", "support", "support@example.com"),
        ("imap", "imap.shop.example", "imaps://imap.example.com"),
        ("imap", "imaps://user:secret@imap.shop.example", "imaps://imap.example.com"),
        ("imap", "smtps://imap.shop.example", "must begin with imaps://"),
        ("smtp", "smtps://smtp.shop.example:99999", "must be an address"),
        ("sender", "Shop\r\nBcc: x", "one line"),
        ("folder", "Anfragen ü", "as IMAP writes it"),
        ("password", "secret\n", "one line"),
    ],
)
def test_a_wrong_setting_is_told(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        channel(**{name: value})
    assert sentence in str(wrong.value)
