"""What tells who wrote a message is taken out of it; what only looks like it stays."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.redaction import lines, scored
from nlu.learning.money import luhn, mod_97
from nlu.learning.redaction import KINDS, Redactor

REDACTOR = Redactor.of()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("mail me at anna.smith+shop@mail.example.co.uk please", "mail me at <email> please"),
        ("anna (at) example (dot) com", "<email>"),
        ("my address is anna at example dot com", "my address is <email>"),
        ("call +49 151 23456789", "call <phone>"),
        ("my mobile is 07400 123456.", "my mobile is <phone>."),
        ("(201) 555-0123 ext. 44", "<phone>"),
        ("you can reach me under 5550 1234", "you can reach me under <phone>"),
        ("my card 4111-1111-1111-1111 expires soon", "my card <card> expires soon"),
        ("the card 4111 1111 1111 1112 is refused", "the card <card> is refused"),
        ("de89 3704 0044 0532 0130 00 is my account", "<iban> is my account"),
        ("IBAN: DE89370400440532013001", "IBAN: <iban>"),
        ("I live at 12 Baker Street, London NW1 6XE now", "I live at <address> now"),
        ("221b baker street", "<address>"),
        ("Hauptstraße 5b\n10115 Berlin", "<address>"),
        ("Am Alten Markt 3, 50667 Köln", "<address>"),
        ("1600 Oak Avenue NW Apt. 4, Springfield, IL 62704", "<address>"),
        ("PO Box 12", "<address>"),
        ("my postcode is 22087", "my postcode is <address>"),
        ("My name is Anna Smith and I wait", "My name is <name> and I wait"),
        ("my name is anna and i wait", "my name is <name> and i wait"),
        ("ich heiße Jürgen von der Aue", "ich heiße <name>"),
        ("This is Tom speaking", "This is <name> speaking"),
        ("Hi, Ada Berg here, where is it?", "Hi, <name> here, where is it?"),
        ("Guten Tag, Jan van der Berg hier, mein Paket", "Guten Tag, <name> hier, mein Paket"),
        ("It is late.\nRegards,\nAnna S. Smith", "It is late.\nRegards,\n<name>"),
        ("Mit freundlichen Grüßen\nPetra Müller", "Mit freundlichen Grüßen\n<name>"),
        ("Thanks, Anna", "Thanks, <name>"),
        ("Mrs O'Hara was kind", "Mrs <name> was kind"),
    ],
)
def test_what_tells_who_wrote_is_taken_out(text: str, left: str) -> None:
    assert REDACTOR.redact(text).text == left


@pytest.mark.parametrize(
    "text",
    [
        "I paid 12,000.50 EUR on 12/03/2026 at 14:30",
        "tracking 00340434161094042557",
        "my order number is 0123456789",
        "parcel 4111111111111111",  # a number of the carrier, as it says
        "4111 1111 1111 1112",  # no card: the checksum is wrong
        "DE89370400440532013001",
        "order 12345 Berlin lamp",
        "Am Montag 17 Uhr",
        "the 2 street lamps and 3 chairs",
        "my name is spelled wrong",
        "what name is saved for me",
        "this is really bad",
        "Thanks, bye",
        "cheers mate",
        "best quality",
        "I'm Angry",
        "Hi, Everyone here?",
        "hello, is anybody here?",
    ],
)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert REDACTOR.redact(text).spans == ()


def test_order_numbers_go_only_where_the_operator_says_how_they_look() -> None:
    text = "where is LW-10234"
    assert REDACTOR.redact(text).text == text
    assert Redactor.of(r"LW-\d{5}").redact("where is lw-10234").text == "where is <order>"


def test_the_checksums_are_those_of_the_standards() -> None:
    assert luhn("79927398713")
    assert not luhn("79927398710")
    assert mod_97("GB82WEST12345698765432")
    assert not mod_97("GB83WEST12345698765432")


def test_held_back_lines_are_redacted_as_well_as_promised() -> None:
    scores = scored(lines(2000, 0), 0)
    found, there, right, taken = (sum(column) for column in zip(*scores.values(), strict=True))
    assert found / there >= 0.98
    assert right / taken >= 0.97


WORDS = (
    "my name is ",
    "Anna ",
    "Regards,\n",
    "Dr. ",
    "at",
    "0",
    "1",
    " ",
    "-",
    "\n",
    "ſ",
    "\u0661",
    "²",
    "<name>",
    "<phone>",
)
DATA = ("a@b.de", "+49 151 23456789 ", "4111 1111 1111 1111", "DE89370400440532013000 ", "12 Oak Road ", "10115 Berlin")
_PARTS = st.sampled_from((*WORDS, *DATA, "LW-10234"))
TEXTS = st.one_of(st.text(), st.lists(_PARTS, max_size=12).map("".join))


@given(TEXTS)
def test_a_redacted_text_stays_as_it_is(text: str) -> None:
    redactor = Redactor.of(r"LW-\d{5}")
    once = redactor.redact(text).text
    assert redactor.redact(once).text == once


@given(TEXTS)
def test_the_places_are_those_of_the_original(text: str) -> None:
    found = REDACTOR.redact(text)
    parts, at = [], 0
    for span in found.spans:
        assert span.kind in KINDS
        assert at <= span.start < span.end
        parts += [text[at : span.start], f"<{span.kind}>"]
        at = span.end
    assert "".join([*parts, text[at:]]) == found.text
    assert at <= len(text)
    assert len(re.findall(r"<\w+>", found.text)) >= len(found.spans)
