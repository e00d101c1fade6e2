"""Numbers, sums of money and lengths of time, in digits or in words, and their value in one spelling."""

from __future__ import annotations

import re
from collections.abc import Mapping

_SMALL = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ROUND = {"dozen": 12, "hundred": 100, "thousand": 1000}
_VALUES = (
    {word: number for number, word in enumerate(_SMALL)}
    | {word: 20 + 10 * place for place, word in enumerate(_TENS)}
    | _ROUND
)

_DIGITS = r"\d{1,3}(?:[.,' ]\d{3}){1,3}(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_SIMPLE = rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_SMALL[1:10])}))?|{'|'.join(reversed(_SMALL))})"
_HUNDREDS = rf"(?:(?:(?:an?|{_SIMPLE})[- ])?hundred\b(?:[- ](?:and[- ])?{_SIMPLE})?|{_SIMPLE})"
_THOUSANDS = rf"(?:(?:an?|{_HUNDREDS})[- ])?thousand\b(?:[- ](?:and[- ])?{_HUNDREDS})?"
_WORDS = rf"{_THOUSANDS}|(?:(?:an?|{_SIMPLE})[- ])?dozen|{_HUNDREDS}"
COUNT = rf"(?:{_DIGITS}|\b(?:{_WORDS})\b)"
"""A number inside a larger expression."""

_CURRENCIES = {
    "EUR": "€|euros?|eur",
    "USD": r"\$|dollars?|usd|bucks",
    "GBP": "£|gbp",
    "CHF": "chf",
    "DKK": "dkk",
    "SEK": "sek",
    "NOK": "nok",
    "PLN": "pln|zł",
    "CZK": "czk",
}
_CURRENCY = "|".join(_CURRENCIES.values())
IN_EVERY_SUM = ("€", "eur", "$", "dollar", "usd", "bucks", "£", "gbp", "chf", "dkk", "sek", "nok", "pln", "zł", "czk")
NUMBERS = (rf"(?<![\w.,#@/-])(?P<count>{COUNT})(?![\w@/-]|[.,]\d)",)
MONEY = (
    rf"(?<![\w.,])(?P<count>{COUNT})\s?(?P<currency>{_CURRENCY})(?!\w)",
    rf"(?<!\w)(?P<currency>{_CURRENCY})\s?(?P<count>{_DIGITS})(?!\d)",
)

_UNITS = {
    "minutes?|mins?": "PT{}M",
    "hours?|hrs?|h": "PT{}H",
    "days?": "P{}D",
    "weeks?": "P{}W",
    "months?": "P{}M",
    "years?|yrs?": "P{}Y",
}
_AN = r"(?:(?<=\bfor )|(?<=\bin )|(?<=\bafter )|(?<=\bwithin )|(?<=\bthan ))an?\b"
"""Not in `twice a week`."""
LENGTHS = (rf"(?<![\w.,])(?P<count>{COUNT}|{_AN})[- ]?(?:working |business )?(?P<unit>{'|'.join(_UNITS)})\b(?! ago\b)",)


def number(match: re.Match[str]) -> str:
    return _number(match["count"])


def money(match: re.Match[str]) -> str:
    """`59.90 EUR`"""
    return f"{_number(match['count'])} {_key(_CURRENCIES, match['currency'])}"


def length(match: re.Match[str]) -> str:
    """In ISO 8601: `P2W` is two weeks."""
    return _UNITS[_unit(match["unit"])].format(_number(match["count"]))


def _unit(said: str) -> str:
    return next(unit for unit in _UNITS if re.fullmatch(unit, said, re.IGNORECASE))


def _key(spellings: Mapping[str, str], said: str) -> str:
    return next(key for key, spelling in spellings.items() if re.fullmatch(spelling, said, re.IGNORECASE))


def _number(said: str) -> str:
    if not said[0].isdigit():
        return str(_worth(re.split(r"[- ]", said.casefold())))
    whole, cents = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", said).groups()  # type: ignore[union-attr]  # matches any text
    digits = re.sub(r"\D", "", whole)
    return f"{digits}.{cents}" if cents else digits


def _worth(words: list[str]) -> int:
    """`two hundred and five thousand`: what stands before a round number multiplies it, what stands after is added."""
    thousands = current = 0
    for word in words:
        value = _VALUES.get(word, 0)  # `and`, `a`
        if word == "thousand":
            thousands, current = max(current, 1) * value, 0
        elif word in _ROUND:
            current = max(current, 1) * value
        else:
            current += value
    return thousands + current or 1
