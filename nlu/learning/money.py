"""Payment cards and bank accounts, told from other numbers by their checksums."""

from __future__ import annotations

import re

from nlu.learning.spans import BEFORE, Spans, names_goods

_CARD = re.compile(r"(?<![\w.,-])\d(?:[ \t\xa0\u202f.‑–-]{0,2}\d){11,18}(?!\w|[.,-]\d)")
_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}(?:\d{3})?)?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|"
    r"3(?:0[0-5]|[689]\d)\d{11}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|(?:2131|1800)\d{11}|62\d{14,17}|"
    r"(?:50|5[6-8]|6[0379])\d{10,17}"
)
"""The first digits and lengths that card networks use."""
_CARD_WORD = re.compile(r"\b(?:card|credit\s?card|debit\s?card|visa|master\s?card|amex|\w*karte\w*|pan|carte)\b", re.I)

_GAP = r"[\s\xa0\u202f.‑–-]{0,2}"
_IBAN = re.compile(
    rf"(?<![A-Z0-9])([A-Z]{{2}})(?:{_GAP}[0-9]){{2}}(?:{_GAP}[A-Z0-9]){{11,30}}", re.IGNORECASE | re.ASCII
)
_IBAN_WORD = re.compile(r"\biban\b[^\n]{0,20}$", re.IGNORECASE)
LENGTHS = {
    country: int(length)
    for length, countries in (
        ("15", "NO"),
        ("16", "BE"),
        ("18", "DK FO FI GL NL SD"),
        ("19", "MK SI"),
        ("20", "AT BA EE KZ XK LT LU MN"),
        ("21", "CH HR LI LV"),
        ("22", "BG BH CR DE GB GE IE ME RS VA"),
        ("23", "AE GI IL IQ OM SO TL"),
        ("24", "AD CZ ES MD PK RO SA SE SK TN VG"),
        ("25", "LY PT ST"),
        ("26", "IS TR"),
        ("27", "FR GR IT MC MR SM BI DJ"),
        ("28", "AL AZ BY CY DO GT HU LB NI PL SV"),
        ("29", "BR EG PS QA UA"),
        ("30", "JO KW MU"),
        ("31", "MT SC"),
        ("32", "LC"),
        ("33", "RU"),
    )
    for country in countries.split()
}
"""Of the countries' IBANs, by the SWIFT registry of ISO 13616."""


def cards(text: str) -> Spans:
    """Numbers of a card network's form whose Luhn digit is right, and any so long that is said to be a card's."""
    for match in _CARD.finditer(text):
        digits = "".join(filter(str.isdigit, match[0]))
        said = _CARD_WORD.search(text, max(0, match.start() - BEFORE), match.start())
        of_network = _ISSUER.fullmatch(digits) and luhn(digits) and not names_goods(text, match.start())
        if said or of_network:
            yield match.span()


def luhn(digits: str) -> bool:
    """ISO/IEC 7812: from the right, every second digit counts double."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[::-2])) + sum(doubled)) % 10 == 0


def ibans(text: str) -> Spans:
    """As long as the country's are, and with a right checksum or said to be one."""
    for match in _IBAN.finditer(text):
        end = _end(text, match)
        if end is None:
            continue
        number = "".join(filter(str.isalnum, text[match.start() : end]))
        if mod_97(number) or _IBAN_WORD.search(text, max(0, match.start() - BEFORE), match.start()):
            yield match.start(), end


def _end(text: str, match: re.Match[str]) -> int | None:
    """Where the last character of an IBAN of that country stands; None if it is no whole word then."""
    left = LENGTHS.get(match[1].upper(), 0)
    for place in range(match.start(), match.end()):
        left -= text[place].isalnum()
        if left == 0:
            return None if text[place + 1 : place + 2].isalnum() else place + 1
    return None


def mod_97(number: str) -> bool:
    """ISO 13616: the first four characters go behind, letters count from A = 10, and the rest by 97 is 1."""
    moved = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
