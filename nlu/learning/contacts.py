"""E-mail addresses and phone numbers."""

from __future__ import annotations

import re

from nlu.learning.spans import BEFORE, Spans, names_goods

_AT = re.compile(r"@|[(\[{]\s?at\s?[)\]}]|\bat\b[^\n]{1,60}\bdot\b", re.IGNORECASE)
_WORD = r"[\w.+%&'*=~-]"
_EMAIL = re.compile(
    rf"(?<!{_WORD}){_WORD}+(?:@|\s?[(\[{{]\s?at\s?[)\]}}]\s?)"
    r"\w[\w-]*(?:(?:\.|\s?[(\[{]\s?(?:dot|punkt)\s?[)\]}]\s?)\w[\w-]*)+",
    re.IGNORECASE,
)
_SPELLED = re.compile(r"(?<![\w.+-])[\w.+-]+ at \w[\w-]*(?: dot \w[\w-]*)+", re.IGNORECASE)

_NUMBER = re.compile(
    r"(?<![\w.,/-])((?:\+\s?|\()?\d(?:[ \t\xa0\u202f()./‑–-]{0,3}\d){5,17})"
    r"(?:,?\s?(?:x|ext\.?|extension|dw)\.?\s?\d{1,6})?(?![\w/]|[.,-]\d)"
)
_CALL = re.compile(
    r"\b(?:phone|tel|telephone|mobile|cell|cellphone|landline|whats\s?app|sms|call|reach|text|ring|dial|contact|fax|"
    r"callback|telefon\w*|handy\w*|mobil\w*|ruf\w*|anruf\w*|erreich\w*|zurückrufen|festnetz\w*|durchwahl|"
    r"téléphone|portable|teléfono|móvil|telefono|cellulare|my number|meine nummer)\b",
    re.IGNORECASE,
)
_SINCE_ITS_WORD = re.compile(r"[.!?]\s|\d{4}")
_DATE = re.compile(r"(?:\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}[./-]\d{1,2}[./-]\d{1,2})(?!\d)")
_AMERICAN = re.compile(r"(?:1[-.\s])?\(?[2-9]\d{2}(?:\)\s?|[-.\s])\d{3}[-.\s]\d{4}")


def emails(text: str) -> Spans:
    """`anna@example.com`, `anna (at) example (dot) com`, `anna at example dot com`."""
    if not _AT.search(text):
        return
    end = 0
    for match in sorted([*_EMAIL.finditer(text), *_SPELLED.finditer(text)], key=lambda match: match.start()):
        if match.start() >= end:
            end = match.end()
            yield match.span()


def phones(text: str) -> Spans:
    """Numbers written as phone numbers are, or told to be one by the words ahead of them."""
    for match in _NUMBER.finditer(text):
        if _is_phone(text, match.start(), match[1]):
            yield match.span()


def _is_phone(text: str, start: int, found: str) -> bool:
    if _DATE.match(found) or names_goods(text, start):
        return False
    digits = sum(map(str.isdigit, found))
    if found.startswith("+") or (found.startswith("00") and not found.startswith("000")):
        return 8 <= digits <= 17
    if _AMERICAN.fullmatch(found):
        return True
    if found.lstrip("(").startswith("0") and not found.lstrip("(").startswith("00"):
        return 9 <= digits <= 14
    return digits <= 15 and _called(text, start)


def _called(text: str, start: int) -> bool:
    """A word ahead says that it is to be called, and no other number stands between."""
    before = text[max(0, start - BEFORE) : start]
    words = list(_CALL.finditer(before))
    return bool(words) and not _SINCE_ITS_WORD.search(before, words[-1].end())
